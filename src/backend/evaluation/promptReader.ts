/** Reads prompts with a table of all their keys and values, and adds up the scores by which a policy shortens them. */
import { WorkbenchError } from "../../protocol/errors";
import type { ChosenPolicy } from "../caches/compactCache";
import { type PromptInputs, scoreChunk } from "../caches/promptScores";
import type { Engine, Program, Tensor, Tensors } from "../engine/engine";
import { add } from "../graph/ops/elementwise";
import { input, sizeOf, type TensorType, type Value } from "../graph/op";
import { buildInferenceForward } from "../models/inference";
import { type CacheSizes, getCacheType, KeyValueCache, listCacheNames } from "../models/keyValueCache";
import { dimensionsOf, type ModelShape } from "../models/model";
import { disposeAll, pickTensors } from "../training/evaluateLoss";
import { cutIntoChunks } from "./nextToken";

export interface ReadPrompts {
  /** Of the token after each prompt, [texts, vocabulary]. */
  readonly logits: Float32Array;
  /** `0.key`, `0.value`, …, [texts · kvHeads · slots, headDim]. Slots are as many as the longest prompt has tokens. */
  readonly tables: Readonly<Record<string, Tensor>>;
  /** Scores of each layer, [texts · kvHeads, slots]; none for a policy without scores. */
  readonly scores: readonly Float32Array[];
}

export interface PromptOptions {
  readonly chosen: ChosenPolicy;
  /** Tokens to keep in each layer. */
  readonly budgets: readonly number[];
  /** The seed of each text. */
  readonly seeds: readonly number[];
}

/** Reads prompts of up to `slots` tokens, as many at a time as `batch`. */
export class PromptReader implements AsyncDisposable {
  readonly #types: ReadonlyMap<string, TensorType>;
  #program: Program | undefined;

  constructor(
    private readonly engine: Engine,
    private readonly shape: ModelShape,
    readonly sizes: CacheSizes,
    private readonly options: PromptOptions,
  ) {
    this.#types = listTables(shape, sizes, options);
  }

  async read(
    weights: Tensors,
    prompts: readonly (readonly number[])[],
    signal: AbortSignal,
  ): Promise<ReadPrompts> {
    const { engine, options } = this;
    const { batch } = this.sizes;
    const { vocabulary } = dimensionsOf(this.shape);
    const upload = (numbers: Iterable<number>, size: readonly number[]) =>
      engine.upload({ dtype: "int32", shape: size }, Int32Array.from(numbers));
    const lengths = prompts.map(({ length }) => length);
    const fixed = { lengths: upload(lengths, [batch]), seeds: upload(options.seeds, [batch]) };
    let tables: Record<string, Tensor> = Object.fromEntries(
      [...this.#types].map(([name, type]) => [
        name,
        engine.upload(type, new Float32Array(sizeOf(type.shape))),
      ]),
    );
    const logits = new Float32Array(batch * vocabulary);
    try {
      for (const chunk of cutIntoChunks(prompts)) {
        if (signal.aborted) throw new WorkbenchError("cancelled", "The evaluation was stopped.");
        const { time } = chunk;
        this.#program ??= await this.#compile(time);
        const fed = {
          tokens: upload(chunk.tokens, [batch, time]),
          positions: upload(chunk.positions, [batch, time]),
          rows: upload(chunk.rows, [batch]),
          unread: upload([chunk.unread], []),
        };
        const past = Object.fromEntries(Object.entries(tables).map(([name, each]) => [`past.${name}`, each]));
        const outputs = await this.#program.run(
          pickTensors(this.#program.inputs, { ...weights, ...fixed, ...fed, ...past }),
        );
        disposeAll(fed);
        tables = Object.fromEntries(Object.keys(tables).map((name) => [name, outputs[`present.${name}`]!]));
        const all = (await outputs.logits!.read()) as Float32Array;
        for (const i of chunk.ending)
          logits.set(all.subarray(i * vocabulary, (i + 1) * vocabulary), i * vocabulary);
        outputs.logits![Symbol.dispose]();
      }
    } finally {
      disposeAll(fixed);
    }
    const scores: Float32Array[] = [];
    for (let layer = 0; `${layer}.score` in tables; layer++) {
      const { [`${layer}.score`]: table, ...others } = tables;
      scores.push((await table!.read()).slice() as Float32Array);
      table![Symbol.dispose]();
      tables = others;
    }
    return { logits, tables, scores };
  }

  #compile(time: number): Promise<Program> {
    const { graph, state } = buildPromptForward(this.shape, { ...this.sizes, time }, this.options);
    return this.engine.compile(graph, { state });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
  }
}

/** The tables of keys and values, and of scores if the policy has any. */
function listTables(
  shape: ModelShape,
  sizes: CacheSizes,
  { chosen }: PromptOptions,
): Map<string, TensorType> {
  const dimensions = dimensionsOf(shape);
  const type = getCacheType(dimensions, sizes);
  const types = new Map(listCacheNames(dimensions).map((name) => [name, type]));
  if (chosen.policy.weigh !== undefined)
    for (let layer = 0; layer < dimensions.layers; layer++)
      types.set(`${layer}.score`, {
        dtype: "float32",
        shape: [sizes.batch * dimensions.kvHeads, sizes.slots],
      });
  return types;
}

function buildPromptForward(
  shape: ModelShape,
  { time, ...sizes }: CacheSizes & { readonly time: number },
  options: PromptOptions,
) {
  const { batch } = sizes;
  const int = (name: string, size: readonly number[]) => input(name, size, "int32");
  const inputs: PromptInputs = {
    positions: int("positions", [batch, time]),
    lengths: int("lengths", [batch]),
    seeds: int("seeds", [batch]),
    unread: int("unread", []),
  };
  const types = listTables(shape, sizes, options);
  const inputsOf = new Map([...types].map(([name, type]) => [name, input(`past.${name}`, type.shape)]));
  const past = (name: string) => inputsOf.get(name)!;
  const scores = new Map<string, Value>();
  const { chosen, budgets } = options;
  const cache = new KeyValueCache(dimensionsOf(shape), sizes, inputs.positions, past, (layer, call) => {
    const name = `${layer}.score`;
    if (types.has(name))
      scores.set(name, add(past(name), scoreChunk(chosen, layer, budgets[layer]!, call, inputs)));
  });
  const logits = buildInferenceForward(
    shape,
    { tokens: int("tokens", [batch, time]), positions: inputs.positions, cache },
    { rows: int("rows", [batch]) },
  );
  const next = [...cache.next, ...scores];
  return {
    graph: {
      outputs: { logits, ...Object.fromEntries(next.map(([name, value]) => [`present.${name}`, value])) },
    },
    state: Object.fromEntries(next.map(([name]) => [`present.${name}`, `past.${name}`])),
  };
}
