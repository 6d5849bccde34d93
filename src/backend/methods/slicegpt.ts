/**
 * SliceGPT (Ashkboos et al. 2024): rotates the residual stream to its principal components on text, and removes the least.
 * The paper has a rotation for each block, and a matrix on each shortcut between two of them. Here one rotation serves all
 * blocks, so that the result is a smaller plain model of its family; what a block loses by it is made up for by a least
 * squares fit of its inputs.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { Checkpoint } from "../checkpoints/checkpoint";
import { listInputSources } from "../models/inputSources";
import { dimensionsOf, familyOf, type ModelShape } from "../models/model";
import { decomposeSymmetric } from "../compression/algebra/eigen";
import { computeMeanDiagonal, solveFactored } from "../compression/algebra/leastSquares";
import { factorize } from "../compression/algebra/triangular";
import { calibrationSchema } from "../compression/calibration/batches";
import { gramTap } from "../compression/calibration/observe";
import { chooseWidth, resizeAxes, widthMultiple } from "../compression/cutAxes";
import { createShareOption, defineMethod, type Lab, planBetween } from "../compression/method";
import { createRotatedShape, foldNorms, hasLayerNorms, rotateStream } from "../compression/rotation";
import { readFloats } from "../compression/unpackTargets";

const title = "SliceGPT";

const optionsSchema = z.strictObject({
  rate: createShareOption(
    0.25,
    "Share of the channels of the residual stream to remove; at least one stays.",
  ),
  multiple_of: widthMultiple,
  calibration: calibrationSchema,
});
type Options = z.output<typeof optionsSchema>;

const calibration = { samples: 4, batch_size: 2 };

export default defineMethod<Options>({
  title,
  paper: "Ashkboos et al.: SliceGPT: Compress Large Language Models by Deleting Rows and Columns, 2024",
  options: optionsSchema,
  rate: "rate",
  needs: () => ["text"],
  samples: [
    { rate: 0, calibration },
    { rate: 0.3, calibration },
    { rate: 0.5, multiple_of: 8, calibration },
  ],

  plan: (before, options) => planBetween(before, createSlicedShape(before, options), "roles"),

  async apply(before, options, lab) {
    const after = createSlicedShape(before.shape, options);
    if (options.rate === 0) return before;
    const folded = foldNorms(before, createRotatedShape(title, before.shape));
    const { width } = dimensionsOf(folded.shape);
    const { width: newWidth } = dimensionsOf(after);
    const grams = await observeNorms(folded, options, lab);
    const total = new Float64Array(width * width);
    for (const gram of grams.values()) gram.forEach((each, i) => (total[i]! += each));
    const { vectors } = decomposeSymmetric(total, width);
    const q = new Float64Array(width * newWidth);
    for (let k = 0; k < newWidth; k++)
      for (let i = 0; i < width; i++) q[i * newWidth + k] = vectors[k * width + i]!;
    const restore = new Map<string, Float64Array>();
    for (const { norm, readers } of listInputSources(folded.shape)) {
      if (norm === undefined) continue;
      const matrix = await fitInputs(grams.get(norm.weight)!, q, [width, newWidth], lab.algebra);
      for (const reader of readers) restore.set(reader.matrix.role, matrix);
    }
    const sliced = await rotateStream(folded, after, q, lab.algebra, restore);
    return scaleNorms(sliced, grams, q, [width, newWidth], lab);
  },
});

function createSlicedShape(shape: ModelShape, options: Options): ModelShape {
  const rotated = createRotatedShape(title, shape);
  if (familyOf(shape.family).sizeKeys.heads === undefined)
    throw new WorkbenchError(
      "unsupported",
      `${title} cannot be applied: the width of ${shape.family} models is always the number of heads times their width, so the residual stream cannot become narrower on its own.`,
    );
  if (hasLayerNorms(shape))
    throw new WorkbenchError(
      "unsupported",
      `${title} cannot be applied: the layer norms of ${shape.family} models subtract the mean over the channels, which is another one over principal components. Use a family with RMS norms.`,
    );
  const hidden = chooseWidth(title, shape, options, dimensionsOf(shape).heads);
  const sliced = resizeAxes(title, rotated, { hidden });
  return options.rate === 0 ? shape : sliced;
}

/** Entries of statistics in memory at a time, in double precision. */
const largestObservation = 2 ** 26;

