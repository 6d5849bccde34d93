/**
 * A frozen matrix W in any representation and a low-rank adapter beside it, of which only the adapter is trained: y = x·W +
 * s·x·Aᵀ·Bᵀ with A [r, inputs] and B [outputs, r] (LoRA, Hu et al. 2021, section 4.1) and s = lora_alpha / r, or
 * lora_alpha / √r if rank-stabilized (Kalajdzievski 2023). With DoRA (Liu et al. 2024, equation 5), each output of the sum
 * W' = W + s·(B·A)ᵀ is divided by its norm, which is a constant in the backward pass (section 4.3), and multiplied by a trained
 * magnitude. Names and sizes of the tensors are those of PEFT.
 */
import * as z from "zod";
import { scalar, type Value } from "../graph/op";
import { add, div, maximum, mul, sqrt, sub } from "../graph/ops/elementwise";
import { detach } from "../graph/ops/gate";
import { matmul } from "../graph/ops/matmul";
import { reshape, transpose } from "../graph/ops/movement";
import { sumSquares } from "../graph/ops/reduction";
import { bondAxis, createPiece, defineComposite } from "./composite";
import type { MatrixSpec, ParameterSpec, Representation } from "./representation";

/** The names of PEFT's `LoraConfig`. */
export interface AdaptedOptions {
  readonly r: number;
  readonly lora_alpha: number;
  readonly lora_dropout: number;
  readonly use_rslora: boolean;
  readonly use_dora: boolean;
}

export const baseRole = (role: string): string => `${role}.base`;
/** PEFT's names of the tensors of an adapter, below the name of its module. */
export const adapterNames = ["lora_A.weight", "lora_B.weight", "lora_magnitude_vector"] as const;

/** The least norm of an output: an output of zeros stays zero. */
const smallestNorm = 1e-12;

export function computeScaling({ r, lora_alpha: alpha, use_rslora: isStabilized }: AdaptedOptions): number {
  return alpha / (isStabilized ? Math.sqrt(r) : r);
}

/** Returns the norm of each output of a matrix [inputs, outputs]. */
export function computeOutputNorms(weight: Float32Array, outputs: number): Float64Array {
  const squares = new Float64Array(outputs);
  weight.forEach((each, i) => (squares[i % outputs]! += each * each));
  return squares.map((each) => Math.max(Math.sqrt(each), smallestNorm));
}

/** W' = W + s·(B·A)ᵀ as [outputs, inputs], from W in the layout of its family. */
function buildSum(base: Value, a: Value, b: Value, { layout }: MatrixSpec, options: AdaptedOptions): Value {
  const weight = layout === "out_in" ? base : transpose(base, { perm: [1, 0] });
  return add(weight, mul(matmul(b, a), scalar(computeScaling(options))));
}

/** The magnitude of each output by the norm that it has: [1, outputs]. */
function buildFactor(magnitude: Value, sum: Value): Value {
  const norm = sqrt(sumSquares(sum, { axes: [1], keepDims: false }));
  const outputs = norm.type.shape[0]!;
  return div(magnitude, detach(reshape(maximum(norm, scalar(smallestNorm)), { shape: [1, outputs] })));
}

