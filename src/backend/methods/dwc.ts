/**
 * Diagonal weight compression (Belhaouari and Kraidia, Scientific Reports 15:10171, 2025, equations 17 to 19): keeps the
 * diagonal of the value projection and removes a share of the rest. With only the diagonal left, each head reads only its
 * own features.
 */
import * as z from "zod";
import type { Value } from "../graph/op";
import { matmul } from "../graph/ops/matmul";
import type { ModelShape } from "../models/model";
import { denseShape, fromInOut, toInOut, weightName } from "../representations/dense";
import {
  listBandEntries,
  bandName,
  diagonalName,
  type DiagonalOptions,
  type Entry,
  listNearestEntries,
  triangleSize,
} from "../representations/diagonal";
import { maskName } from "../representations/masked";
import { createRandomOrder } from "../representations/randomStream";
import type { MatrixSpec } from "../representations/representation";
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { HostTensor } from "../checkpoints/safetensors";
import { selectDenseTargets, getObservedRole, chooseRepresentations } from "../compression/denseTargets";
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
    { rate: 0.9, fit: "lsq", targets: "layers.0.*.v_proj", calibration: { samples: 4, batch_size: 2 } },
  ],

  plan: (before, options) => planBetween(before, decide(before, options).after, "roles"),

  async apply(before, options, lab) {
    const { targets, keptOf, after } = decide(before.shape, options);
    const grams = options.fit === "lsq" ? await computeGrams(before, targets, options, lab) : undefined;
    const tensors = unpackTargets(before, targets);
    for (const [i, target] of targets.entries()) {
      const { matrix } = target;
      const dense = toInOut(readFloats(tensors, weightName(matrix)), matrix);
      const keptEntries = selectKeptEntries(dense, matrix, keptOf(matrix), options, options.seed ?? lab.seed);
      const diagonal = fitDiagonal(dense, matrix.inputs, keptEntries, grams?.get(getObservedRole(target)));
      for (const [name, tensor] of createTensors(
        dense,
        matrix,
        diagonal,
        keptEntries,
        isBand(options, keptOf(matrix)),
      ))
        tensors.set(name, tensor);
      if (isBand(options, keptOf(matrix))) tensors.delete(weightName(matrix));
      lab.progress(i + 1, targets.length, "matrices");
    }
    return { shape: after, tensors };
  },
});

/** Whether the kept entries need no mask: they are chosen by distance, or only the diagonal is kept. */
function isBand({ order }: Options, { lower, upper }: DiagonalOptions): boolean {
  return order === "band" || lower + upper === 0;
}

function decide(shape: ModelShape, options: Options) {
  const { rate, region } = options;
  const candidates = selectDenseTargets(title, shape, options, ({ purpose }) => purpose === "value");
  const keptOf = ({ inputs }: MatrixSpec): DiagonalOptions => {
    const all = triangleSize(inputs);
    const keep = (side: "lower" | "upper") =>
      region === "both" || region === side ? all - Math.round(rate * all) : all;
    return { lower: keep("lower"), upper: keep("upper") };
  };
  const isWhole = ({ matrix }: Target) => {
    const { lower, upper } = keptOf(matrix);
    return matrix.inputs === matrix.outputs && lower + upper === 2 * triangleSize(matrix.inputs);
  };
  // Matrices that lose nothing are unchanged.
  const targets = candidates.filter((target) => !isWhole(target));
  const after = chooseRepresentations(shape, targets, ({ matrix }) => {
    const keptDiagonals = keptOf(matrix);
    return isBand(options, keptDiagonals)
      ? { type: "diagonal", options: keptDiagonals }
      : { type: "masked", options: { kept: matrix.inputs + keptDiagonals.lower + keptDiagonals.upper } };
  });
  return { targets, keptOf, after };
}

function selectKeptEntries(
  dense: Float32Array,
  { inputs: width, role }: MatrixSpec,
  keptDiagonals: DiagonalOptions,
  { order }: Options,
  seed: number,
): readonly Entry[] {
  if (order === "band") return listBandEntries(width, keptDiagonals);
  return (["lower", "upper"] as const).flatMap((side) => {
    const all = [...listNearestEntries(width, side, triangleSize(width))];
    const size = ({ row, column }: Entry) => Math.abs(dense[row * width + column]!);
    const ordered =
      order === "random"
        ? [...createRandomOrder(all.length, `${role} ${side}`, seed)].map((i) => all[i]!)
        : all.sort((a, b) => size(b) - size(a));
    return ordered.slice(0, keptDiagonals[side]);
  });
}

/**
 * Returns the unchanged diagonal, or δ_j = W_jj + Σ_i G_ji·W_ij / G_jj over the removed entries (i, j), with G = XᵀX, which
 * minimizes Σ_t (y_tj − ŷ_tj)² for every output j.
 */
function fitDiagonal(
  dense: Float32Array,
  width: number,
  keptEntries: readonly Entry[],
  gram: Float64Array | undefined,
): Float32Array {
  const isKept = new Uint8Array(width * width);
  for (const { row, column } of keptEntries) isKept[row * width + column] = 1;
  return Float32Array.from({ length: width }, (_, j) => {
    const value = dense[j * width + j]!;
    const square = gram?.[j * width + j] ?? 0;
    if (gram === undefined || square === 0) return value;
    let lost = 0;
    for (let i = 0; i < width; i++)
      if (i !== j && isKept[i * width + j] === 0) lost += gram[j * width + i]! * dense[i * width + j]!;
    return value + lost / square;
  });
}

function createTensors(
  dense: Float32Array,
  matrix: MatrixSpec,
  diagonal: Float32Array,
  keptEntries: readonly Entry[],
  band: boolean,
): (readonly [string, HostTensor])[] {
  const width = matrix.inputs;
  if (band) {
    const values = Float32Array.from(keptEntries, ({ row, column }) => dense[row * width + column]!);
    return [
      [diagonalName(matrix), { shape: [width], data: diagonal }],
      ...(keptEntries.length === 0
        ? []
        : [[bandName(matrix), { shape: [keptEntries.length], data: values }] as const]),
    ];
  }
  const [weight, mask] = [new Float32Array(width * width), new Float32Array(width * width)];
  const keep = (row: number, column: number, value: number) => {
    weight[row * width + column] = value;
    mask[row * width + column] = 1;
  };
  for (const { row, column } of keptEntries) keep(row, column, dense[row * width + column]!);
  diagonal.forEach((value, i) => keep(i, i, value));
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
  const gram = (x: Value) => ({ gram: matmul(x, x, { transposeA: true }) });
  const taps = new Map(targets.map((target) => [getObservedRole(target), gram]));
  const statistics = await lab.observe(before, taps, calibration);
  return new Map([...statistics].map(([role, statistics]) => [role, statistics["gram"]!]));
}
