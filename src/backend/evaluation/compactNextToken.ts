/**
 * Next-token logits with a cache that a policy keeps small. The first call reads the prompts with a table of all their tokens,
 * whose chosen rows then move into smaller tables; each further call adds one token to every text.
 */
import { WorkbenchError } from "../../protocol/errors";
import {
  type ChosenPolicy,
  CompactCache,
  type CompactSizes,
  listLayerTables,
  nameGroup,
  type StepInputs,
} from "../caches/compactCache";
import type { LayerPlan } from "../caches/planLayers";
import type { Engine, Program, Tensor, Tensors } from "../engine/engine";
import { computeBytes } from "../graph/cost";
import { input } from "../graph/op";
import { buildInferenceForward, toInferenceTensors } from "../models/inference";
import { dimensionsOf, type ModelShape } from "../models/model";
import { disposeAll, pickTensors } from "../training/evaluateLoss";
import { uploadAll } from "../training/feeds";
import type { Subject } from "./metric";
import type { GrowingText, NextToken } from "./nextToken";
import { PromptReader } from "./promptReader";
import { PromptShortener } from "./promptShortener";

export interface CompactOptions {
  readonly chosen: ChosenPolicy;
  /** Number of positions of a text. */
  readonly positions: number;
  /** Plans the layers once the prompts are known. */
  readonly plan: (prompts: readonly number[]) => readonly LayerPlan[];
  /** The seed of each text. */
  readonly seeds: readonly number[];
}

export class CompactNextToken implements NextToken {
  readonly #weights: Tensors;
  #reader: PromptReader | undefined;
  #shortener: PromptShortener | undefined;
  #program: Program | undefined;
  #tables: Readonly<Record<string, Tensor>> = {};
  #lengths: readonly number[] = [];
  #plans: readonly LayerPlan[] = [];
  /** Number of tokens of each text that were read; none before the first call. */
  #read: number[] = [];

  constructor(
    private readonly engine: Engine,
    private readonly model: Pick<Subject, "shape" | "tensors">,
    private readonly options: CompactOptions,
  ) {
    this.#weights = uploadAll(engine, toInferenceTensors(model.shape, model.tensors));
  }

