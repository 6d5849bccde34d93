/**
 * Next-token logits for texts that grow by one token at a time. With a cache, each call computes only the new tokens of a
 * text; without one, it computes all of them.
 */
import { WorkbenchError } from "../../protocol/errors";
import type { Engine, Program, Tensor, Tensors } from "../engine/engine";
import { computeBytes } from "../graph/cost";
import { input, sizeOf } from "../graph/op";
import { type CacheSizes, KeyValueCache, listCacheNames, getCacheType } from "../models/keyValueCache";
import { buildInferenceForward, toInferenceTensors } from "../models/inference";
import { checkGrowth, dimensionsOf, type ModelShape } from "../models/model";
import { disposeAll, pickTensors } from "../training/evaluateLoss";
import { uploadAll } from "../training/feeds";
import type { ExitUse } from "./exitUse";
import { ForwardProgram } from "./forwardProgram";
import type { Subject } from "./metric";

export interface GrowingText {
  readonly ids: readonly number[];
  /** Whether the text continues; a closed text needs no logits. */
  readonly isOpen: boolean;
}

export interface NextToken extends AsyncDisposable {
  /** Bytes of the cache between two calls, of all texts together. */
  readonly cacheBytes: number;
  /** Forgets all texts, to start others of the same number and lengths. */
  forget(): void;
  /**
   * Logits [texts, vocabulary] of the token after each text, from as many of its last tokens as there are slots. Each call
   * passes the same texts in the same order; between calls they may only grow.
   */
  logits(texts: readonly GrowingText[], signal: AbortSignal): Promise<Float32Array>;
  /** Texts that the model ended in the last call instead of predicting a token, by their number; their logits are zeros. */
  readonly stopped?: ReadonlySet<number>;
  /** How its exits were used so far, if it has some. */
  readonly exitUse?: ExitUse;
}

type Model = Pick<Subject, "shape" | "tensors" | "weights">;

