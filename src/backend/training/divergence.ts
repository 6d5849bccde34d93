/** Stops a training whose numbers are no numbers any more, and says where that began. */
import { WorkbenchError } from "../../protocol/errors";
import type { HostTensor, HostTensors } from "../checkpoints/safetensors";

const advice =
  "Lower learning_rate, add warmup_steps or set max_grad_norm; the last checkpoint is from before.";

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
      : `not finite is the gradient of ${list(tensors)}`;
  const message = `Step ${step}: the loss is ${loss}, and ${where}. ${advice}`;
  throw new WorkbenchError("diverged", message, { step, loss, tensors });
}

/** An update that breaks a weight shows only in the next loss, so what is saved is looked at before. */
export function refuseBrokenWeights(step: number, weights: HostTensors): void {
  const tensors = brokenOf(weights);
  if (tensors.length === 0) return;
  const message = `Step ${step}: not finite after the update is ${list(tensors)}. ${advice}`;
  throw new WorkbenchError("diverged", message, { step, tensors });
}

export function refuseBrokenEvaluation(step: number, loss: number, weights: HostTensors): never {
  const tensors = brokenOf(weights);
  const where = tensors.length === 0 ? "every weight is still finite" : `not finite is ${list(tensors)}`;
  const message = `Step ${step}: the loss on the validation split is ${loss}, and ${where}. ${advice}`;
  throw new WorkbenchError("diverged", message, { step, loss, tensors });
}

function list(names: readonly string[]): string {
  return `${names[0]!}${names.length > 1 ? ` and of ${names.length - 1} more tensors` : ""}`;
}

function brokenOf(tensors: HostTensors): string[] {
  return [...tensors].filter(([, { data }]) => !allFinite(data)).map(([name]) => name);
}

function allFinite(data: HostTensor["data"]): boolean {
  // A difference with itself is 0 for every finite number and NaN for all others.
  let sum = 0;
  for (const each of data) sum += each - each;
  return sum === 0;
}