  /** Keys and values, and what the policy needs to choose among them. */
  get cacheBytes(): number {
    return Object.values(this.#tables).reduce((sum, { type }) => sum + computeBytes(type), 0);
  }

  /** The positions that each layer has of each text and key-value head, in order: [layer][text · kvHeads + head]. */
  async readPositions(): Promise<number[][][]> {
    const batch = this.#lengths.length;
    const { kvHeads } = dimensionsOf(this.model.shape);
    const read = async (layer: number, groups: LayerPlan["groups"]) => {
      const rows = new Array<number[]>(batch * kvHeads);
      for (const [group, { heads, slots }] of groups.entries()) {
        const table = this.#tables[`${nameGroup(layer, group)}.position`]!;
        const all = [...((await table.read()) as Int32Array)];
        for (let row = 0; row < batch * heads.length; row++)
          rows[Math.floor(row / heads.length) * kvHeads + heads[row % heads.length]!] = all
            .slice(row * slots, (row + 1) * slots)
            .filter((position) => position >= 0)
            .sort((a, b) => a - b);
      }
      return rows;
    };
    return Promise.all(this.#plans.map(({ groups }, layer) => read(layer, groups)));
  }

  async logits(texts: readonly GrowingText[], signal: AbortSignal): Promise<Float32Array> {
    if (signal.aborted) throw new WorkbenchError("cancelled", "The evaluation was stopped.");
    if (this.#read.length === 0) return this.#start(texts, signal);
    const { positions } = this.options;
    texts.forEach(({ ids, isOpen }, i) => {
      if (!isOpen) return;
      if (ids.length > positions)
        throw new Error(`A text has ${ids.length} tokens, but the cache is for ${positions}.`);
      if (ids.length !== this.#read[i]! + 1) throw new Error(`Text ${i} did not grow by one token.`);
      this.#read[i] = ids.length;
    });
    return this.#step(texts);
  }

  forget(): void {
    disposeAll(this.#tables);
    this.#tables = {};
    this.#read = [];
  }

  async #start(texts: readonly GrowingText[], signal: AbortSignal): Promise<Float32Array> {
    const { engine, model, options } = this;
    const prompts = texts.map(({ ids }) => ids);
    const lengths = prompts.map(({ length }) => length);
    if (this.#program !== undefined && lengths.some((length, i) => length !== this.#lengths[i]))
      throw new Error("A cache that was opened for other lengths of prompts cannot read these.");
    this.#lengths = lengths;
    const plans = options.plan(lengths);
    const { chosen, seeds } = options;
    const size = { batch: texts.length, slots: Math.max(...lengths) };
    // Policies with scores have the same budget for all heads.
    const budgets = plans.map(({ groups }) => groups[0]!.budget);
    this.#reader ??= new PromptReader(engine, model.shape, size, { chosen, budgets, seeds });
    const read = await this.#reader.read(this.#weights, prompts, signal);
    const sizes = { batch: texts.length, positions: options.positions, layers: plans };
    this.#shortener ??= new PromptShortener(engine, dimensionsOf(model.shape), chosen, sizes);
    this.#tables = await this.#shortener.shorten(read, lengths, seeds);
    this.#plans = plans;
    if (this.#program === undefined) {
      const { graph, state } = buildStep(model.shape, chosen, sizes);
      this.#program = await engine.compile(graph, { state });
    }
    this.#read = [...lengths];
    return read.logits;
  }

  async #step(texts: readonly GrowingText[]): Promise<Float32Array> {
    const { engine, options } = this;
    const batch = texts.length;
    const upload = (numbers: Iterable<number>, shape: readonly number[]) =>
      engine.upload({ dtype: "int32", shape }, Int32Array.from(numbers));
    const fed = {
      tokens: upload(
        texts.map(({ ids }) => ids.at(-1)!),
        [batch, 1],
      ),
      positions: upload(
        this.#read.map((length) => length - 1),
        [batch, 1],
      ),
      lengths: upload(this.#lengths, [batch]),
      seeds: upload(options.seeds, [batch]),
    };
    const program = this.#program!;
    const past = Object.fromEntries(
      Object.entries(this.#tables).map(([name, each]) => [`past.${name}`, each]),
    );
    const { logits, ...next } = await program.run(
      pickTensors(program.inputs, { ...this.#weights, ...past, ...fed }),
    );
    this.#tables = Object.fromEntries(
      Object.entries(next).map(([name, each]) => [name.replace("present.", ""), each]),
    );
    disposeAll(fed);
    const answer = (await logits!.read()).slice() as Float32Array;
    logits![Symbol.dispose]();
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    disposeAll(this.#tables);
    disposeAll(this.#weights);
    for (const program of [this.#reader, this.#shortener, this.#program])
      await program?.[Symbol.asyncDispose]();
  }
}

/** One token of each text: `tokens`, `positions` int32 [batch, 1] and `past.…` → `logits` [batch, vocabulary] and `present.…`. */
export function buildStep(shape: ModelShape, chosen: ChosenPolicy, sizes: CompactSizes) {
  const { batch } = sizes;
  const dimensions = dimensionsOf(shape);
  const int = (name: string, size: readonly number[]) => input(name, size, "int32");
  const inputs: StepInputs = {
    positions: int("positions", [batch, 1]),
    lengths: int("lengths", [batch]),
    seeds: int("seeds", [batch]),
  };
  const past = new Map(
    sizes.layers.flatMap((_, layer) =>
      [...listLayerTables(chosen, dimensions, sizes, layer)].map(
        ([name, { dtype, shape: size }]) => [name, input(`past.${name}`, size, dtype)] as const,
      ),
    ),
  );
  const cache = new CompactCache(chosen, dimensions, sizes, inputs, (name) => past.get(name)!);
  const logits = buildInferenceForward(shape, {
    tokens: int("tokens", [batch, 1]),
    positions: inputs.positions,
    cache,
  });
  const next = [...cache.next];
  return {
    graph: {
      outputs: { logits, ...Object.fromEntries(next.map(([name, value]) => [`present.${name}`, value])) },
    },
    state: Object.fromEntries(next.map(([name]) => [`present.${name}`, `past.${name}`])),
  };
}
