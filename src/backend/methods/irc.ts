/**
 * Identical row compression (Belhaouari and Kraidia, Scientific Reports 15:10171, 2025, equations 4 to 16): makes some rows of
 * the query and key projections identical, so that only the sum of the corresponding features matters.
 */
import * as z from "zod";
import { constant, type Value } from "../graph/op";
import { matmul } from "../graph/ops/matmul";
import { sumSquares } from "../graph/ops/reduction";
import type { ModelShape } from "../models/model";
import { toInOut, weightName } from "../representations/dense";
import { folds, tie, tiedName, type TiedOptions, splitTied } from "../representations/tied";
import type { MatrixSpec } from "../representations/representation";
import type { Checkpoint } from "../checkpoints/checkpoint";
import {
  selectDenseTargets,
  getObservedRole,
  chooseRepresentations,
  refuseEmbeddings,
} from "../compression/denseTargets";
import { defineMethod, type Lab, planBetween, createShareOption } from "../compression/method";
import { calibrationSchema } from "../compression/calibration/batches";
import { readFloats, unpackTargets } from "../compression/unpackTargets";
import { type Target, createTargetOptions } from "../compression/targets";

const title = "Identical row compression";

const optionsSchema = z.strictObject({
  rate: createShareOption(1, "Share of the rows or columns to tie."),
  fold: z
    .enum(folds)
    .default("rows")
    .describe("Tie rows, as in the paper's figures, or columns, as in some of its equations."),
  donor: z
    .enum(["random", "mean", "lsq"])
    .default("random")
    .describe(
      "Value of the tied rows: a random one of them, as published, their mean, or the least-squares fit of the outputs on real text.",
    ),
  damping: z
    .number()
    .min(0)
    .default(1)
    .describe(
      "How much `donor: lsq` of rows leans toward their mean, as a share of the sum of the squares of the tied features.",
    ),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .optional()
    .describe("Seed of the random choice. Default: the seed of the run."),
  ...createTargetOptions("query and key projections"),
  calibration: calibrationSchema,
});
type Options = z.output<typeof optionsSchema>;

export default defineMethod<Options>({
  title,
  paper:
    "Belhaouari, Kraidia: Efficient self-attention with smart pruning for sustainable large language models, 2025",
  options: optionsSchema,
  rate: "rate",
  needs: (options) => (readsText(options) ? ["text"] : []),
  samples: [
    { rate: 0 },
    { rate: 0.5 },
    { rate: 1, donor: "mean" },
    { rate: 0.6, fold: "cols" },
    { rate: 0.7, donor: "lsq", targets: "layers.0.*.q_proj", calibration: { samples: 4, batch_size: 2 } },
    { rate: 1, fold: "cols", donor: "lsq", targets: "layers.*.mlp.down_proj" },
  ],

  plan: (before, options) => planBetween(before, decide(before, options, 0).after, "roles"),

  async apply(before, options, lab) {
    const { targets, tiedOf, after } = decide(before.shape, options, (options.seed ?? lab.seed) >>> 0);
    const shares = readsText(options)
      ? await computeTextShares(before, targets, tiedOf, options, lab)
      : undefined;
    const tensors = unpackTargets(before, targets);
    for (const [i, target] of targets.entries()) {
      const { matrix } = target;
      const dense = toInOut(readFloats(tensors, weightName(matrix)), matrix);
      const tiedOptions = tiedOf(target);
      tensors.delete(weightName(matrix));
      tensors.set(
        tiedName(matrix),
        tie(dense, matrix, tiedOptions, shares?.get(matrix.role) ?? computeFixedShares(options, tiedOptions)),
      );
      lab.progress(i + 1, targets.length, "matrices");
    }
    return { shape: after, tensors };
  },
});

const squaresName = "squares";

/** Whether the method reads text. The least-squares fit of columns is their mean for any input; only rows depend on the text. */
function readsText({ donor, fold }: Options): boolean {
  return donor === "lsq" && fold === "rows";
}

