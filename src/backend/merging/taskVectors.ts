/**
 * Merges of task vectors: what fine-tuning added to a base model (Ilharco et al. 2022, arXiv 2212.04089). The current model is
 * the base. Methods differ in how they thin out a task vector, and in whether signs have to agree.
 */
import * as z from "zod";
import { createRandomStream } from "../representations/randomStream";
import {
  createBoundedSetting,
  defineMergeMethod,
  type MergeMethod,
  type MergePlace,
  modelNameSchema,
} from "./mergeMethod";
import { evaluateSetting, settingSchema } from "./setting";

const weight = settingSchema.default(1).describe("Factor of the model's task vector.");
const density = createBoundedSetting(0, 1);

/** The options of all methods; `normalize` is off unless the method turns it on. */
export function createTaskOptions({ normalize }: { readonly normalize: boolean }) {
  return {
    lambda: z.number().default(1).describe("Factor of the merged task vector."),
    normalize: z
      .boolean()
      .default(normalize)
      .describe("Divide each value by the sum of the weights that contribute to it."),
  };
}

/** The options of a method that keeps all values of a task vector. */
export const taskModels = z
  .array(z.strictObject({ model: modelNameSchema, weight }))
  .min(1)
  .describe("The models whose task vectors are added to the current model, from which they were fine-tuned.");

/** The options of a method that thins out task vectors. */
export const sparseTaskModels = z
  .array(
    z.strictObject({
      model: modelNameSchema,
      weight,
      density: density.optional().describe("Share of its values to keep, instead of the method's `density`."),
    }),
  )
  .min(1)
  .describe("The models whose task vectors are added to the current model, from which they were fine-tuned.");

export const densityOption = density
  .default(0.5)
  .describe("Share of the values of each task vector to keep, by tensor.");

export interface TaskOptions {
  readonly models: readonly {
    readonly model: string;
    readonly weight: z.output<typeof settingSchema>;
    readonly density?: z.output<typeof settingSchema> | undefined;
  }[];
  readonly lambda: number;
  readonly normalize: boolean;
}

interface Merge {
  /** Thins out the task vector of the model with this index, in place. */
  readonly sparsify?: (delta: Float32Array, model: number) => void;
  /** Whether only values of the sign that the weighted sum has are added (TIES, section 4). */
  readonly electsSigns: boolean;
}

/** Adds the task vectors of `others` to `current`. */
export function mergeTaskVectors(
  current: Float32Array,
  others: readonly Float32Array[],
  { models, lambda, normalize }: TaskOptions,
  place: MergePlace,
  { sparsify, electsSigns }: Merge,
): Float32Array {
  const weights = models.map((each) => evaluateSetting(each.weight, place) ?? 1);
  const deltas = others.map((other, k) => {
    const delta = other.map((value, i) => value - current[i]!);
    sparsify?.(delta, k);
    return delta;
  });
  return current.map((value, i) => {
    const parts = deltas.map((delta, k) => weights[k]! * delta[i]!);
    const sign = parts.reduce((sum, part) => sum + part, 0) >= 0 ? 1 : -1;
    let [mixed, divisor] = [0, 0];
    for (const [k, part] of parts.entries()) {
      if (electsSigns && Math.sign(part) !== sign) continue;
      mixed += part;
      divisor += weights[k]!;
    }
    if (normalize && Math.abs(divisor) >= smallestDivisor) mixed /= divisor;
    return value + lambda * mixed;
  });
}

/** Below this, weights cancel, and values are not divided by their sum. */
const smallestDivisor = 1e-8;

/** The density of the task vector of a model. */
export function findDensity(
  { models, density: usual }: TaskOptions & { readonly density: z.output<typeof settingSchema> },
  model: number,
  place: MergePlace,
): number {
  const own = models[model]!.density;
  return (own && evaluateSetting(own, place)) ?? evaluateSetting(usual, place) ?? 1;
}

/** Keeps the largest absolute values, ⌊density · size⌋ but at least one, and sets the others to zero, in place. */
export function keepLargest(delta: Float32Array, share: number): void {
  if (share >= 1) return;
  const count = Math.max(1, Math.floor(share * delta.length));
  const sizes = delta.map(Math.abs).sort();
  const least = sizes[sizes.length - count]!;
  let equals = count - sizes.reduce((larger, size) => larger + (size > least ? 1 : 0), 0);
  for (let i = 0; i < delta.length; i++) {
    const size = Math.abs(delta[i]!);
    if (size > least || (size === least && equals-- > 0)) continue;
    delta[i] = 0;
  }
}

/** Keeps each value with probability `share`, and sets the others to zero, in place (DARE, section 3). */
export function keepAtRandom(
  delta: Float32Array,
  share: number,
  rescale: RandomOptions["rescale"],
  next: () => number,
): void {
  if (share >= 1) return;
  const before = sumSizes(delta);
  for (let i = 0; i < delta.length; i++) if (next() >= share) delta[i] = 0;
  const after = sumSizes(delta);
  if (rescale === "none" || after === 0) return;
  const factor = rescale === "density" ? 1 / share : before / after;
  for (let i = 0; i < delta.length; i++) delta[i]! *= factor;
}

function sumSizes(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += Math.abs(value);
  return sum;
}

const randomOptions = z.strictObject({
  models: sparseTaskModels,
  density: densityOption,
  rescale: z
    .enum(["density", "norm", "none"])
    .default("density")
    .describe(
      "What makes up for dropped values: division by the density, as published, the factor that keeps the sum of absolute values, as mergekit does, or nothing.",
    ),
  ...createTaskOptions({ normalize: false }),
});
type RandomOptions = z.output<typeof randomOptions>;

/** DARE (Yu et al. 2023, arXiv 2311.03099, section 3), with or without elected signs. */
export function defineRandomMerge(
  title: string,
  electsSigns: boolean,
  samples: MergeMethod<RandomOptions>["samples"],
): MergeMethod<RandomOptions> {
  return defineMergeMethod({
    title,
    paper:
      "Yu et al.: Language models are super Mario, absorbing abilities from homologous models as a free lunch, 2023",
    options: randomOptions,
    samples,
    models: ({ models }) => models.map(({ model }) => model),
    merge: (current, others, options, place) =>
      mergeTaskVectors(current, others, options, place, {
        electsSigns,
        sparsify: (delta, model) =>
          keepAtRandom(
            delta,
            findDensity(options, model, place),
            options.rescale,
            createRandomStream(`${place.name} of model ${model}`, place.seed),
          ),
      }),
  });
}
