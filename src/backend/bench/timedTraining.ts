/** A training whose steps are timed one at a time. Weights and text are made up, so no data is needed. */
import { trainSchema, type TrainOptions } from "../../schema/experiment";
import type { Batch } from "../data/split";
import type { Engine, Program, Tensor, Tensors } from "../engine/engine";
import { listInputs } from "../graph/graph";
import { type Value, sizeOf } from "../graph/op";
import { recomputeGateName } from "../graph/recompute";
import { initialize } from "../models/initialize";
import { dimensionsOf, type ModelShape } from "../models/model";
import { disposeAll, pickTensors } from "../training/evaluateLoss";
import { feedBatch, handOver, uploadScalar } from "../training/feeds";
import type { MemorySavings } from "../training/memorySavings";
import { optimizers } from "../training/optimizers/catalog";
import { chooseMemorySavings, getMemoryLimit } from "../training/stepMemory";
import { createTrainee } from "../training/trainee";
import {
  buildTrainStep,
  dropoutSeedName,
  inverseCountName,
  type TrainStepGraph,
} from "../training/trainStep";
import { ProfileFolder, type StepProfile } from "./profile";
import { assignStepParts, type StepPart } from "./stepParts";

export interface TrainingSize {
  readonly shape: ModelShape;
  readonly rows: number;
  readonly length: number;
  readonly train?: Readonly<Record<string, unknown>> | undefined;
}

/** Seed of the initial weights, and the learning rate of every step. */
export const benchSeed = 0;
export const benchLearningRate = 1e-3;

/** The options of a timed training. */
export function resolveTrainOptions(train: TrainingSize["train"]): TrainOptions {
  return trainSchema.parse({ weight_decay: 0.1, ...train });
}

export interface TimedStep {
  readonly seconds: number;
  readonly loss: number;
}

export class TimedTraining implements AsyncDisposable {
  readonly #batch: Batch;
  readonly #parts: ReadonlyMap<Value, StepPart>;
  #stateTensors: Record<string, Tensor>;
  #steps = 0;

  private constructor(
    private readonly engine: Engine,
    private readonly size: TrainingSize,
    private readonly options: TrainOptions,
    readonly savings: MemorySavings,
    readonly graph: TrainStepGraph,
    private readonly program: Program,
    private readonly folder: ProfileFolder | undefined,
  ) {
    const { shape, rows, length } = size;
    this.#batch = createSyntheticBatch(rows, length, dimensionsOf(shape).vocabulary);
    this.#parts = folder === undefined ? new Map() : assignStepParts(shape, graph);
    this.#stateTensors = {};
    for (const [name, tensor] of initialize(shape, benchSeed))
      this.#stateTensors[name] = handOver(engine, tensor);
    const states = new Set(Object.values(graph.state));
    for (const { name, type } of listInputs(graph))
      if (states.has(name) && this.#stateTensors[name] === undefined)
        this.#stateTensors[name] = engine.upload(type, new Float32Array(sizeOf(type.shape)));
  }

  /** With `profile`, every step is profiled, and slightly slower. */
  static async open(engine: Engine, size: TrainingSize, profile = false): Promise<TimedTraining> {
    const options = resolveTrainOptions(size.train);
    const trainee = createTrainee(size.shape);
    const batch = { rows: size.rows, length: size.length, segments: false, positions: false };
    const limit = getMemoryLimit(engine.device.name, engine.device.memoryBytes);
    const savings = chooseMemorySavings(trainee, batch, options, limit);
    const graph = buildTrainStep(trainee, batch, options, savings);
    const folder = profile ? new ProfileFolder() : undefined;
    try {
      const { precision, torch_compile: compiled } = options;
      const { state } = graph;
      const program = await engine.compile(graph, { state, precision, compiled, profile: folder?.prefix });
      return new TimedTraining(engine, size, options, savings, graph, program, folder);
    } catch (thrown) {
      folder?.[Symbol.dispose]();
      throw thrown;
    }
  }

  async step(): Promise<TimedStep> {
    const { engine, options, program, graph } = this;
    const { rows, length } = this.size;
    const step = ++this.#steps;
    const scalars = optimizers[options.optim].scalars(options, step, benchLearningRate);
    const feeds: Tensors = {
      ...feedBatch(engine, this.#batch),
      ...Object.fromEntries(
        Object.entries(scalars).map(([name, number]) => [name, uploadScalar(engine, number)]),
      ),
      [inverseCountName]: uploadScalar(engine, 1 / (rows * length)),
      [dropoutSeedName]: engine.upload({ dtype: "int32", shape: [] }, Int32Array.of(step)),
      [recomputeGateName]: engine.upload({ dtype: "bool", shape: [] }, Uint8Array.of(1)),
    };
    const startedAt = performance.now();
    const outputs = await program.run(pickTensors(program.inputs, { ...this.#stateTensors, ...feeds }));
    const [loss] = await outputs.loss!.read();
    const seconds = (performance.now() - startedAt) / 1000;
    for (const [output, name] of Object.entries(graph.state)) this.#stateTensors[name] = outputs[output]!;
    disposeAll(feeds);
    return { seconds, loss: Number(loss) };
  }

  /** Ends the training and returns the profile of its fastest step after `warmup` steps, if it was profiled. */
  async finish(warmup: number): Promise<StepProfile | undefined> {
    disposeAll(this.#stateTensors);
    this.#stateTensors = {};
    await this.program[Symbol.asyncDispose]();
    return this.folder?.read({ graph: this.graph, keeps: this.engine.keeps, parts: this.#parts }, warmup);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    disposeAll(this.#stateTensors);
    this.#stateTensors = {};
    await this.program[Symbol.asyncDispose]();
    this.folder?.[Symbol.dispose]();
  }
}

/** A learnable text, so that a falling loss shows that the timed steps train. */
function createSyntheticBatch(rows: number, length: number, vocabulary: number): Batch {
  const token = (i: number) => (i * 31) % vocabulary;
  const size = rows * length;
  return {
    rows,
    length,
    tokens: Int32Array.from({ length: size }, (_, i) => token(i)),
    labels: Int32Array.from({ length: size }, (_, i) => token(i + 1)),
  };
}
