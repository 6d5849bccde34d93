/** The compiled programs of a training: one step as a whole, or its batches and its update apart, and the evaluation. */
import type { Program } from "../engine/engine";
import { batchSizeOf, type TrainingRequest } from "./request";
import {
  type BatchShape,
  buildAccumulateStep,
  buildApplyStep,
  buildEvaluation,
  buildTrainStep,
  type StatefulGraph,
  type UpdateGraph,
} from "./trainStep";

export interface Compiled<G extends StatefulGraph> {
  readonly program: Program;
  readonly graph: G;
}
export type Programs = { readonly evaluation: Program | undefined; readonly all: readonly Program[] } & (
  | { readonly kind: "fused"; readonly step: Compiled<UpdateGraph> }
  | {
      readonly kind: "accumulated";
      readonly accumulate: Compiled<StatefulGraph>;
      readonly apply: Compiled<UpdateGraph>;
    }
);

export async function compilePrograms({
  engine,
  trainee,
  train,
  validation,
  options,
}: TrainingRequest): Promise<Programs> {
  const shape: BatchShape = {
    rows: batchSizeOf(options),
    length: train.layout.sequenceLength,
    segments: train.layout.documentMask || !train.layout.packing,
    positions: train.layout.documentMask && train.layout.packing,
  };
  const all: Program[] = [];
  const compile = async <G extends StatefulGraph>(graph: G): Promise<Compiled<G>> => {
    const program = await engine.compile(graph, { state: graph.state });
    all.push(program);
    return { program, graph };
  };
  try {
    const evaluation = validation && (await engine.compile(buildEvaluation(trainee, shape)));
    if (evaluation !== undefined) all.push(evaluation);
    if (options.gradient_accumulation_steps === 1)
      return { kind: "fused", all, evaluation, step: await compile(buildTrainStep(trainee, shape, options)) };
    const accumulate = await compile(buildAccumulateStep(trainee, shape, options));
    return {
      kind: "accumulated",
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
