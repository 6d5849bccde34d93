/** Texts that run apart from each other, each with a cache of its own, on the programs and weights that they share. */
import { WorkbenchError } from "../../protocol/errors";
import type { Engine, Program, Tensor, Tensors } from "../engine/engine";
import { computeBytes, countModelProductFlops } from "../graph/cost";
import { sizeOf } from "../graph/op";
import { getCacheType, listCacheNames } from "../models/keyValueCache";
import { toInferenceTensors } from "../models/inference";
import { dimensionsOf } from "../models/model";
import { disposeAll, pickTensors } from "../training/evaluateLoss";
import { uploadAll } from "../training/feeds";
import type { ExitGraph } from "./exitGraphs";
import type { Subject } from "./metric";
import { buildCachedForward, cutIntoChunks } from "./nextToken";

export interface CountedProgram {
  readonly program: Program;
  /** Floating-point operations of its matrix products. */
  readonly flops: number;
}

export class ApartPrograms implements AsyncDisposable {
  readonly weights: Tensors;
  readonly #programs = new Map<string, CountedProgram>();
  #wholeFlops: number | undefined;

  constructor(
    readonly engine: Engine,
    readonly model: Pick<Subject, "shape" | "tensors">,
    /** Number of positions of a text. */
    readonly slots: number,
  ) {
    this.weights = uploadAll(engine, toInferenceTensors(model.shape, model.tensors));
  }

  async get(name: string, build: () => ExitGraph): Promise<CountedProgram> {
    let found = this.#programs.get(name);
    if (found === undefined) {
      const { graph, state } = build();
      found = {
        program: await this.engine.compile(graph, { state }),
        flops: countModelProductFlops(graph),
      };
      this.#programs.set(name, found);
    }
    return found;
  }

  /** The whole model for `time` tokens, with the logits of `rows` of them. */
  whole(time: number, rows = 1): Promise<CountedProgram> {
    const { model, slots } = this;
    return this.get(`${rows} of ${time} tokens`, () =>
      buildCachedForward(model.shape, { batch: 1, slots, time, rows }),
    );
  }

  /** Bytes of the cache of one text. */
  get cacheBytes(): number {
    const dimensions = dimensionsOf(this.model.shape);
    const type = getCacheType(dimensions, { batch: 1, slots: this.slots });
    return listCacheNames(dimensions).length * computeBytes(type);
  }

  /** Floating-point operations of the whole model for one token. */
  get wholeFlops(): number {
    const { model, slots } = this;
    return (this.#wholeFlops ??= countModelProductFlops(
      buildCachedForward(model.shape, { batch: 1, slots, time: 1 }).graph,
    ));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    disposeAll(this.weights);
    for (const { program } of this.#programs.values()) await program[Symbol.asyncDispose]();
  }
}

/** The keys and values of one text. */
export class ApartText implements Disposable {
  #tables: Tensors;
  /** Number of tokens, from the first, whose keys and values are in the cache. */
  held = 0;

  constructor(private readonly programs: ApartPrograms) {
    const { engine, model, slots } = programs;
    const dimensions = dimensionsOf(model.shape);
    const type = getCacheType(dimensions, { batch: 1, slots });
    this.#tables = Object.fromEntries(
      listCacheNames(dimensions).map((name) => [
        `past.${name}`,
        engine.upload(type, new Float32Array(sizeOf(type.shape))),
      ]),
    );
  }

  /** Runs a program on the cache and consecutive tokens from a position on; returns its outputs besides the tables. */
  async run(
    { program }: CountedProgram,
    {
      ids,
      position,
      ...feeds
    }: { ids: readonly number[]; position: number; state?: Tensor; rows?: number[] },
    signal: AbortSignal,
  ): Promise<Tensors> {
    if (signal.aborted) throw new WorkbenchError("cancelled", "The evaluation was stopped.");
    const { engine, weights } = this.programs;
    const upload = (shape: readonly number[], numbers: readonly number[]) =>
      engine.upload({ dtype: "int32", shape }, Int32Array.from(numbers));
    const { rows, state } = feeds;
    const uploaded = {
      tokens: upload([1, ids.length], ids),
      positions: upload(
        [1, ids.length],
        ids.map((_, i) => position + i),
      ),
      ...(rows === undefined ? {} : { rows: upload([rows.length], rows) }),
    };
    const results = await program.run(
      pickTensors(program.inputs, {
        ...weights,
        ...this.#tables,
        ...uploaded,
        ...(state === undefined ? {} : { state }),
      }),
    );
    disposeAll(uploaded);
    const tables: Record<string, Tensor> = { ...this.#tables };
    const outputs: Record<string, Tensor> = {};
    for (const [name, tensor] of Object.entries(results))
      if (name.startsWith("present.")) tables[name.replace("present.", "past.")] = tensor;
      else outputs[name] = tensor;
    this.#tables = tables;
    return outputs;
  }

  /** Reads a text from its first token with the whole model: the logits of the token after it. */
  async read(ids: readonly number[], signal: AbortSignal): Promise<Float32Array> {
    const { programs } = this;
    for (const { time, tokens, positions, rows, ending } of cutIntoChunks([ids])) {
      const feeds = { ids: [...tokens], position: positions[0]!, rows: [...rows] };
      const { logits } = await this.run(await programs.whole(time), feeds, signal);
      if (ending.length === 0) {
        logits![Symbol.dispose]();
        continue;
      }
      this.held = ids.length;
      return readNumbers(logits!);
    }
    throw new Error("A text has no tokens.");
  }

  [Symbol.dispose](): void {
    disposeAll(this.#tables);
  }
}

/** Reads a tensor and gives its memory back. */
export async function readNumbers(tensor: Tensor): Promise<Float32Array> {
  const numbers = (await tensor.read()).slice() as Float32Array;
  tensor[Symbol.dispose]();
  return numbers;
}
