/** Gradients of layer norm and RMS norm. */
import { type Composite, defineComposite } from "../composite";
import { scalar, type Value } from "../op";
import { add, mul, reciprocal, sqrt, sub } from "../ops/elementwise";
import { mean, overLastAxis, overLeadingAxes, sum, sumSquares } from "../ops/reduction";

/** 1 / √(mean(x²) + ε) over the last axis, which keeps size 1. */
function computeInverseRoot(x: Value, epsilon: number): Value {
  const square = mul(sumSquares(x, overLastAxis(x)), scalar(1 / x.type.shape.at(-1)!));
  return reciprocal(sqrt(add(square, scalar(epsilon))));
}

type NormInputs = readonly [x: Value, weight: Value, dy: Value];

/** The gradients of `layerNorm` in x [..., width], weight and bias [width]. */
export const layerNormGradient: Composite<NormInputs, { epsilon: number }> = defineComposite({
  name: "layerNormGradient",
  body: ([x, weight, dy]: NormInputs, { epsilon }: { epsilon: number }) => {
    const centered = sub(x, mean(x, overLastAxis(x)));
    const inverse = computeInverseRoot(centered, epsilon);
    const normal = mul(centered, inverse);
    const weighted = mul(dy, weight);
    // With n = normalized x and g = dy·weight: dx = (g - mean(g) - n · mean(g·n)) / √(variance + ε).
    const direct = sub(weighted, mean(weighted, overLastAxis(x)));
    const through = mul(normal, mean(mul(weighted, normal), overLastAxis(x)));
    return [
      mul(sub(direct, through), inverse),
      sum(mul(dy, normal), overLeadingAxes(x)),
      sum(dy, overLeadingAxes(x)),
    ] as const;
  },
  gradient: "stop",
  samples: [],
});

/** The gradients of `rmsNorm` in x [..., width] and weight [width]. */
export const rmsNormGradient: Composite<NormInputs, { epsilon: number }> = defineComposite({
  name: "rmsNormGradient",
  body: ([x, weight, dy]: NormInputs, { epsilon }: { epsilon: number }) => {
    const inverse = computeInverseRoot(x, epsilon);
    const normal = mul(x, inverse);
    const weighted = mul(dy, weight);
    // With n = normalized x and g = dy·weight: dx = (g - n · mean(g·n)) / √(mean(x²) + ε).
    const through = mul(normal, mean(mul(weighted, normal), overLastAxis(x)));
    return [mul(sub(weighted, through), inverse), sum(mul(dy, normal), overLeadingAxes(x))] as const;
  },
  gradient: "stop",
  samples: [],
});
