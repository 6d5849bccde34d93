/**
 * Quantization-aware training: the forward pass uses some matrices as small integers times a trained scale, with the
 * straight-through estimator for gradients. QuantGPT, Tao et al., ACL 2022.
 */
import type { Value } from "../graph/op";
import { scalar } from "../graph/op";
import { abs, add, div, maximum, minimum, mul, neg, sub } from "../graph/ops/elementwise";
import { detach } from "../graph/ops/gate";
import { reshape } from "../graph/ops/movement";
import { mean } from "../graph/ops/reduction";
import { round } from "../graph/ops/rounding";
import type { ParameterSpec, ValueSource } from "../representations/representation";
import type { Trainee } from "./trainee";

/** The trained scalar γ of a weight tensor: the clipping range is γ times the mean magnitude. */
export const gammaName = (weight: string) => `${weight}_gamma`;

/** Codes range from −n to n; with two bits they are −1, 0 and 1. */
export const getLargestCode = (bits: number) => 2 ** (bits - 1) - 1;

/** Lower bound of the clipping range, for small γ. */
export const smallestClip = 1e-8;

/**
 * α · round(n · clip(W / α, −1, 1)) / n with α = γ · mean|W|, halves rounded to even. W has the gradient of clipping; γ has
 * the rounding error inside the range and the sign outside it.
 */
export function roundWeight(weight: Value, gamma: Value, bits: number): Value {
  const n = scalar(getLargestCode(bits));
  const magnitude = detach(
    mean(abs(weight), { axes: weight.type.shape.map((_, axis) => axis), keepDims: false }),
  );
  const clip = maximum(mul(reshape(gamma, { shape: [] }), magnitude), scalar(smallestClip));
  const clipped = maximum(minimum(weight, clip), neg(clip));
  const share = detach(div(clipped, clip));
  // The quotient by the scale, as in the final codes, so that ties are the same.
  const rounded = detach(div(round(div(clipped, div(clip, n))), n));
  return add(mul(clip, rounded), sub(clipped, mul(clip, share)));
}

/** Replaces some values of a source; every request for a tensor returns the same value. */
export function createCachedSource(
  replace: (name: string, source: ValueSource) => Value | undefined,
): (source: ValueSource) => ValueSource {
  const cache = new WeakMap<ValueSource, Map<string, Value>>();
  return (source) => {
    const cachedValues = cache.get(source) ?? new Map<string, Value>();
    cache.set(source, cachedValues);
    return (name) => {
      const value = cachedValues.get(name) ?? replace(name, source) ?? source(name);
      cachedValues.set(name, value);
      return value;
    };
  };
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
  const createRoundedSource = createCachedSource((name, source) =>
    weights.has(name) ? roundWeight(source(name), source(gammaName(name)), bits) : undefined,
  );
  return {
    ...trainee,
    parameters: [...trainee.parameters, ...gammas],
    hidden: (source, inputs, options) => trainee.hidden(createRoundedSource(source), inputs, options),
    logits: (source, hidden) => trainee.logits(createRoundedSource(source), hidden),
  };
}
