/**
 * Training that rounds on the way (quantisation-aware): some matrices are used as a few whole numbers times a trained scale, and
 * gradients pass as if they were not rounded (straight through). QuantGPT, Tao et al., ACL 2022.
 */
import type { Value } from "../graph/op";
import { scalar } from "../graph/op";
import { abs, add, cast, div, less, maximum, minimum, mul, neg, sub, where } from "../graph/ops/elementwise";
import { detach } from "../graph/ops/gate";
import { reshape } from "../graph/ops/movement";
import { mean } from "../graph/ops/reduction";
import type { ParameterSpec } from "../representations/representation";
import type { Trainee } from "./trainee";

/** The trained number of a weight tensor: its largest value is γ times the mean of its magnitudes. */
export const gammaName = (weight: string) => `${weight}_gamma`;

/** Codes go from −n to n; of two bits they are −1, 0 and 1. */
export const largestCode = (bits: number) => 2 ** (bits - 1) - 1;

/** Where the largest value is, however small γ becomes. */
export const smallestClip = 1e-8;

/**
 * α · round(n · clip(W / α, −1, 1)) / n with α = γ · mean|W|. The gradient of W is that of clipping; that of γ is what
 * rounding leaves inside, and the sign outside.
 */
export function roundedWeight(weight: Value, gamma: Value, bits: number): Value {
  const n = scalar(largestCode(bits));
  const magnitude = detach(
    mean(abs(weight), { axes: weight.type.shape.map((_, axis) => axis), keepDims: false }),
  );
  const clip = maximum(mul(reshape(gamma, { shape: [] }), magnitude), scalar(smallestClip));
  const clipped = maximum(minimum(weight, clip), neg(clip));
  const share = detach(div(clipped, clip));
  const half = where(less(share, scalar(0)), scalar(-0.5), scalar(0.5));
  // Cut towards zero after half of a step away from it: the nearest.
  const code = cast(cast(add(mul(share, n), half), { to: "int32" }), { to: "float32" });
  const rounded = detach(div(code, n));
  return add(mul(clip, rounded), sub(clipped, mul(clip, share)));
}

/** The trainee with these weight tensors rounded wherever it uses them, and a γ of each beside them. */
export function roundedTrainee(trainee: Trainee, weights: ReadonlySet<string>, bits: number): Trainee {
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
  // A tensor is one value however often it is asked for.
  const seen = new WeakMap<(name: string) => Value, Map<string, Value>>();
  const through = (source: (name: string) => Value) => {
    const known = seen.get(source) ?? new Map<string, Value>();
    seen.set(source, known);
    return (name: string): Value => {
      if (!weights.has(name)) return source(name);
      const value = known.get(name) ?? roundedWeight(source(name), source(gammaName(name)), bits);
      known.set(name, value);
      return value;
    };
  };
  return {
    ...trainee,
    parameters: [...trainee.parameters, ...gammas],
    hidden: (source, inputs, options) => trainee.hidden(through(source), inputs, options),
    logits: (source, hidden) => trainee.logits(through(source), hidden),
  };
}