const inner = defineComposite<AdaptedOptions>({
  title: "Adapted",
  contents: "a low-rank adapter",
  worth:
    "The adapter is stored and multiplied in addition to the matrix. It saves memory in training: only the adapter has gradients and an optimizer.",
  options: z.strictObject({
    r: z.int().min(1).default(8).describe("Rank of the adapter."),
    lora_alpha: z.number().positive().default(8).describe("Factor of the adapter's product."),
    lora_dropout: z.number().min(0).lt(1).default(0).describe("Share of its inputs that training drops."),
    use_rslora: z.boolean().default(false).describe("Divide the factor by √r instead of r."),
    use_dora: z.boolean().default(false).describe("Also train the norm of each output."),
  }),
  refuses: ({ kind }, { lora_dropout: rate }) => {
    if (kind === "embedding")
      return "an embedding is looked up by row, and adapters of rows are not supported";
    return kind === "head" && rate > 0
      ? "the inputs of a head are not dropped; set lora_dropout to 0"
      : undefined;
  },
  pieces: (matrix, { r, use_dora: hasMagnitude }) => {
    const { name, inputs, outputs, layout, axes, weight } = matrix;
    const bond = bondAxis(r);
    return [
      createPiece(matrix, "base", {
        name,
        layout,
        inputs,
        outputs,
        axes,
        ...(weight === undefined ? {} : { weight }),
      }),
      createPiece(matrix, "lora_A", {
        name: `${name}.lora_A`,
        layout: "out_in",
        inputs,
        outputs: r,
        axes: [axes[0], bond],
        // As PEFT's kaiming_uniform_ with a = √5.
        init: { kind: "uniform", bound: 1 / Math.sqrt(inputs) },
      }),
      createPiece(matrix, "lora_B", {
        name: `${name}.lora_B`,
        layout: "out_in",
        inputs: r,
        outputs,
        axes: [bond, axes[1]],
        init: { kind: "zeros" },
      }),
      ...(hasMagnitude
        ? [
            createPiece(matrix, "lora_magnitude_vector", {
              name: `${name}.lora_magnitude_vector`,
              weight: { name: `${name}.lora_magnitude_vector`, shape: [outputs] },
              layout: "in_out",
              inputs: 1,
              outputs,
              axes: [bondAxis(1), axes[1]],
              init: { kind: "ones" },
            }),
          ]
        : []),
    ];
  },
  apply: (x, [base, a, b, magnitude], matrix, options, _observed, drop) => {
    const rate = options.lora_dropout;
    const read = drop === undefined || rate === 0 ? x : drop(x, rate);
    const y = base!.apply(x);
    const delta = mul(b!.apply(a!.apply(read)), scalar(computeScaling(options)));
    if (magnitude === undefined) return add(y, delta);
    if (base!.dense === undefined)
      throw new Error(`${matrix.role} is stored as something that has no norm, which DoRA divides by.`);
    const sum = buildSum(base!.dense(), a!.dense!(), b!.dense!(), matrix, options);
    const factor = buildFactor(magnitude.dense!(), sum);
    if (read === x) return mul(factor, add(y, delta));
    // As PEFT: the frozen product is complete, and only what DoRA changes of it reads the dropped inputs.
    const changed = mul(sub(factor, scalar(1)), base!.apply(read));
    return add(y, add(changed, mul(factor, delta)));
  },
  dense: ([base, a, b, magnitude], matrix, options) => {
    const sum = buildSum(base!, a!, b!, matrix, options);
    const weight =
      magnitude === undefined
        ? sum
        : mul(sum, reshape(buildFactor(magnitude, sum), { shape: [matrix.outputs, 1] }));
    return matrix.layout === "out_in" ? weight : transpose(weight, { perm: [1, 0] });
  },
  materialize: ([base, a, b, magnitude], { inputs, outputs }, options) => {
    const { r } = options;
    const scaling = computeScaling(options);
    const out = new Float32Array(inputs * outputs);
    const row = new Float64Array(outputs);
    for (let input = 0; input < inputs; input++) {
      row.fill(0);
      for (let k = 0; k < r; k++) {
        const left = a![input * r + k]!;
        for (let output = 0; output < outputs; output++) row[output]! += left * b![k * outputs + output]!;
      }
      for (let output = 0; output < outputs; output++)
        out[input * outputs + output] = base![input * outputs + output]! + scaling * row[output]!;
    }
    if (magnitude === undefined) return out;
    const norms = computeOutputNorms(out, outputs);
    return out.map((each, i) => (each * magnitude[i % outputs]!) / norms[i % outputs]!);
  },
});

const isAdapter = ({ name }: ParameterSpec, matrix: MatrixSpec): boolean =>
  adapterNames.some((suffix) => name === `${matrix.name}.${suffix}`);

/** Freezes the matrix, so that training changes only its adapter. */
function freezeBase(representation: Representation<AdaptedOptions>): Representation<AdaptedOptions> {
  return {
    ...representation,
    withPieces: (pieces) => freezeBase(representation.withPieces!(pieces)),
    parameters: (matrix, options) =>
      representation
        .parameters(matrix, options)
        .map((spec) =>
          isAdapter(spec, matrix) ? { ...spec, adapter: true } : { ...spec, trainable: false },
        ),
    count: (matrix, options, tensors) => ({
      ...representation.count(matrix, options, tensors),
      trainable: countAdapter(matrix, options),
    }),
    // The norm that DoRA divides by needs the matrix as it is trained.
    inference: (matrix, options) =>
      options.use_dora ? undefined : representation.inference!(matrix, options),
    inFile: (matrix, options, operators) =>
      options.use_dora ? undefined : representation.inFile!(matrix, options, operators),
  };
}

function countAdapter(
  { inputs, outputs }: MatrixSpec,
  { r, use_dora: hasMagnitude }: AdaptedOptions,
): number {
  return r * (inputs + outputs) + (hasMagnitude ? outputs : 0);
}

export default freezeBase(inner);
