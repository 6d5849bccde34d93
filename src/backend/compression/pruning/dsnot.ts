/**
 * Improves a mask without training (DSnoT, Zhang et al., ICLR 2024): in each output, exchanges a pruned weight that explains
 * much of the expected error for a kept one of small score, while the error keeps its sign.
 */
import * as z from "zod";
import { constant } from "../../graph/op";
import type { MatrixSpec } from "../../representations/representation";
import { squaresTap, sumsTap, type Tap } from "../calibration/observe";
import type { Statistics } from "../layerwise";
import { createPlaceLookup } from "./maskCount";

const optionsSchema = z.strictObject({
  max_cycle_time: z.int().min(1).default(50).describe("The maximum number of exchanges in an output."),
  update_threshold: z
    .number()
    .min(0)
    .default(0.1)
    .describe("The expected error of an output, summed over a sequence, at which its exchanges end."),
  pow_of_var_regrowing: z
    .number()
    .min(0)
    .default(1)
    .describe("The power of the variance of an input by which its contribution to the error is divided."),
});
export type DsnotOptions = z.output<typeof optionsSchema>;

/** The option of methods whose masks can be improved, with the names of the authors' code. */
export const dsnotOption = {
  dsnot: optionsSchema
    .optional()
    .describe(
      "Exchanges of pruned for kept weights after the mask is chosen, which keep their number in each output (DSnoT); none when left out.",
    ),
};

/** Throws if a pattern leaves no weights to exchange. */
export function checkDsnot(
  { dsnot, mask_structure }: { readonly dsnot?: DsnotOptions | undefined; readonly mask_structure: string },
  context: { addIssue(issue: { code: "custom"; path: string[]; message: string; input: unknown }): void },
): void {
  if (dsnot === undefined || mask_structure === "unstructured") return;
  const message = `exchanges weights within an output, which ${mask_structure} does not allow; leave it out`;
  context.addIssue({ code: "custom", path: ["dsnot"], message, input: dsnot });
}

/** The statistics from which `readInputMoments` reads the moments of the inputs. */
export const momentsTap: Tap = (x, counted, rows) => ({
  ...sumsTap(x, counted, rows),
  ...squaresTap(x, counted, rows),
  sequences: constant(Float32Array.of(rows), [1]),
});

export interface InputMoments {
  /** Σ x over a sequence, averaged over the sequences. */
  readonly totals: ArrayLike<number>;
  readonly variances: ArrayLike<number>;
}

export function readInputMoments({ sums, squares, count, sequences }: Statistics): InputMoments {
  const tokens = count![0]!;
  return {
    totals: sums!.map((each) => each / sequences![0]!),
    variances: squares!.map((each, i) => Math.max(0, each / tokens - (sums![i]! / tokens) ** 2)),
  };
}

/**
 * Returns the improved mask. `weights`, `scores` and the masks are in the order of the stored tensor; weights outside `before`
 * stay pruned.
 */
export function exchangeWeights(
  matrix: MatrixSpec,
  {
    weights,
    scores,
    mask,
    before,
  }: {
    readonly weights: ArrayLike<number>;
    readonly scores: ArrayLike<number>;
    readonly mask: Uint8Array;
    readonly before?: Uint8Array | undefined;
  },
  { totals, variances }: InputMoments,
  { max_cycle_time, update_threshold, pow_of_var_regrowing }: DsnotOptions,
): Uint8Array {
  const { inputs, outputs } = matrix;
  const improved = mask.slice();
  const placeOf = createPlaceLookup(matrix);
  for (let output = 0; output < outputs; output++) {
    const effectOf = (input: number) => weights[placeOf(input, output)]! * totals[input]!;
    const isKept = (input: number) => mask[placeOf(input, output)] === 1;
    const all = Array.from({ length: inputs }, (_, input) => input);
    const pruned = all.filter((input) => !isKept(input) && before?.[placeOf(input, output)] !== 0);
    let error = pruned.reduce((total, input) => total + effectOf(input), 0);
    const sign = Math.sign(error);
    const growthOf = (input: number) =>
      (sign * effectOf(input)) / Math.max(variances[input]!, 1e-30) ** pow_of_var_regrowing;
    const grown = pruned
      .filter((input) => sign * effectOf(input) > 0)
      .sort((a, b) => growthOf(b) - growthOf(a) || b - a);
    const dropped = all
      .filter((input) => isKept(input) && sign * effectOf(input) < 0)
      .sort((a, b) => scores[placeOf(a, output)]! - scores[placeOf(b, output)]! || a - b);
    const most = Math.min(max_cycle_time, grown.length, dropped.length);
    for (let i = 0; i < most && Math.abs(error) > update_threshold; i++) {
      const after = error + effectOf(dropped[i]!) - effectOf(grown[i]!);
      if (Math.sign(after) !== sign) break;
      improved[placeOf(grown[i]!, output)] = 1;
      improved[placeOf(dropped[i]!, output)] = 0;
      error = after;
    }
  }
  return improved;
}
