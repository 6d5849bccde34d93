/** The compiled programs of a training: a whole step, or its batches and its update separately, and the evaluation. */
import type { Program } from "../engine/engine";
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

export interface CompiledGraph<G extends StatefulGraph> {
  readonly program: Program;
  readonly graph: G;
}
export type Programs = {
  readonly savings: MemorySavings;
  readonly evaluation: Program | undefined;
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
    rows: getBatchSize(options),
    length: layout.sequenceLength,
    segments: layout.documentMask || !layout.packing,
    positions: layout.documentMask && layout.packing,
    types: layout.types === true,
  };
}

export async function compilePrograms(request: TrainingRequest): Promise<Programs> {
  const { engine, trainee, validation, options } = request;
  const shape = getBatchShape(request);
  const savings = chooseMemorySavings(trainee, shape, options, getMemoryLimit(engine.device.name));
  const all: Program[] = [];
  const compile = async <G extends StatefulGraph>(graph: G): Promise<CompiledGraph<G>> => {
    const program = await engine.compile(graph, { state: graph.state });
    all.push(program);
    return { program, graph };
  };
  try {
    const evaluation = validation && (await engine.compile(buildEvaluation(trainee, shape, savings)));
    if (evaluation !== undefined) all.push(evaluation);
    // The batch of the previous step is added to the sum.
    if (options.gradient_accumulation_steps === 1 && options.cumulative_loss !== "two-batch")
      return {
        kind: "fused",
        savings,
        all,
        evaluation,
        step: await compile(buildTrainStep(trainee, shape, options, savings)),
      };
    const accumulate = await compile(buildAccumulateStep(trainee, shape, options, savings));
    return {
      kind: "accumulated",
      savings,
      all,
      evaluation,
      accumulate,
      apply: await compile(buildApplyStep(trainee, options)),
    };
  } catch (thrown) {
    for (const program of all) await program[Symbol.asyncDispose]();
    throw thrown;
  }
}