/** XᵀX [width, width] of the output X of each norm, by the name of its weight. */
async function observeNorms(
  model: Checkpoint,
  { calibration }: Options,
  lab: Lab,
): Promise<ReadonlyMap<string, Float64Array>> {
  const norms = listInputSources(model.shape).flatMap(({ norm, readers }) =>
    norm === undefined ? [] : [{ name: norm.weight, role: readers[0]!.matrix.role }],
  );
  const { width } = dimensionsOf(model.shape);
  const atOnce = Math.max(1, Math.floor(largestObservation / width ** 2));
  const grams = new Map<string, Float64Array>();
  for (let from = 0; from < norms.length; from += atOnce) {
    const some = norms.slice(from, from + atOnce);
    const taps = new Map(some.map(({ role }) => [role, gramTap]));
    const observed = await lab.observe(model, taps, calibration);
    for (const { name, role } of some) grams.set(name, observed.get(role)!["gram"]!);
  }
  return grams;
}

/** Added to the mean of the diagonal, so that components that the text never uses stay as they are. */
const damping = 1e-3;

/**
 * Returns the matrix A [new width, width] with the least squares of X − X·Q·A for the gram matrix C = XᵀX of a norm's
 * outputs, (QᵀCQ)⁻¹·QᵀC, which is Qᵀ where Q holds the principal components of C itself.
 */
async function fitInputs(
  gram: Float64Array,
  q: Float64Array,
  [width, newWidth]: readonly [number, number],
  algebra: Lab["algebra"],
): Promise<Float64Array> {
  const half = await algebra.multiply(q, gram, [newWidth, width, width], { transposeA: true });
  const inner = await algebra.multiply(half, q, [newWidth, width, newWidth]);
  const damp = damping * (computeMeanDiagonal(inner, newWidth) || 1);
  for (let i = 0; i < newWidth; i++) {
    inner[i * newWidth + i]! += damp;
    for (let j = 0; j < width; j++) half[i * width + j]! += damp * q[j * newWidth + i]!;
  }
  const factor = await factorize(algebra, inner, newWidth);
  if (factor === undefined) throw new Error("A damped gram matrix is not positive definite.");
  return solveFactored(algebra, factor, half, { inputs: newWidth, outputs: width });
}

/**
 * A norm divides by the root of the mean square over the channels that are left. Its weight makes up for the number of channels,
 * and for the share ρ of the squares that is left on the text: √(ρ · width / new width).
 */
async function scaleNorms(
  { shape, tensors }: Checkpoint,
  grams: ReadonlyMap<string, Float64Array>,
  q: Float64Array,
  [width, newWidth]: readonly [number, number],
  lab: Lab,
): Promise<Checkpoint> {
  const out = new Map(tensors);
  const shares: number[] = [];
  for (const [name, gram] of grams) {
    const product = await lab.algebra.multiply(gram, q, [width, width, newWidth]);
    const left = product.reduce((sum, each, i) => sum + each * q[i]!, 0);
    const all = width * computeMeanDiagonal(gram, width);
    shares.push(left / all);
    const factor = Math.sqrt(((left / all) * width) / newWidth);
    out.set(name, { shape: [newWidth], data: readFloats(out, name).map((each) => each * factor) });
  }
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  lab.log(
    `${newWidth} of ${width} principal components hold ${percent(Math.min(...shares))} to ${percent(Math.max(...shares))} of the squares of the norms' outputs.`,
  );
  return { shape, tensors: out };
}
