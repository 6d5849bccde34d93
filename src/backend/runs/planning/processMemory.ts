/** Memory of one process of a training that several share, from the graphs that they would run. */
import { countProcesses, type ParallelOptions } from "../../../schema/parallel";
import type { TrainOptions } from "../../../schema/experiment";
import { placeState } from "../../engine/torch/placements";
import { computeBytes, estimateMemory } from "../../graph/cost";
import type { MemorySavings } from "../../training/memorySavings";
import { listOptimizerSlots } from "../../training/optimizerSlots";
import type { Trainee } from "../../training/trainee";
import { type BatchShape, buildTrainStep, gradientName, slotName } from "../../training/trainStep";

/** In bytes. */
export interface ProcessMemory {
  readonly processes: number;
  readonly nodes: number;
  readonly sharding: ParallelOptions["sharding"];
  /** Sequences of each pass that the process reads. */
  readonly rows: number;
  readonly weightBytes: number;
  readonly gradientBytes: number;
  readonly optimizerBytes: number;
  /** Peak of everything else during a step. */
  readonly activationBytes: number;
  /** Parameters that are not divided although `sharding` divides what belongs to them: their first axis is not divisible. */
  readonly undivided: { readonly tensors: number; readonly bytes: number };
}

export function estimateProcessMemory(
  trainee: Trainee,
  batch: BatchShape,
  options: TrainOptions,
  savings: MemorySavings,
  parallel: ParallelOptions,
): ProcessMemory {
  const processes = countProcesses(parallel);
  const { sharding, nodes } = parallel;
  const share = (name: string, type: { shape: readonly number[]; dtype: "float32" }) =>
    computeBytes(type) / (placeState(name, type, parallel) === "divided" ? processes : 1);
  const trained = trainee.parameters
    .filter(({ trainable }) => trainable)
    .map(({ name, shape }) => ({ name, type: { shape, dtype: "float32" as const } }));
  const fixed = trainee.parameters.filter(({ trainable }) => !trainable);
  const slots = listOptimizerSlots(options);
  const weightBytes =
    sum(trained.map(({ name, type }) => share(name, type))) +
    sum(fixed.map(({ dtype, shape }) => computeBytes({ dtype, shape })));
  const undivided =
    sharding === "none"
      ? []
      : trained.filter(({ name, type }) => share(gradientName(name), type) === computeBytes(type));
  const rows = batch.rows / processes;
  const graph = buildTrainStep(trainee, { ...batch, rows }, options, savings);
  // The gradients of a whole step are alive when it clips them; they are listed by themselves.
  const wholeGradients = sum(trained.map(({ type }) => computeBytes(type)));
  const { working } = estimateMemory(graph, graph.state);
  return {
    processes,
    nodes,
    sharding,
    rows,
    weightBytes,
    gradientBytes: sum(trained.map(({ name, type }) => share(gradientName(name), type))),
    optimizerBytes: sum(
      trained.flatMap(({ name, type }) => slots.map((slot) => share(slotName(name, slot), type))),
    ),
    activationBytes: Math.max(0, working - wholeGradients),
    undivided: {
      tensors: undivided.length,
      bytes: sum(undivided.map(({ type }) => computeBytes(type))),
    },
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
