/** The compiled programs of a training: a whole step, or its batches and its update separately, and the evaluation. */
import type { CompileOptions, Program } from "../engine/engine";
import type { Graph } from "../graph/graph";
import type { MemorySavings } from "./memorySavings";
import { getBatchSize, type TrainingRequest } from "./request";
import { getMemoryLimit, chooseMemorySavings } from "./stepMemory";
import {
  type BatchShape,
  buildAccumulateStep,
  buildApplyStep,
  buildEvaluation,
  buildTrainStep,
  type StatefulGraph,
  type UpdateGraph,
} from "./trainStep";
import { buildStepWatch, buildWeightWatch, type WatchGraph } from "./watch";

export interface CompiledGraph<G extends Graph> {
  readonly program: Program;
  readonly graph: G;
}

/** What `train.watch` adds; undefined where it does not read this. */
export interface WatchPrograms {
  readonly weights: CompiledGraph<WatchGraph> | undefined;
  readonly step: CompiledGraph<WatchGraph> | undefined;
}

export type Programs = {
  readonly savings: MemorySavings;
  readonly evaluation: Program | undefined;
  readonly watch: WatchPrograms;
  readonly all: readonly Program[];
} & (
  | { readonly kind: "fused"; readonly step: CompiledGraph<UpdateGraph> }
  | {
      readonly kind: "accumulated";
      readonly accumulate: CompiledGraph<StatefulGraph>;
      readonly apply: CompiledGraph<UpdateGraph>;
    }
);

/** Shape of a training batch. */
export function getBatchShape({
  train: { layout },
  options,
}: Pick<TrainingRequest, "train" | "options">): BatchShape {
  return {
    rows: getBatchSize(options) * (layout.pairs === true ? 2 : 1),
    length: layout.sequenceLength,
    segments: layout.documentMask || !layout.packing,
    positions: layout.documentMask && layout.packing,
    types: layout.types === true,
  };
}

export async function compilePrograms(request: TrainingRequest): Promise<Programs> {
  const { engine, trainee, validation, options } = request;
  const shape = getBatchShape(request);
  const savings = chooseMemorySavings(
    trainee,
    shape,
    options,
    getMemoryLimit(engine.device.name, engine.device.memoryBytes),
  );
  const all: Program[] = [];
  const compile = async <G extends Graph>(
    graph: G,
    compileOptions: CompileOptions = {},
  ): Promise<CompiledGraph<G>> => {
    const program = await engine.compile(graph, compileOptions);
    all.push(program);
    return { program, graph };
  };
  const { precision, torch_compile: compiled } = options;
  const compileState = async <G extends StatefulGraph>(graph: G) =>
    compile(graph, { state: graph.state, precision, compiled });
  // The batch of the previous step is added to the sum.
  const isFused = options.gradient_accumulation_steps === 1 && options.cumulative_loss !== "two-batch";
  try {
    const evaluation = validation && (await engine.compile(buildEvaluation(trainee, shape, savings)));
    if (evaluation !== undefined) all.push(evaluation);
    const { what = [] } = options.watch ?? {};
    const weightWatch = what.includes("weights") ? buildWeightWatch(trainee) : undefined;
    const stepWatch = buildStepWatch(trainee, shape, savings, what, !isFused);
    const watch = {
      weights: weightWatch && (await compile(weightWatch)),
      step: stepWatch && (await compile(stepWatch)),
    };
    if (isFused)
      return {
        kind: "fused",
        savings,
        all,
        evaluation,
        watch,
        step: await compileState(buildTrainStep(trainee, shape, options, savings)),
      };
    const accumulate = await compileState(buildAccumulateStep(trainee, shape, options, savings));
    return {
      kind: "accumulated",
      savings,
      all,
      evaluation,
      watch,
      accumulate,
      apply: await compileState(buildApplyStep(trainee, options)),
    };
  } catch (thrown) {
    for (const program of all) await program[Symbol.asyncDispose]();
    throw thrown;
  }
}
