/**
 * Least squares on the statistics of a matrix's inputs: weights that come nearest to given outputs, and weights inside a mask.
 * Matrices are row-major in double precision; weights are [inputs, outputs].
 */
import type { Algebra } from "./products";
import type { TriangularFactor } from "./triangular";

export interface Sizes {
  readonly inputs: number;
  readonly outputs: number;
}

/** Returns H + λI with λ = `share` of the mean of H's diagonal; `gram` is H = XᵀX [inputs, inputs]. */
export function dampGram(gram: Float64Array, inputs: number, share: number): Float64Array {
  const damped = gram.slice();
  const added = share * computeMeanDiagonal(gram, inputs);
  for (let i = 0; i < inputs; i++) damped[i * inputs + i]! += added;
  return damped;
}

export function computeMeanDiagonal(gram: Float64Array, inputs: number): number {
  let mean = 0;
  for (let i = 0; i < inputs; i++) mean += gram[i * inputs + i]! / inputs;
  return mean;
}

/** Returns Σ (x − m)ᵀ(x − m) = XᵀX − count · mᵀm for the mean m [inputs] of X [count, inputs]. */
export function centerGram(gram: Float64Array, mean: Float64Array, count: number): Float64Array {
  const inputs = mean.length;
  return gram.map((each, i) => each - count * mean[Math.floor(i / inputs)]! * mean[i % inputs]!);
}

/** Solves H·Z = B for B [inputs, outputs], given the inverse of H's triangular factor. */
export async function solveFactored(
  algebra: Algebra,
  { inverse }: TriangularFactor,
  right: Float64Array,
  { inputs, outputs }: Sizes,
): Promise<Float64Array> {
  const sizes = [inputs, inputs, outputs] as const;
  const inner = await algebra.multiply(inverse, right, sizes);
  return algebra.multiply(inverse, inner, sizes, { transposeA: true });
}

/**
 * Minimizes ½·wᵀHw − bᵀw of each output over the weights inside the mask by conjugate gradients from `start`, with the diagonal
 * of H as preconditioner (Nocedal and Wright, Numerical Optimization, algorithm 5.3). `right` is B [inputs, outputs], and the
 * others are zero. Each step multiplies with H once for all outputs; an output whose residual is zero stays as it is.
 */
export async function solveInsideMask(
  algebra: Algebra,
  h: Float64Array,
  right: Float64Array,
  mask: ArrayLike<number>,
  start: ArrayLike<number>,
  { inputs, outputs }: Sizes,
  steps: number,
): Promise<Float64Array> {
  const product = (weights: Float64Array) => algebra.multiply(h, weights, [inputs, inputs, outputs]);
  const weights = Float64Array.from(start, (each, i) => (mask[i] ? each : 0));
  const image = await product(weights);
  const residual = right.map((each, i) => (mask[i] ? each - image[i]! : 0));
  const precondition = (at: number) => residual[at]! / (h[Math.floor(at / outputs) * (inputs + 1)]! || 1);
  const direction = residual.map((_, i) => precondition(i));
  let energies = sumColumns(outputs, direction.length, (at) => residual[at]! * direction[at]!);
  for (let step = 0; step < steps; step++) {
    const along = await product(direction);
    const curvatures = sumColumns(outputs, along.length, (at) => direction[at]! * along[at]!);
    const lengths = energies.map((energy, output) =>
      curvatures[output]! > 0 ? energy / curvatures[output]! : 0,
    );
    for (let at = 0; at < weights.length; at++) {
      if (!mask[at]) continue;
      const length = lengths[at % outputs]!;
      weights[at]! += length * direction[at]!;
      residual[at]! -= length * along[at]!;
    }
    const next = sumColumns(outputs, residual.length, (at) => residual[at]! * precondition(at));
    const kept = next.map((energy, output) => (energies[output]! > 0 ? energy / energies[output]! : 0));
    for (let at = 0; at < weights.length; at++)
      direction[at] = precondition(at) + kept[at % outputs]! * direction[at]!;
    energies = next;
  }
  return weights;
}

function sumColumns(outputs: number, size: number, term: (at: number) => number): Float64Array {
  const sums = new Float64Array(outputs);
  for (let at = 0; at < size; at++) sums[at % outputs]! += term(at);
  return sums;
}
