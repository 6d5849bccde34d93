/** Compares the results of two trainings. */
import type { HostTensors } from "../../src/backend/checkpoints/safetensors";
import type { TinyTrainingResult } from "./tinyRun";

/** The largest absolute difference of a weight, or of an optimizer's state in the last checkpoint. */
export function computeLargestDifference(a: TinyTrainingResult, b: TinyTrainingResult): number {
  return Math.max(
    compare(a.result.tensors, b.result.tensors),
    compare(a.saves.at(-1)!.training.optimizer, b.saves.at(-1)!.training.optimizer),
  );
}

function compare(a: HostTensors, b: HostTensors): number {
  let largest = 0;
  for (const [name, { data }] of a) {
    const other = b.get(name)!.data;
    data.forEach((value, i) => {
      const difference = Math.abs(value - Number(other[i]));
      largest = difference > largest || Number.isNaN(difference) ? difference : largest;
    });
  }
  return largest;
}
