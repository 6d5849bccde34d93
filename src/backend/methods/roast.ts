/**
 * Randomized parameter sharing (ROAST, Desai et al. 2023; STABLE-RPS, Desai and Shrivastava 2024): the weights of a matrix are
 * entries of a smaller array, found by hashing. Later training trains the array.
 */
import * as z from "zod";
import { draw } from "../models/initialize";
import type { ModelShape } from "../models/model";
import {
  arrayName,
  fitArray,
  hashGradients,
  type HashedOptions,
  hashMappings,
} from "../representations/hashed";
import type { Init, MatrixSpec } from "../representations/representation";
import { chooseRepresentations, selectDenseTargets } from "../compression/denseTargets";
import { compressByWeights } from "../compression/layerwise";
import { createShareOption, defineMethod, planBetween } from "../compression/method";
import { createTargetOptions, type Target } from "../compression/targets";
import { readDense } from "../compression/unpackTargets";

const title = "Randomized parameter sharing";

const optionsSchema = z
  .strictObject({
    rate: createShareOption(0.5, "Share of a matrix's scalars to remove. At least one remains."),
    mapping: z
      .enum(hashMappings)
      .default("fold")
      .describe(
        "`fold` rotates runs as long as the array, so that all entries are used equally often (STABLE-RPS). `blocks` puts runs of `block` weights at hashed places, some of which overlap (ROAST).",
      ),
    block: z
      .int()
      .min(1)
      .optional()
      .describe("Consecutive weights in a run of `mapping: blocks`. Default: 32."),
    gradient: z
      .enum(hashGradients)
      .default("mean")
      .describe(
        "In later training, whether the gradient of an entry is divided by the sum of λ² over its weights (STABLE-RPS), or is the plain sum (ROAST).",
      ),
    values: z
      .enum(["fit", "random"])
      .default("fit")
      .describe(
        "Values of the array: those with the least squared error of the weights, or random ones for training from scratch, as published.",
      ),
    array_std: z
      .number()
      .positive()
      .optional()
      .describe(
        "Standard deviation σ of the random initial array. The weights are the entries times λ, the standard deviation of the initialization of the matrix divided by σ. Default: that of the matrix, so that λ is 1.",
      ),
    seed: z
      .int()
      .min(0)
      .max(2 ** 32 - 1)
      .optional()
      .describe("Seed of the hash functions. Default: the seed of the run."),
    ...createTargetOptions("all projections"),
  })
  .refine(({ mapping, block }) => block === undefined || mapping === "blocks", {
    path: ["block"],
    message: "a block is a run of mapping: blocks; with fold, a run is as long as the array. Omit block",
  });
type Options = z.output<typeof optionsSchema>;

export default defineMethod<Options>({
  title,
  paper:
    "Desai, Shrivastava: In Defense of Parameter Sharing for Model-Compression, 2024; Desai, Zhou, Shrivastava: Hardware-Aware Compression with Random Operation Access Specific Tile (ROAST) Hashing, 2023",
  options: optionsSchema,
  rate: "rate",
  samples: [
    { rate: 0.5 },
    { rate: 0 },
    { rate: 0.9, seed: 7, values: "random", array_std: 0.1 },
    { rate: 0.3, mapping: "blocks", block: 8, gradient: "sum", targets: "layers.*.mlp.*" },
    { rate: 0.7, targets: "embed_tokens" },
  ],

  plan: (before, options) => planBetween(before, decide(before, options, 0).after, "roles"),

  async apply(before, options, lab) {
    const seed = (options.seed ?? lab.seed) >>> 0;
    const { targets, hashedOf } = decide(before.shape, options, seed);
    return compressByWeights(before, targets, lab, (target, tensors) => {
      const { matrix } = target;
      const hashed = hashedOf(target);
      const { size } = hashed;
      const data =
        options.values === "fit"
          ? fitArray(readDense(tensors, target), matrix, hashed)
          : (draw(createArraySpec(matrix, size, options), seed) as Float32Array);
      return {
        type: "hashed",
        options: { ...hashed },
        tensors: [[arrayName(matrix), { shape: [size], data }]],
      };
    });
  },
});

/** The published arrays are normal, also where the family draws uniform weights. */
function createArraySpec(matrix: MatrixSpec, size: number, { array_std }: Options) {
  const std = array_std ?? getStandardDeviation(matrix.init);
  const init: Init = { kind: "normal", std };
  return { name: arrayName(matrix), shape: [size], dtype: "float32", init } as const;
}

function getStandardDeviation(init: Init): number {
  if (init.kind === "normal") return init.std;
  return init.kind === "uniform" ? init.bound / Math.sqrt(3) : 1;
}

function decide(shape: ModelShape, options: Options, seed: number) {
  const { rate, mapping, block = 32, gradient, array_std } = options;
  const hashedOf = ({ matrix }: Target): HashedOptions => ({
    size: Math.max(1, Math.round((1 - rate) * matrix.inputs * matrix.outputs)),
    mapping,
    block,
    scale: array_std === undefined ? 1 : getStandardDeviation(matrix.init) / array_std,
    gradient,
    seed,
  });
  const targets = selectDenseTargets(title, shape, options).filter(
    (target) => hashedOf(target).size < target.matrix.inputs * target.matrix.outputs,
  );
  const after = chooseRepresentations(shape, targets, (target) => ({
    type: "hashed",
    options: hashedOf(target),
  }));
  return { targets, hashedOf, after };
}
