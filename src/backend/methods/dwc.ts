/**
 * Diagonal weight compression (Belhaouari and Kraidia, Scientific Reports 15:10171, 2025, equations 17 to 19): keeps the
 * diagonal of the value projection and removes a share of the rest. With only the diagonal left, each head reads only its
 * own features.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { dimensionsOf, type ModelShape } from "../models/model";
import { denseShape, fromInOut, toInOut, weightName } from "../representations/dense";
import {
  listBandEntries,
  bandName,
  diagonalName,
  type DiagonalOptions,
  type Entry,
} from "../representations/diagonal";
import { maskName } from "../representations/masked";
import { createRandomOrder } from "../representations/randomStream";
import type { MatrixSpec } from "../representations/representation";
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { HostTensor } from "../checkpoints/safetensors";
import { selectDenseTargets, getObservedRole, chooseRepresentations } from "../compression/denseTargets";
import {
  countSide,
  getDiagonalColumn,
  type HeadDiagonals,
  listDiagonalRows,
  listSide,
  type Side,
} from "../compression/headDiagonals";
import type { Algebra } from "../compression/algebra/products";
import { gramTap } from "../compression/calibration/observe";
import { fitKept } from "../compression/pruning/refitConsumers";
import { defineMethod, type Lab, planBetween, createShareOption } from "../compression/method";
import { calibrationSchema } from "../compression/calibration/batches";
import { readFloats, unpackTargets } from "../compression/unpackTargets";
import { type Target, createTargetOptions } from "../compression/targets";

const title = "Diagonal weight compression";

const optionsSchema = z.strictObject({
  rate: createShareOption(1, "Share of the entries of `region` to remove. The diagonal is always kept."),
  region: z
    .enum(["both", "lower", "upper"])
    .default("both")
    .describe("Triangles to remove entries from, for the matrix as [inputs, outputs]."),
  order: z
    .enum(["band", "magnitude", "random"])
    .default("band")
    .describe("Entries to remove first: the farthest from the diagonal, the smallest, or random ones."),
  fit: z
    .enum(["copy", "lsq"])
    .default("copy")
    .describe(
      "Whether to copy the kept entries, as published, or to fit the diagonal to compensate for the removed ones (least squares on real text).",
    ),
  per_head: z
    .boolean()
    .default(false)
    .describe(
      "For grouped queries, where a value projection is not square: each key-value head keeps a diagonal for the features of each query head that reads it, so that every feature is read once. Entries that remain beside the diagonals are stored with a bitmap.",
    ),
  seed: z.int().min(0).optional().describe("Seed of a random order. Default: the seed of the run."),
  ...createTargetOptions("value projections"),
  calibration: calibrationSchema,
});
type Options = z.output<typeof optionsSchema>;

export default defineMethod<Options>({
  title,
  paper:
    "Belhaouari, Kraidia: Efficient self-attention with smart pruning for sustainable large language models, 2025",
  options: optionsSchema,
  rate: "rate",
  needs: ({ fit }) => (fit === "lsq" ? ["text"] : []),
  samples: [
    { rate: 0 },
    { rate: 0.5 },
    { rate: 1 },
    { rate: 0.4, region: "upper", order: "magnitude" },
    { rate: 1, region: "lower", order: "random" },
    { rate: 1, per_head: true },
    { rate: 0.8, per_head: true, fit: "lsq", calibration: { samples: 4, batch_size: 2 } },
    { rate: 0.9, fit: "lsq", targets: "layers.0.*.v_proj", calibration: { samples: 4, batch_size: 2 } },
  ],

  plan: (before, options) => planBetween(before, decide(before, options).after, "roles"),

  async apply(before, options, lab) {
    const { targets, headsOf, keptOf, after } = decide(before.shape, options);
    const grams = options.fit === "lsq" ? await computeGrams(before, targets, options, lab) : undefined;
    const tensors = unpackTargets(before, targets);
    for (const [i, target] of targets.entries()) {
      const { matrix } = target;
      const [heads, kept] = [headsOf(matrix), keptOf(matrix)];
      const dense = toInOut(readFloats(tensors, weightName(matrix)), matrix);
      const keptEntries = selectKeptEntries(dense, matrix, heads, kept, options, options.seed ?? lab.seed);
      const gram = grams?.get(getObservedRole(target));
      const diagonal = await fitDiagonal(lab.algebra, dense, heads, keptEntries, gram);
      const band = isBand(options, heads, kept);
      if (band) tensors.delete(weightName(matrix));
      for (const [name, tensor] of createTensors(dense, matrix, heads, diagonal, keptEntries, band))
        tensors.set(name, tensor);
      lab.progress(i + 1, targets.length, "matrices");
    }
    return { shape: after, tensors };
  },
});

/** Whether the kept entries need no mask: they are chosen by distance, or only the diagonal is kept. */
function isBand({ order }: Options, { repeats }: HeadDiagonals, { lower, upper }: DiagonalOptions): boolean {
  return (order === "band" && repeats === 1) || lower + upper === 0;
}

