/**
 * Width pruning of Minitron (Muralidharan et al. 2024, section 2.2): removes the channels of the residual stream, the
 * feed-forward channels and the heads with the smallest activations from every tensor along them. The result is a smaller
 * dense model of the same family, for a `train` cell with the original model as `teacher`.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { sqrt } from "../graph/ops/elementwise";
import { reshape } from "../graph/ops/movement";
import { sum, sumSquares } from "../graph/ops/reduction";
import { type CoupledGroup, listCoupledGroups } from "../models/coupling";
import { dimensionsOf, familyOf, listMatrixSlots, type ModelShape } from "../models/model";
import type { Axis, MatrixSpec } from "../representations/representation";
import { calibrationSchema } from "../compression/calibration/batches";
import type { Tap } from "../compression/calibration/observe";
import {
  chooseWidth,
  countChannels,
  countKept,
  cutAxes,
  type NewSizes,
  resizeAxes,
  widthMultiple,
} from "../compression/cutAxes";
import { createShareOption, defineMethod, type Lab, planBetween } from "../compression/method";

const title = "Minitron";

const optionsSchema = z.strictObject({
  rate: createShareOption(0.25, "Share of the units of each part to remove; at least one unit stays."),
  parts: z
    .array(z.enum(["hidden", "channels", "heads"]))
    .min(1)
    .default(["hidden", "channels"])
    .describe(
      "What to remove: channels of the residual stream, channels of the feed-forward layers, and key-value heads with their queries.",
    ),
  multiple_of: widthMultiple,
  calibration: calibrationSchema,
});
type Options = z.output<typeof optionsSchema>;

const calibration = { samples: 4, batch_size: 2 };

export default defineMethod<Options>({
  title,
  paper: "Muralidharan et al.: Compact Language Models via Pruning and Knowledge Distillation, 2024",
  options: optionsSchema,
  rate: "rate",
  needs: () => ["text"],
  samples: [
    { rate: 0, calibration },
    { rate: 0.5, calibration },
    { rate: 0.5, parts: ["hidden", "channels", "heads"], calibration },
    { rate: 0.3, parts: ["channels"], calibration },
    { rate: 0.3, parts: ["hidden"], multiple_of: 8, calibration },
  ],

  plan: (before, options) => planBetween(before, resize(before, options), "roles"),

  async apply(before, options, lab) {
    const after = resize(before.shape, options);
    if (options.rate === 0) return before;
    const kept = await selectKept(before, after, options, lab);
    const { shape, tensors } = before;
    return cutAxes({ shape, tensors }, after, ({ kind, layer }) => kept.get(keyOf({ kind, layer })));
  },
});

function resize(shape: ModelShape, options: Options): ModelShape {
  const resized = resizeAxes(title, shape, chooseSizes(shape, options));
  return options.rate === 0 ? shape : resized;
}

function chooseSizes(shape: ModelShape, options: Options): NewSizes {
  const { rate, parts } = options;
  const { heads, kvHeads, headDim } = dimensionsOf(shape);
  const { sizeKeys } = familyOf(shape.family);
  const isCoupled = sizeKeys.heads === undefined;
  if (isCoupled && parts.includes("hidden") !== parts.includes("heads"))
    throw new WorkbenchError(
      "unsupported",
      `${title} cannot be applied: the width of ${shape.family} models is always the number of heads times ${headDim}, so channels of the residual stream and heads are removed together. Name both "hidden" and "heads" in parts, or neither.`,
    );
  const units = parts.includes("heads") ? countKept(kvHeads, rate) : kvHeads;
  const hidden = isCoupled ? units * headDim : chooseWidth(title, shape, options, (heads / kvHeads) * units);
  return {
    ...(parts.includes("hidden") ? { hidden } : {}),
    ...(parts.includes("channels") ? { channels: countKept(countChannels(shape), rate) } : {}),
    ...(parts.includes("heads") ? { heads: units } : {}),
  };
}

const keyOf = ({ kind, layer }: Pick<Axis, "kind"> & { readonly layer?: number | undefined }): string =>
  `${kind} ${layer ?? ""}`;

/** Mean over the sequences of the L2 norm of each input over the tokens of a sequence: [inputs]. */
const tap: Tap = (x, _, rows) => {
  const [tokens, inputs] = x.type.shape as [number, number];
  const bySequence = reshape(x, { shape: [rows, tokens / rows, inputs] });
  const norms = sqrt(sumSquares(bySequence, { axes: [1], keepDims: false }));
  return { norms: sum(norms, { axes: [0], keepDims: false }) };
};

/** The units to keep of each group, in ascending order, by `keyOf`. */
async function selectKept(
  before: Parameters<Lab["observe"]>[0],
  after: ModelShape,
  { calibration }: Options,
  lab: Lab,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const counts = new Map(listCoupledGroups(after).map((group) => [keyOf(group), group.units]));
  const cut = listCoupledGroups(before.shape).filter((group) => counts.get(keyOf(group)) !== group.units);
  const observedRoles = cut.map((group) => listObservedRoles(before.shape, group));
  const observed = await lab.observe(
    before,
    new Map(observedRoles.flat().map((role) => [role, tap])),
    calibration,
  );
  return new Map(
    cut.map((group, i) => {
      const scores = sumByUnit(
        observedRoles[i]!.map((role) => observed.get(role)!["norms"]!),
        group.units,
      );
      const order = Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b);
      return [keyOf(group), order.slice(0, counts.get(keyOf(group))).sort((a, b) => a - b)];
    }),
  );
}

/**
 * The matrices whose inputs score the units: the one that reads the heads or channels, and for the residual stream one
 * reader of each norm.
 */
function listObservedRoles(shape: ModelShape, { kind, consumers }: CoupledGroup): string[] {
  if (kind !== "hidden") return consumers.map(({ role }) => role);
  const first = new Set<MatrixSpec["purpose"]>(["query", "up", "head"]);
  return listMatrixSlots(shape).flatMap(({ matrix: { role, purpose, parts = [], axes } }) => {
    const isFirst = first.has(purpose) || parts.some((part) => first.has(part.purpose));
    return isFirst && axes[0].kind === "hidden" ? [role] : [];
  });
}

/** A head is scored by the L2 norm over its inputs. */
function sumByUnit(statistics: readonly Float64Array[], units: number): Float64Array {
  const scores = new Float64Array(units);
  for (const norms of statistics) {
    const squares = new Float64Array(units);
    norms.forEach((each, i) => (squares[Math.floor((i * units) / norms.length)]! += each ** 2));
    squares.forEach((each, unit) => (scores[unit]! += Math.sqrt(each)));
  }
  return scores;
}
