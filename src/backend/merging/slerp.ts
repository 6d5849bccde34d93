/**
 * Spherical linear interpolation of two models (Shoemake 1985): each tensor moves along the arc between its two directions
 * instead of along the chord, so that its norm does not shrink in between.
 */
import * as z from "zod";
import { createBoundedSetting, defineMergeMethod, modelNameSchema } from "./mergeMethod";
import { evaluateSetting } from "./setting";

const optionsSchema = z.strictObject({
  model: modelNameSchema,
  t: createBoundedSetting(0, 1)
    .default(0.5)
    .describe(
      "0 is the current model, 1 the other one. Several numbers are interpolated over the layers; conditions with `filter` give each kind of tensor its own.",
    ),
});
type Options = z.output<typeof optionsSchema>;

/** Cosine above which two directions count as one, and the tensors are interpolated linearly. */
const colinear = 0.9995;
/** Norm below which a tensor has no direction; it then counts as orthogonal to the other, as in mergekit. */
const smallestNorm = 1e-8;

export default defineMergeMethod<Options>({
  title: "Spherical interpolation (SLERP)",
  paper: "Shoemake: Animating rotation with quaternion curves, 1985",
  options: optionsSchema,
  samples: [
    { model: "other" },
    { model: "other", t: [0, 0.5, 1] },
    { model: "other", t: [{ filter: "mlp", value: [1, 0] }, { value: 0.25 }] },
  ],
  models: ({ model }) => [model],
  merge(current, [other], { t: setting }, place) {
    const t = evaluateSetting(setting, place) ?? 0.5;
    const [own, others] = divideArc(current, other!, t);
    return current.map((value, i) => own * value + others * other![i]!);
  },
});

/** The factors of both tensors at `t`. */
function divideArc(a: Float32Array, b: Float32Array, t: number): readonly [number, number] {
  const [normA, normB] = [Math.sqrt(dot(a, a)), Math.sqrt(dot(b, b))];
  const hasDirections = normA > smallestNorm && normB > smallestNorm;
  const cosine = hasDirections ? dot(a, b) / (normA * normB) : 0;
  if (Math.abs(cosine) > colinear) return [1 - t, t];
  const angle = Math.acos(cosine);
  return [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)];
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