function decide(shape: ModelShape, options: Options) {
  const { rate, region } = options;
  const targets = selectDenseTargets(title, shape, options, ({ purpose }) => purpose === "value");
  const headsByRole = new Map(
    targets.map(({ matrix }) => [matrix.role, findDiagonals(shape, matrix, options)]),
  );
  const headsOf = ({ role }: MatrixSpec) => headsByRole.get(role)!;
  const keptByRole = new Map(
    targets.map(({ matrix: { role } }) => {
      const keep = (side: Side) => {
        const all = countSide(headsByRole.get(role)!, side);
        return region === "both" || region === side ? all - Math.round(rate * all) : all;
      };
      return [role, { lower: keep("lower"), upper: keep("upper") }];
    }),
  );
  const keptOf = ({ role }: MatrixSpec): DiagonalOptions => keptByRole.get(role)!;
  const countAll = (matrix: MatrixSpec) => matrix.inputs + keptOf(matrix).lower + keptOf(matrix).upper;
  // Matrices that lose nothing are unchanged.
  const changed = targets.filter(({ matrix }) => countAll(matrix) < matrix.inputs * matrix.outputs);
  const after = chooseRepresentations(shape, changed, ({ matrix }) => {
    const [heads, kept] = [headsOf(matrix), keptOf(matrix)];
    if (!isBand(options, heads, kept)) return { type: "masked", options: { kept: countAll(matrix) } };
    return { type: "diagonal", options: heads.repeats === 1 ? kept : { ...kept, unit: heads.unit } };
  });
  return { targets: changed, headsOf, keptOf, after };
}

/** Throws if the matrix has no diagonal. */
function findDiagonals(shape: ModelShape, matrix: MatrixSpec, { per_head }: Options): HeadDiagonals {
  const { role, purpose, kind, inputs, outputs } = matrix;
  const refuse = (why: string): never => {
    throw new WorkbenchError("unsupported", `${title} cannot be applied: ${role} ${why}`);
  };
  if (kind === "embedding") refuse("is looked up by row and has no diagonal. Leave it out with ignore.");
  if (inputs === outputs) return { inputs, outputs, unit: outputs, repeats: 1 };
  const { heads, kvHeads, headDim } = dimensionsOf(shape);
  const isGrouped =
    purpose === "value" && heads > kvHeads && inputs === heads * headDim && outputs === kvHeads * headDim;
  if (!isGrouped)
    refuse(
      `has ${inputs} inputs and ${outputs} outputs, so it has no diagonal. Leave such roles out with ignore.`,
    );
  if (!per_head)
    refuse(
      `has ${inputs} inputs and ${outputs} outputs, because ${heads} query heads share ${kvHeads} key-value heads, so it has no diagonal. Set per_head: true for one diagonal for each query head.`,
    );
  return { inputs, outputs, unit: headDim, repeats: heads / kvHeads };
}

