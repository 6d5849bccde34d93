/**
 * Quantization-aware training: the forward pass uses some matrices as small integers times a trained scale, with the
 * straight-through estimator for gradients. QuantGPT, Tao et al., ACL 2022.
 */
import type { Value } from "../graph/op";
import { scalar } from "../graph/op";
import { abs, add, cast, div, less, maximum, minimum, mul, neg, sub, where } from "../graph/ops/elementwise";
import { detach } from "../graph/ops/gate";
import { reshape } from "../graph/ops/movement";
import { mean } from "../graph/ops/reduction";
import type { ParameterSpec } from "../representations/representation";
import type { Trainee } from "./trainee";

/** The trained scalar γ of a weight tensor: the clipping range is γ times the mean magnitude. */
export const gammaName = (weight: string) => `${weight}_gamma`;

/** Codes range from −n to n; with two bits they are −1, 0 and 1. */
export const getLargestCode = (bits: number) => 2 ** (bits - 1) - 1;

/** Lower bound of the clipping range, for small γ. */
export const smallestClip = 1e-8;

/**
 * α · round(n · clip(W / α, −1, 1)) / n with α = γ · mean|W|. W has the gradient of clipping; γ has the rounding error inside
 * the range and the sign outside it.
 */
export function roundWeight(weight: Value, gamma: Value, bits: number): Value {
  const n = scalar(getLargestCode(bits));
  const magnitude = detach(
    mean(abs(weight), { axes: weight.type.shape.map((_, axis) => axis), keepDims: false }),
  );
  const clip = maximum(mul(reshape(gamma, { shape: [] }), magnitude), scalar(smallestClip));
  const clipped = maximum(minimum(weight, clip), neg(clip));
  const share = detach(div(clipped, clip));
  const half = where(less(share, scalar(0)), scalar(-0.5), scalar(0.5));
  // Adding half a step away from zero and truncating rounds to the nearest integer.
  const code = cast(cast(add(mul(share, n), half), { to: "int32" }), { to: "float32" });
  const rounded = detach(div(code, n));
  return add(mul(clip, rounded), sub(clipped, mul(clip, share)));
}

/** The trainee with these weight tensors rounded wherever it uses them, and a γ for each of them. */
export function createRoundedTrainee(trainee: Trainee, weights: ReadonlySet<string>, bits: number): Trainee {
  const gammas = trainee.parameters
    .filter(({ name }) => weights.has(name))
    .map((spec): ParameterSpec => ({
      ...spec,
      name: gammaName(spec.name),
      shape: [1],
      init: { kind: "ones" },
      decay: false,
      axes: [{ kind: "packed", units: 1, unit: 1 }],
    }));
  // Every request for a tensor returns the same value.
  const cache = new WeakMap<(name: string) => Value, Map<string, Value>>();
  const createRoundedSource = (source: (name: string) => Value) => {
    const cachedValues = cache.get(source) ?? new Map<string, Value>();
    cache.set(source, cachedValues);
    return (name: string): Value => {
      if (!weights.has(name)) return source(name);
      const value = cachedValues.get(name) ?? roundWeight(source(name), source(gammaName(name)), bits);
      cachedValues.set(name, value);
      return value;
    };
  };
  return {
    ...trainee,
    parameters: [...trainee.parameters, ...gammas],
    hidden: (source, inputs, options) => trainee.hidden(createRoundedSource(source), inputs, options),
    logits: (source, hidden) => trainee.logits(createRoundedSource(source), hidden),
  };
}
