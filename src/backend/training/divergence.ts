/** Stops training once a value is not finite, and reports where that started. */
import { WorkbenchError } from "../../protocol/errors";
import type { HostTensor, HostTensors } from "../checkpoints/safetensors";

const advice =
  "Lower learning_rate, add warmup_steps or set max_grad_norm; the last checkpoint was saved before this step.";

/** `squares` are the Σ g² of the gradients of `names`. */
export function refuseBrokenStep(
  step: number,
  loss: number,
  names: readonly string[],
  squares: ArrayLike<number>,
): void {
  const tensors = names.filter((_, i) => !Number.isFinite(squares[i]));
  if (Number.isFinite(loss) && tensors.length === 0) return;
  const where =
    tensors.length === 0
      ? "every gradient is still finite"
      : `these gradients are not finite: ${list(tensors)}`;
  const message = `Step ${step}: the loss is ${loss}, and ${where}. ${advice}`;
  throw new WorkbenchError("diverged", message, { step, loss, tensors });
}

/** Checks the state before it is saved, because a broken weight affects only the next loss. */
export function refuseBrokenWeights(step: number, weights: HostTensors): void {
  const tensors = findBroken(weights);
  if (tensors.length === 0) return;
  const message = `Step ${step}: these tensors are not finite after the update: ${list(tensors)}. ${advice}`;
  throw new WorkbenchError("diverged", message, { step, tensors });
}

export function refuseBrokenEvaluation(step: number, loss: number, weights: HostTensors): never {
  const tensors = findBroken(weights);
  const where =
    tensors.length === 0 ? "every weight is still finite" : `these weights are not finite: ${list(tensors)}`;
  const message = `Step ${step}: the validation loss is ${loss}, and ${where}. ${advice}`;
  throw new WorkbenchError("diverged", message, { step, loss, tensors });
}

function list(names: readonly string[]): string {
  return `${names[0]!}${names.length > 1 ? ` and ${names.length - 1} more` : ""}`;
}

function findBroken(tensors: HostTensors): string[] {
  return [...tensors].filter(([, { data }]) => !isAllFinite(data)).map(([name]) => name);
}

function isAllFinite(data: HostTensor["data"]): boolean {
  // x − x is 0 if x is finite, and NaN otherwise.
  let sum = 0;
  for (const each of data) sum += each - each;
  return sum === 0;
}