function selectKeptEntries(
  dense: Float32Array,
  { outputs, inputs, role }: MatrixSpec,
  heads: HeadDiagonals,
  kept: DiagonalOptions,
  { order }: Options,
  seed: number,
): readonly Entry[] {
  if (order === "band" && heads.repeats === 1) return listBandEntries(inputs, kept);
  return (["lower", "upper"] as const).flatMap((side) => {
    const all = listSide(heads, side);
    const size = ({ row, column }: Entry) => Math.abs(dense[row * outputs + column]!);
    if (order === "random")
      return [...createRandomOrder(all.length, `${role} ${side}`, seed)]
        .map((i) => all[i]!)
        .slice(0, kept[side]);
    return (order === "band" ? all : all.sort((a, b) => size(b) - size(a))).slice(0, kept[side]);
  });
}

/**
 * Returns the unchanged diagonal entry of each input, or those that minimize Σ_t (y_tj − ŷ_tj)² for every output j: with the
 * rows S of its diagonals and the removed rows R, δ_S = W_Sj + G_SS⁻¹ · G_SR · W_Rj with G = XᵀX.
 */
async function fitDiagonal(
  algebra: Algebra,
  dense: Float32Array,
  heads: HeadDiagonals,
  keptEntries: readonly Entry[],
  gram: Float64Array | undefined,
): Promise<Float32Array> {
  const { inputs, outputs } = heads;
  const diagonal = Float32Array.from(
    { length: inputs },
    (_, row) => dense[row * outputs + getDiagonalColumn(heads, row)]!,
  );
  if (gram === undefined) return diagonal;
  // What remains beside the diagonal is not lost.
  const weights = Float64Array.from(dense);
  for (const { row, column } of keptEntries) weights[row * outputs + column] = 0;
  for (let column = 0; column < outputs; column++) {
    const rows = listDiagonalRows(heads, column);
    const isDiagonal = new Array<boolean>(inputs).fill(false);
    for (const row of rows) isDiagonal[row] = true;
    const values = Float64Array.from({ length: inputs }, (_, row) => weights[row * outputs + column]!);
    const fitted = await fitKept(algebra, values, gram, isDiagonal, 1, 0);
    for (const row of rows) diagonal[row] = fitted[row]!;
  }
  return diagonal;
}

function createTensors(
  dense: Float32Array,
  matrix: MatrixSpec,
  heads: HeadDiagonals,
  diagonal: Float32Array,
  keptEntries: readonly Entry[],
  band: boolean,
): (readonly [string, HostTensor])[] {
  const { inputs, outputs } = matrix;
  if (band) {
    const values = Float32Array.from(keptEntries, ({ row, column }) => dense[row * outputs + column]!);
    return [
      [diagonalName(matrix), { shape: [inputs], data: diagonal }],
      ...(keptEntries.length === 0
        ? []
        : [[bandName(matrix), { shape: [keptEntries.length], data: values }] as const]),
    ];
  }
  const [weight, mask] = [new Float32Array(inputs * outputs), new Float32Array(inputs * outputs)];
  const keep = (row: number, column: number, value: number) => {
    weight[row * outputs + column] = value;
    mask[row * outputs + column] = 1;
  };
  for (const { row, column } of keptEntries) keep(row, column, dense[row * outputs + column]!);
  diagonal.forEach((value, row) => keep(row, getDiagonalColumn(heads, row), value));
  const shape = denseShape(matrix);
  return [
    [weightName(matrix), { shape, data: fromInOut(weight, matrix) }],
    [maskName(matrix), { shape, data: Uint8Array.from(fromInOut(mask, matrix)) }],
  ];
}

/** Computes XᵀX of the inputs of each target. */
async function computeGrams(
  before: Checkpoint,
  targets: readonly Target[],
  { calibration }: Options,
  lab: Lab,
): Promise<ReadonlyMap<string, Float64Array>> {
  const taps = new Map(targets.map((target) => [getObservedRole(target), gramTap]));
  const statistics = await lab.observe(before, taps, calibration);
  return new Map([...statistics].map(([role, statistics]) => [role, statistics["gram"]!]));
}