function decide(shape: ModelShape, options: Options, seed: number) {
  const { rate, fold } = options;
  const candidates = selectDenseTargets(
    title,
    shape,
    options,
    ({ purpose }) => purpose === "query" || purpose === "key",
  );
  if (readsText(options)) refuseEmbeddings(title, candidates);
  const count = ({ matrix }: Target) => Math.round(rate * (fold === "rows" ? matrix.inputs : matrix.outputs));
  const tiedOf = (target: Target): TiedOptions => ({ fold, tied: count(target), seed });
  // A single row cannot be tied.
  const targets = candidates.filter((target) => count(target) > 1);
  const after = chooseRepresentations(shape, targets, (target) => ({
    type: "tied",
    options: describeStored(target.matrix, tiedOf(target)),
  }));
  return { targets, tiedOf, after };
}

/** The stored options: where all are tied, the seed chooses nothing and is not stored. */
function describeStored({ inputs, outputs }: MatrixSpec, { seed, ...options }: TiedOptions): object {
  return options.tied === (options.fold === "rows" ? inputs : outputs) ? options : { ...options, seed };
}

/** The donor is the first tied row, which is random because the order is. */
function computeFixedShares({ donor }: Options, { tied }: TiedOptions): number[] {
  return Array.from({ length: tied }, (_, i) => (donor === "random" ? Number(i === 0) : 1 / tied));
}

/**
 * w = sᵀXW / sᵀs over the tied rows R, with s_t = Σ_R x_ti, minimizes Σ_t |x_t,R·W_R − s_t·w|². With c_i = Σ_t s_t·x_ti it is
 * Σ_R c_i·W_i / Σ_R c_i, so only two numbers per input are observed. Where the features nearly cancel in s, it is a difference
 * of large weights, so λ = damping · Σ_t |x_t,R|² draws it to the mean: Σ_R (c_i + λ/|R|)·W_i / (Σ_R c_i + λ).
 */
async function computeTextShares(
  before: Checkpoint,
  targets: readonly Target[],
  tiedOf: (target: Target) => TiedOptions,
  options: Options,
  lab: Lab,
): Promise<ReadonlyMap<string, number[]>> {
  const taps = new Map<string, (x: Value) => Record<string, Value>>();
  for (const role of new Set(targets.map(getObservedRole)))
    taps.set(role, (x) =>
      Object.fromEntries([
        [squaresName, sumSquares(x, { axes: [0], keepDims: false })],
        ...targets
          .filter((target) => getObservedRole(target) === role)
          .map((target): [string, Value] => {
            const mark = new Float32Array(target.matrix.inputs);
            for (const row of splitTied(target.matrix, tiedOf(target)).tied) mark[row] = 1;
            const total = matmul(x, constant(mark, [mark.length, 1])); // [rows, 1]
            return [target.matrix.role, matmul(total, x, { transposeA: true })];
          }),
      ]),
    );
  const statistics = await lab.observe(before, taps, options.calibration);
  return new Map(
    targets.map((target) => {
      const { tied } = splitTied(target.matrix, tiedOf(target));
      const observed = statistics.get(getObservedRole(target))!;
      const [products, squares] = [observed[target.matrix.role]!, observed[squaresName]!];
      const draw = options.damping * tied.reduce((total, row) => total + squares[row]!, 0);
      const square = draw + tied.reduce((total, row) => total + products[row]!, 0);
      if (square > 0)
        return [target.matrix.role, tied.map((row) => (products[row]! + draw / tied.length) / square)];
      // After an untrained norm the features sum to zero, and every row fits equally well.
      lab.log(
        `${target.matrix.role}: the tied features sum to zero on the text. Using the mean of the rows instead.`,
      );
      return [target.matrix.role, tied.map(() => 1 / tied.length)];
    }),
  );
}