/** Runs one pass over the last `slots` tokens of all texts in each call. */
export async function openWithoutCache(
  engine: Engine,
  model: Model,
  { batch, slots: time }: CacheSizes,
): Promise<NextToken> {
  checkGrowth(model.shape, time);
  const size = { batch, time, rows: batch };
  const program = await ForwardProgram.open(engine, model, size, (all) => all, model.weights?.());
  return {
    cacheBytes: 0,
    forget: () => undefined,
    logits: (texts, signal) => {
      const tokens = new Int32Array(batch * time);
      const rows = new Int32Array(batch);
      texts.forEach(({ ids }, i) => {
        const last = ids.slice(-time);
        // The last token is followed by padding, which no earlier token attends to.
        tokens.set(last, i * time);
        rows[i] = i * time + last.length - 1;
      });
      return program.run({ tokens, rows }, signal);
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

/** Attention scores have batch · heads · chunk · slots elements, so a long text is read in chunks. */
const maxChunkLength = 256;

/** Equally many tokens of each text, of which shorter texts are padded. */
interface Chunk {
  /** Tokens of each text. */
  readonly time: number;
  /** Position of the first token that no earlier chunk has. */
  readonly unread: number;
  /** [texts · time] */
  readonly tokens: Int32Array;
  readonly positions: Int32Array;
  /** The row of [texts · time] with the last token of each text, if it is in this chunk. */
  readonly rows: Int32Array;
  /** Numbers of the texts whose last token is in this chunk. */
  readonly ending: readonly number[];
}

/** All chunks have the same length: the last one starts earlier, to end with the longest text. */
export function* cutIntoChunks(texts: readonly (readonly number[])[]): Generator<Chunk> {
  const longest = Math.max(...texts.map(({ length }) => length));
  const time = Math.min(longest, maxChunkLength);
  for (let unread = 0; unread < longest; unread += time) {
    const start = Math.min(unread, longest - time);
    const tokens = new Int32Array(texts.length * time);
    texts.forEach((ids, i) => tokens.set(ids.slice(start, start + time), i * time));
    const last = texts.map(({ length }) => length - 1 - start);
    const isHere = (row: number) => row >= 0 && row < time;
    yield {
      time,
      unread,
      tokens,
      positions: Int32Array.from({ length: texts.length * time }, (_, i) => start + (i % time)),
      rows: Int32Array.from(last, (row, i) => i * time + (isHere(row) ? row : 0)),
      ending: last.flatMap((row, i) => (isHere(row) ? [i] : [])),
    };
  }
}

export class CachedNextToken implements NextToken {
  /** Programs by the number of tokens per text and run: 1 for a step, more to read texts. */
  readonly #programs = new Map<number, Program>();
  readonly #weights: Tensors;
  #tables: Readonly<Record<string, Tensor>>;
  /** Number of tokens of each text, from its first, in the cache. */
  readonly #held: number[];

  constructor(
    private readonly engine: Engine,
    private readonly model: Model,
    private readonly sizes: CacheSizes,
  ) {
    this.#weights = model.weights?.() ?? uploadAll(engine, toInferenceTensors(model.shape, model.tensors));
    const dimensions = dimensionsOf(model.shape);
    const type = getCacheType(dimensions, sizes);
    const empty = () => engine.upload(type, new Float32Array(sizeOf(type.shape)));
    this.#tables = Object.fromEntries(listCacheNames(dimensions).map((name) => [`past.${name}`, empty()]));
    this.#held = new Array<number>(sizes.batch).fill(0);
  }

  get cacheBytes(): number {
    return Object.values(this.#tables).reduce((sum, { type }) => sum + computeBytes(type), 0);
  }

  forget(): void {
    this.#held.fill(0);
  }

  logits(texts: readonly GrowingText[], signal: AbortSignal): Promise<Float32Array> {
    const { slots } = this.sizes;
    const isNext = texts.every(
      ({ ids, isOpen }, i) => !isOpen || (ids.length <= slots && ids.length - 1 <= this.#held[i]!),
    );
    return isNext ? this.#step(texts, signal) : this.#read(texts, signal);
  }

  /** Runs one token of each text. The last token of a closed text is written to its slot again. */
  async #step(texts: readonly GrowingText[], signal: AbortSignal): Promise<Float32Array> {
    const logits = await this.#run(
      1,
      {
        tokens: Int32Array.from(texts, ({ ids }) => ids.at(-1)!),
        positions: Int32Array.from(texts, ({ ids }) => Math.min(ids.length, this.sizes.slots) - 1),
        rows: Int32Array.from(texts, (_, i) => i),
      },
      signal,
    );
    texts.forEach(({ ids }, i) => (this.#held[i] = Math.max(this.#held[i]!, ids.length)));
    return logits;
  }

  /**
   * Reads the last tokens of each text again, because positions change once a text is longer than the slots. All texts use as
   * many slots as the longest; a shorter text is followed by padding, in slots that its next tokens overwrite.
   */
  async #read(texts: readonly GrowingText[], signal: AbortSignal): Promise<Float32Array> {
    const { batch, slots } = this.sizes;
    const { vocabulary } = dimensionsOf(this.model.shape);
    const result = new Float32Array(batch * vocabulary);
    for (const { time, tokens, positions, rows, ending } of cutIntoChunks(
      texts.map(({ ids }) => ids.slice(-slots)),
    )) {
      const logits = await this.#run(time, { tokens, positions, rows }, signal);
      for (const i of ending)
        result.set(logits.subarray(i * vocabulary, (i + 1) * vocabulary), i * vocabulary);
    }
    texts.forEach(({ ids }, i) => (this.#held[i] = ids.length <= slots ? ids.length : 0));
    return result;
  }

  async #run(
    time: number,
    feeds: Readonly<Record<"tokens" | "positions" | "rows", Int32Array>>,
    signal: AbortSignal,
  ): Promise<Float32Array> {
    if (signal.aborted) throw new WorkbenchError("cancelled", "The evaluation was stopped.");
    const { batch } = this.sizes;
    const program = await this.#program(time);
    const uploaded = Object.fromEntries(
      Object.entries(feeds).map(([name, data]) => {
        const shape = name === "rows" ? [batch] : [batch, time];
        return [name, this.engine.upload({ dtype: "int32", shape }, data)];
      }),
    );
    const { logits, ...tables } = await program.run(
      pickTensors(program.inputs, { ...this.#weights, ...this.#tables, ...uploaded }),
    );
    this.#tables = Object.fromEntries(
      Object.entries(tables).map(([name, table]) => [name.replace("present.", "past."), table]),
    );
    disposeAll(uploaded);
    const answer = (await logits!.read()).slice() as Float32Array;
    logits![Symbol.dispose]();
    return answer;
  }

  async #program(time: number): Promise<Program> {
    let program = this.#programs.get(time);
    if (program === undefined) {
      const { graph, state } = buildCachedForward(this.model.shape, { ...this.sizes, time });
      program = await this.engine.compile(graph, { state });
      this.#programs.set(time, program);
    }
    return program;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    disposeAll(this.#tables);
    if (this.model.weights === undefined) disposeAll(this.#weights);
    for (const program of this.#programs.values()) await program[Symbol.asyncDispose]();
  }
}

/**
 * `tokens` and `positions` int32 [batch, time], `rows` int32 [rows] to select from [batch · time], one of each text by default,
 * and `past.<layer>.key` and `.value` → `logits` [rows, vocabulary] and the tables with the new tokens, `present.…`.
 */
export function buildCachedForward(
  shape: ModelShape,
  { time, rows, ...sizes }: CacheSizes & { readonly time: number; readonly rows?: number },
) {
  const dimensions = dimensionsOf(shape);
  const int = (name: string, size: readonly number[]) => input(name, size, "int32");
  const positions = int("positions", [sizes.batch, time]);
  const type = getCacheType(dimensions, sizes);
  const cache = new KeyValueCache(dimensions, sizes, positions, (name) => input(`past.${name}`, type.shape));
  const logits = buildInferenceForward(
    shape,
    { tokens: int("tokens", [sizes.batch, time]), positions, cache },
    { rows: int("rows", [rows ?? sizes.batch]) },
  );
  const present = Object.fromEntries([...cache.next].map(([name, next]) => [`present.${name}`, next]));
  const state = Object.fromEntries([...cache.next.keys()].map((name) => [`present.${name}`, `past.${name}`]));
  return { graph: { outputs: { logits, ...present } }, state };
}
