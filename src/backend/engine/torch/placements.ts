/** Where each tensor of a training is: divided along its first axis among the processes, or a copy on each of them. */
import type { ParallelOptions } from "../../../schema/parallel";
import { countProcesses } from "../../../schema/parallel";
import { type Graph, listInputs, type NamedValue } from "../../graph/graph";
import type { TensorType } from "../../graph/op";

export type Placement = "divided" | "copied";

/** Marks the state of an optimizer and the sums of gradients, which are named after their parameter. */
const stateMark = "#";

/** The placement of a weight, or of a state named `weight#slot`. */
export function placeState(
  name: string,
  { shape }: Pick<TensorType, "shape">,
  parallel: ParallelOptions,
): Placement {
  const { sharding } = parallel;
  const isDivided = sharding === "full" || (sharding === "optimizer" && name.includes(stateMark));
  return isDivided && isDivisible(shape, countProcesses(parallel)) ? "divided" : "copied";
}

/** The placements of a graph's inputs, in their order. Inputs with the rows and the length of `tokens` are of the batch. */
export function placeInputs(graph: Graph, parallel: ParallelOptions): Placement[] {
  const inputs = listInputs(graph);
  const grid = inputs.find(({ name }) => name === "tokens")?.type.shape;
  const count = countProcesses(parallel);
  return inputs.map((value) => {
    if (isOfBatch(value, grid)) return isDivisible(value.type.shape, count) ? "divided" : "copied";
    // Codes, masks and switches are read everywhere.
    return value.type.dtype === "float32" ? placeState(value.name, value.type, parallel) : "copied";
  });
}

function isOfBatch({ type: { shape } }: NamedValue, grid: readonly number[] | undefined): boolean {
  return grid?.length === 2 && shape[0] === grid[0] && shape[1] === grid[1];
}

function isDivisible([first]: readonly number[], count: number): boolean {
  return first !== undefined && first >= count && first % count === 0;
}
