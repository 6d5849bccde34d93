/**
 * Rounding of a matrix's inputs to a few bits, as on hardware that multiplies integers: each row, the activations of one
 * token, has a scale of its own, which is computed as it is read (dynamic, symmetric, per token). Codes and scales are
 * multiplied again at once, so that every device computes what integer products would give.
 */
import * as z from "zod";
import { scalar, type Value } from "../graph/op";
import { abs, add, div, maximum, minimum, mul, sub } from "../graph/ops/elementwise";
import { detach } from "../graph/ops/gate";
import { max } from "../graph/ops/reduction";
import { round } from "../graph/ops/rounding";

export const activationsSchema = z.strictObject({
  bits: z.int().min(2).max(8).default(8).describe("Bits per activation."),
  clip_ratio: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe(
      "The largest code represents this share of the largest magnitude of a token; larger ones are clipped.",
    ),
});
export type ActivationOptions = z.output<typeof activationsSchema>;

/** Keeps the scale of a row of zeros above zero. */
const smallestScale = 1e-20;

/**
 * Returns s · clamp(round(x / s), −2^(b − 1), 2^(b − 1) − 1) for x [rows, inputs] with s = ratio · max|x| / (2^(b − 1) − 1) of
 * each row; gradients pass straight through. Returns x if there are no options.
 */
export function roundActivations(x: Value, options: ActivationOptions | undefined): Value {
  if (options === undefined) return x;
  const largest = 2 ** (options.bits - 1) - 1;
  const peaks = max(abs(x), { axes: [1], keepDims: true });
  const scales = maximum(mul(peaks, scalar(options.clip_ratio / largest)), scalar(smallestScale));
  const codes = minimum(maximum(round(div(x, scales)), scalar(-largest - 1)), scalar(largest));
  return add(x, detach(sub(mul(codes, scales), x)));
}

/** What rounding the inputs saves, for `savings`. */
export const describeActivations = ({ bits }: ActivationOptions): string =>
  `Inputs are rounded to ${bits} bits for each token, which takes no bits of the file. They are multiplied as floats here, so that only hardware with integer products gains from it.`;
