/** Decides whether a step fits in memory, and which savings make it fit. */
import { totalmem } from "node:os";
import type { DeviceName } from "../../schema/device";
import type { TrainOptions } from "../../schema/experiment";
import { estimateMemory } from "../graph/cost";
import { type MemorySavings, computeSavingsBySize } from "./memorySavings";
import type { Trainee } from "./trainee";
import { type BatchShape, buildTrainStep } from "./trainStep";

/** Fraction of the machine's memory that a step may use before `auto` recomputes layers. */
export const memoryShare = 0.6;
/** Assumed memory of a graphics card if its runtime does not report it. */
const cardBytes = 8 * 2 ** 30;

/** In bytes. `memoryBytes` is the memory of the device, if it is known. */
export function getMemoryLimit(device: DeviceName, memoryBytes?: number): number {
  const constrained = process.constrainedMemory();
  // Without a limit the system reports 0, or a number larger than any memory.
  const host = constrained > 0 ? Math.min(totalmem(), constrained) : totalmem();
  if (device === "cpu" || device === "auto" || device === "torch:cpu") return memoryShare * host;
  return memoryShare * (memoryBytes ?? Math.min(host, cardBytes));
}

/** Savings of one step of a training; `limit` is in bytes. */
export function chooseMemorySavings(
  trainee: Trainee,
  batch: BatchShape,
  options: TrainOptions,
  limit: number,
): MemorySavings {
  const savings = computeSavingsBySize(trainee, batch, options);
  if (options.gradient_checkpointing !== "auto") return savings;
  const graph = buildTrainStep(trainee, batch, options, savings);
  const { state, working } = estimateMemory(graph, graph.state);
  return { ...savings, recompute: state + working > limit };
}
