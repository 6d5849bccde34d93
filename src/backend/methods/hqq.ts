/**
 * HQQ (Badri and Shaji, 2023): round to nearest with zero points between the codes, found by half-quadratic optimization, without
 * text. The rounding error is split into a sparse part, measured in an lₚ norm with p < 1, and a rest in the squared norm.
 */
import * as z from "zod";
import { compressByWeights } from "../compression/layerwise";
import { defineMethod } from "../compression/method";
import { type Grid, roundHalfToEven } from "../compression/quantization/grid";
import {
  bitLevels,
  planQuantization,
  QuantizedMatrix,
  quantizationOptions,
  readWeights,
  selectQuantizationTargets,
} from "../compression/quantization/quantization";

const title = "HQQ";

const { bits, group_size, residual, targets, ignore } = quantizationOptions;

const optionsSchema = z.strictObject({
  bits,
  group_size,
  residual,
  targets,
  ignore,
  lp_norm: z
    .number()
    .positive()
    .max(1)
    .default(0.7)
    .describe("p of the norm of the sparse part of the error."),
  beta: z.number().positive().default(10).describe("Initial weight of the squared part."),
  kappa: z.number().min(1).default(1.01).describe("Factor by which `beta` grows in each iteration."),
  iters: z
    .int()
    .min(0)
    .default(20)
    .describe("Maximum number of iterations. Each group stops when its mean absolute error stops falling."),
});
type Options = z.output<typeof optionsSchema>;

const toQuantized = (options: Options) => ({ ...options, symmetric: false, float_zeros: true });

export default defineMethod<Options>({
  title,
  paper: "Badri, Shaji: Half-Quadratic Quantization of Large Machine Learning Models, 2023",
  options: optionsSchema,
  rate: "bits",
  levels: bitLevels,
  samples: [
    {},
    { bits: 3, group_size: 4 },
    { bits: 2, group_size: 8, residual: 2, targets: "layers.*.mlp.*" },
    { targets: "embed_tokens" },
  ],

  plan: (before, options) => planQuantization(title, before, toQuantized(options)),

  async apply(before, options, lab) {
    const quantization = toQuantized(options);
    const selected = selectQuantizationTargets(title, before.shape, quantization);
    return compressByWeights(before, selected, lab, ({ matrix, ...target }, tensors) => {
      const weights = readWeights(tensors, { matrix, ...target });
      const quantized = new QuantizedMatrix(matrix, quantization, weights);
      const { dense, mask } = weights;
      const { inputs, outputs } = matrix;
      const { groups, groupSize: size } = quantized;
      for (let group = 0; group < groups; group++)
        for (let output = 0; output < outputs; output++) {
          const places = Array.from({ length: size }, (_, i) => (group * size + i) * outputs + output);
          const kept = places.filter((place) => mask?.[place] !== 0);
          quantized.setGrid(
            group,
            output,
            optimizeZero(
              kept.map((place) => dense[place]!),
              options,
            ),
          );
        }
      for (let input = 0; input < inputs; input++)
        for (let output = 0; output < outputs; output++)
          quantized.set(input, output, dense[input * outputs + output]!);
      return quantized.toCompressedTarget(lab.algebra);
    });
  },
});

/** Returns the grid over the range of the values whose zero point has the least mean absolute error among the iterations. */
function optimizeZero(values: readonly number[], { bits: width, lp_norm: p, ...options }: Options): Grid {
  const half = 2 ** (width - 1);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  // A group of equal values needs one code, and one whose weights are all dropped needs none.
  if (!(high > low)) return low === high && low !== 0 ? { scale: low, zero: 0 } : { scale: 1, zero: 0 };
  const scale = Math.fround((high - low) / (2 * half - 1));
  const encode = (value: number, zero: number) =>
    Math.max(-half, Math.min(half - 1, roundHalfToEven(value / scale + zero)));
  let zero = -low / scale - half;
  let [best, least] = [zero, Infinity];
  let { beta } = options;
  for (let round = 0; round < options.iters; round++) {
    let [error, next] = [0, 0];
    for (const value of values) {
      const code = encode(value, zero);
      const rounded = (code - zero) * scale;
      const rest = value - rounded;
      const magnitude = Math.abs(rest);
      error += magnitude / values.length;
      // The proximal operator of the lₚ norm.
      const shrunk = Math.sign(rest) * Math.max(0, magnitude - magnitude ** (p - 1) / beta);
      next += (code - (value - shrunk) / scale) / values.length;
    }
    // With as many errors above as below zero, their mean changes only by rounding.
    if (error >= least * (1 - 1e-9)) break;
    [best, least, zero] = [zero, error, next];
    beta *= options.kappa;
  }
  return { scale, zero: Math.fround(best) };
}
