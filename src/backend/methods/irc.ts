/**
 * Identical row compression (Belhaouari and Kraidia, Scientific Reports 15:10171, 2025, equations 4 to 16): some rows of the
 * query and key projections become one and the same, so that a token reaches them through the sum of those features alone.
 */
import * as z from "zod";
import { constant, type Value } from "../graph/op";
import { matmul } from "../graph/ops/matmul";
import type { ModelShape } from "../models/model";
import { toInOut, weightName } from "../representations/dense";
import { folds, tie, tiedName, type TiedOptions, tiedSets } from "../representations/tied";
import type { Checkpoint } from "../checkpoints/checkpoint";
import { denseTargets, observedRole, stored } from "../compression/denseTargets";
import { defineMethod, type Lab, planBetween, shareOption } from "../compression/method";
import { calibrationSchema } from "../compression/calibration/observe";
import { floatsOf, takenApart } from "../compression/takenApart";
import { type Target, targetOptions } from "../compression/targets";

const title = "Identical row compression";

const options = z.strictObject({
  rate: shareOption(1, "Share of the rows, or columns, that are tied."),
  fold: z
    .enum(folds)
    .default("rows")
    .describe("Tie rows, as the paper's figures show it, or columns, as some of its equations read."),
  donor: z
    .enum(["random", "mean", "lsq"])
    .default("random")
    .describe(
      "What all become: one of them drawn at random, as published, their mean, or what keeps the products of real text best (least squares).",
    ),
  seed: z.int().min(0).optional().describe("Seed of the draw; that of the run when left out."),
  ...targetOptions("query and key projections"),
  calibration: calibrationSchema,
});
type Options = z.output<typeof options>;

export default defineMethod<Options>({
  title,
  paper:
    "Belhaouari, Kraidia: Efficient self-attention with smart pruning for sustainable large language models, 2025",
  options,
  rate: "rate",
  needs: (given) => (readsText(given) ? ["text"] : []),
  samples: [
    { rate: 0 },
    { rate: 0.5 },
    { rate: 1, donor: "mean" },
    { rate: 0.6, fold: "cols" },
    { rate: 0.7, donor: "lsq", targets: "layers.0.*.q_proj", calibration: { samples: 4, batch_size: 2 } },
    { rate: 1, fold: "cols", donor: "lsq", targets: "layers.*.mlp.down_proj" },
  ],

  plan: (before, given) => planBetween(before, decide(before, given, 0).after, "roles"),

  async apply(before, given, lab) {
    const { targets, tiedOf, after } = decide(before.shape, given, given.seed ?? lab.seed);
    const shares = readsText(given) ? await sharesByText(before, targets, tiedOf, given, lab) : undefined;
    const tensors = takenApart(before, targets);
    for (const [i, target] of targets.entries()) {
      const { matrix } = target;
      const dense = toInOut(floatsOf(tensors, weightName(matrix)), matrix);
      const own = tiedOf(target);
      tensors.delete(weightName(matrix));
      tensors.set(
        tiedName(matrix),
        tie(dense, matrix, own, shares?.get(matrix.role) ?? fixedShares(given, own)),
      );
      lab.progress(i + 1, targets.length, "matrices");
    }
    return { shape: after, tensors };
  },
});

/** The least squares of columns are their mean whatever goes in: only rows depend on the text. */
function readsText({ donor, fold }: Options): boolean {
  return donor === "lsq" && fold === "rows";
}

function decide(shape: ModelShape, given: Options, seed: number) {
  const { rate, fold } = given;
  const chosen = denseTargets(title, shape, given, ({ purpose }) => purpose === "query" || purpose === "key");
  const count = ({ matrix }: Target) => Math.round(rate * (fold === "rows" ? matrix.inputs : matrix.outputs));
  const tiedOf = (target: Target): TiedOptions => ({ fold, tied: count(target), seed });
  // One row that is tied to itself is a row as before.
  const targets = chosen.filter((target) => count(target) > 1);
  const after = stored(shape, targets, (target) => ({ type: "tied", options: tiedOf(target) }));
  return { targets, tiedOf, after };
}

/** The first of the tied ones is a random one, since their order is. */
function fixedShares({ donor }: Options, { tied }: TiedOptions): number[] {
  return Array.from({ length: tied }, (_, i) => (donor === "random" ? Number(i === 0) : 1 / tied));
}

/**
 * w = sᵀXW / sᵀs over the tied rows R, with s_t = Σ_R x_ti: it makes Σ_t |x_t,R·W_R − s_t·w|² smallest. With c_i = Σ_t s_t·x_ti
 * it is Σ_R c_i·W_i / Σ_R c_i, so that one number an input has to be observed.
 */
async function sharesByText(
  before: Checkpoint,
  targets: readonly Target[],
  tiedOf: (target: Target) => TiedOptions,
  given: Options,
  lab: Lab,
): Promise<ReadonlyMap<string, number[]>> {
  const taps = new Map<string, (x: Value) => Record<string, Value>>();
  for (const role of new Set(targets.map(observedRole)))
    taps.set(role, (x) =>
      Object.fromEntries(
        targets
          .filter((target) => observedRole(target) === role)
          .map((target) => {
            const mark = new Float32Array(target.matrix.inputs);
            for (const row of tiedSets(target.matrix, tiedOf(target)).tied) mark[row] = 1;
            const total = matmul(x, constant(mark, [mark.length, 1])); // [rows, 1]
            return [target.matrix.role, matmul(total, x, { transposeA: true })];
          }),
      ),
    );
  const observed = await lab.observe(before, taps, given.calibration);
  return new Map(
    targets.map((target) => {
      const { tied } = tiedSets(target.matrix, tiedOf(target));
      const products = observed.get(observedRole(target))![target.matrix.role]!;
      const square = tied.reduce((total, row) => total + products[row]!, 0);
      if (square > 0) return [target.matrix.role, tied.map((row) => products[row]! / square)];
      // A fresh norm makes the sum of all features zero, and then every row does equally well.
      lab.log(
        `${target.matrix.role}: the tied features of the text add up to nothing, so their mean row is taken.`,
      );
      return [target.matrix.role, tied.map(() => 1 / tied.length)];
    }),
  );
}
