/**
 * A quantized matrix with low-bit integer codes and a scale for each group of consecutive inputs of an output, as from
 * round-to-nearest or GPTQ: W = (code − zero) · scale. A product of two narrow matrices can compensate for the error
 * (low-rank compensation, ZeroQuant-V2). Each code takes one byte in memory and `bits` bits in a packed file. If the
 * matrix is also pruned, the packed file contains only the codes that the mask keeps.
 */
import * as z from "zod";
import { scalar, type Value } from "../graph/op";
import { add, cast, mul, sub, where } from "../graph/ops/elementwise";
import { matmul } from "../graph/ops/matmul";
import { reshape, transpose } from "../graph/ops/movement";
import { dequantize, computePackedBytes, packedProduct } from "../graph/ops/packedProduct";
import {
  type ActivationOptions,
  activationsSchema,
  describeActivations,
  roundActivations,
} from "./activations";
import { requireFloats } from "./dense";
import { maskName, maskSpec } from "./masked";
import {
  defineRepresentation,
  type Inference,
  type MatrixSpec,
  countNonZeros,
  type ParameterSpec,
  scalarBits,
  type TensorSource,
  type ValueSource,
  createWeightSpec,
} from "./representation";

export interface QuantizedOptions {
  /** Bits per code. */
  readonly bits: number;
  /** Consecutive inputs that share a scale. Default: all inputs of an output. */
  readonly group_size?: number | undefined;
  /** True for codes centered on zero; otherwise each group has a zero point. */
  readonly symmetric: boolean;
  /** True if all codes are −1, 0 or 1, of which five take a byte in a packed file. Requires two bits. */
  readonly ternary?: boolean | undefined;
  /** True for zero points between the codes, in float32. */
  readonly float_zeros?: boolean | undefined;
  /** Rank of the low-rank product that is added; 0 for none. */
  readonly residual: number;
  /** Number of weights that the mask keeps; undefined without a mask. */
  readonly kept?: number | undefined;
  /** Rounding of the inputs; undefined keeps them as they are. */
  readonly activations?: ActivationOptions | undefined;
}

export const codesName = (matrix: MatrixSpec): string => `${matrix.name}.weight_codes`;
export const scalesName = (matrix: MatrixSpec): string => `${matrix.name}.weight_scales`;
export const zerosName = (matrix: MatrixSpec): string => `${matrix.name}.weight_zeros`;
/** Five ternary codes take a byte. */
export const countTernaryBits = (codes: number): number => 8 * Math.ceil(codes / 5);
export const residualNames = (matrix: MatrixSpec) =>
  [`${matrix.name}.weight_residual_in`, `${matrix.name}.weight_residual_out`] as const;

export function countGroups(
  { inputs }: MatrixSpec,
  { group_size: size }: Pick<QuantizedOptions, "group_size">,
) {
  return size === undefined ? 1 : inputs / size;
}

/** Zero points can be floats, and so can codes in training (see `ternaryWeights`). */
const toFloats = (value: Value) => (value.type.dtype === "float32" ? value : cast(value, { to: "float32" }));

/** [inputs, outputs] */
function buildDenseValue(values: ValueSource, matrix: MatrixSpec, options: QuantizedOptions): Value {
  const { inputs, outputs } = matrix;
  const groups = countGroups(matrix, options);
  const grouped = [groups, inputs / groups, outputs];
  const broadcastShape = [groups, 1, outputs];
  const codes = reshape(toFloats(values(codesName(matrix))), { shape: grouped });
  const zeros = () => reshape(toFloats(values(zerosName(matrix))), { shape: broadcastShape });
  const whole = options.symmetric ? codes : sub(codes, zeros());
  const scaled = mul(whole, reshape(values(scalesName(matrix)), { shape: broadcastShape }));
  const weight = reshape(scaled, { shape: [inputs, outputs] });
  return options.kept === undefined ? weight : where(values(maskName(matrix)), weight, scalar(0));
}

function buildWithResidual(values: ValueSource, matrix: MatrixSpec, options: QuantizedOptions): Value {
  const weight = buildDenseValue(values, matrix, options);
  if (options.residual === 0) return weight;
  const [a, b] = residualNames(matrix);
  return add(weight, matmul(values(a), values(b)));
}

function requireCodes(tensors: TensorSource, name: string): Int8Array {
  const data = tensors(name);
  if (!(data instanceof Int8Array)) throw new Error(`Tensor ${name} must be int8.`);
  return data;
}

export default defineRepresentation<QuantizedOptions>({
  title: "Quantised",
  contents: "quantized codes",
  worth:
    "For inference, codes take four or eight bits in memory and are multiplied directly if groups divide into blocks of 16. Training dequantizes them. A packed file stores exactly the chosen number of bits.",
  options: z.strictObject({
    bits: z.int().min(2).max(8).default(4).describe("Bits per code."),
    group_size: z
      .int()
      .min(1)
      .optional()
      .describe("Consecutive inputs that share a scale. Default: all inputs of an output."),
    symmetric: z.boolean().default(true).describe("Center codes on zero, without a zero point per group."),
    ternary: z
      .boolean()
      .optional()
      .describe("All codes are −1, 0 or 1. Five take a byte in a packed file. Requires two bits."),
    float_zeros: z
      .boolean()
      .optional()
      .describe("Zero points between the codes, in float32. Default: each zero point is a code."),
    residual: z.int().min(0).default(0).describe("Rank of the low-rank product that is added."),
    kept: z.int().min(0).optional().describe("Number of weights that the mask keeps. Default: no mask."),
    activations: activationsSchema
      .optional()
      .describe("Rounding of the inputs of each token. Default: none."),
  }),
  refuses: ({ inputs, outputs, kind }, { group_size: size, residual, kept, activations, bits, ternary }) => {
    if (ternary === true && bits !== 2) return `ternary codes have two bits, not ${bits}`;
    if (activations !== undefined && kind === "embedding")
      return "the rows of an embedding are looked up, so that it has no inputs to round";
    if (kept !== undefined && kept > inputs * outputs)
      return `the mask cannot keep ${kept} of ${inputs * outputs} weights`;
    if (kept !== undefined && residual > 0) return "a residual would fill the masked zeros";
    if (size !== undefined && inputs % size !== 0)
      return `its ${inputs} inputs do not divide into groups of ${size}`;
    const most = Math.min(inputs, outputs);
    return residual > most
      ? `residual rank ${residual} is higher than the full rank of the matrix, ${most}`
      : undefined;
  },
  parameters: (matrix, options) => {
    const { inputs, outputs } = matrix;
    const groups = countGroups(matrix, options);
    const integers = { bits: options.bits, lowest: -(2 ** (options.bits - 1)) };
    const fixed = (suffix: string, shape: readonly number[]): ParameterSpec => ({
      ...createWeightSpec(matrix, suffix, shape, { kind: "zeros" }),
      dtype: "int8",
      packing: { integers },
      trainable: false,
      decay: false,
    });
    const scales = createWeightSpec(matrix, "weight_scales", [groups, outputs], { kind: "ones" });
    const packing = options.ternary === true ? ({ ternary: true } as const) : { integers };
    const codesSpec = { ...fixed("weight_codes", [inputs, outputs]), packing };
    const listZeroSpecs = (): ParameterSpec[] => {
      if (options.symmetric) return [];
      if (options.float_zeros !== true) return [fixed("weight_zeros", [groups, outputs])];
      return [{ ...scales, name: zerosName(matrix), trainable: false, decay: false }];
    };
    return [
      ...(options.kept === undefined
        ? [codesSpec]
        : [
            { ...codesSpec, packing: { keptBy: maskName(matrix), ...packing } },
            maskSpec(matrix, [inputs, outputs]),
          ]),
      // An optimizer takes steps of equal size for weights and for scales of 1e-3, and would destroy the scales. To train
      // scales, train a factor of them (see `roundedWeights`).
      { ...scales, trainable: false, decay: false },
      ...listZeroSpecs(),
      ...(options.residual === 0
        ? []
        : [
            createWeightSpec(matrix, "weight_residual_in", [inputs, options.residual]),
            createWeightSpec(matrix, "weight_residual_out", [options.residual, outputs]),
          ]),
    ];
  },
  apply: (x, values, matrix, options) => {
    const read = roundActivations(x, options.activations);
    return addResidual(matmul(read, buildDenseValue(values, matrix, options)), read, values, matrix, options);
  },
  inputRounding: ({ activations }) =>
    activations === undefined ? undefined : describeActivations(activations),
  inference: createPackedInference,
  inFile: (matrix, options, operators) => {
    // The operators take only zero points that are codes.
    if (options.float_zeros === true) return undefined;
    const isPacked = operators === "microsoft" && matrix.kind !== "embedding";
    return (
      (isPacked ? createPackedInference(matrix, options) : undefined) ?? createCodedInference(matrix, options)
    );
  },
  dense: (values, matrix, options) => {
    const weight = buildWithResidual(values, matrix, options);
    return matrix.layout === "in_out" ? weight : transpose(weight, { perm: [1, 0] });
  },
  materialize: (tensors, matrix, options) => {
    const { inputs, outputs } = matrix;
    const size = inputs / countGroups(matrix, options);
    const codes = requireCodes(tensors, codesName(matrix));
    const scales = requireFloats(scalesName(matrix), tensors(scalesName(matrix)));
    const zeros = options.symmetric ? undefined : tensors(zerosName(matrix));
    const mask = options.kept === undefined ? undefined : tensors(maskName(matrix));
    const out = new Float32Array(inputs * outputs);
    for (let input = 0; input < inputs; input++)
      for (let output = 0; output < outputs; output++) {
        if (mask?.[input * outputs + output] === 0) continue;
        const group = Math.floor(input / size) * outputs + output;
        out[input * outputs + output] =
          (codes[input * outputs + output]! - (zeros?.[group] ?? 0)) * scales[group]!;
      }
    if (options.residual === 0) return out;
    const [a, b] = residualNames(matrix).map((name) => requireFloats(name, tensors(name)));
    for (let input = 0; input < inputs; input++)
      for (let k = 0; k < options.residual; k++) {
        const left = a![input * options.residual + k]!;
        for (let output = 0; output < outputs; output++)
          out[input * outputs + output]! += left * b![k * outputs + output]!;
      }
    return out;
  },
  // Kept codes that are zero are stored like any other; a mask takes one bit per weight.
  count: (matrix, options, tensors) => {
    const { inputs, outputs } = matrix;
    const all = inputs * outputs;
    const { kept = all } = options;
    const codeCount =
      options.kept === undefined || tensors === undefined ? kept : countNonZeros(tensors(maskName(matrix)));
    const scales = countGroups(matrix, options) * outputs;
    const residual = options.residual * (inputs + outputs);
    const zeros = options.symmetric ? 0 : scales;
    const stored = codeCount + scales + zeros + residual;
    return {
      trainable: residual,
      stored,
      nonZero: stored,
      bits:
        (options.kept === undefined ? 0 : all) +
        (options.ternary === true ? countTernaryBits(codeCount) : options.bits * codeCount) +
        (options.float_zeros === true ? scalarBits : options.bits) * zeros +
        scalarBits * (scales + residual),
    };
  },
});

/** Block sizes that ONNX Runtime supports: powers of two that divide a group. */
const [smallestBlock, largestBlock] = [16, 128];

function chooseBlock(matrix: MatrixSpec, options: QuantizedOptions): number | undefined {
  const size = matrix.inputs / countGroups(matrix, options);
  let block = largestBlock;
  while (size % block !== 0) block /= 2;
  return block < smallestBlock ? undefined : block;
}

/** Packs codes of up to four bits in four and others in eight. The scale and zero of a group are repeated for each of its blocks. */
function createPackedInference(matrix: MatrixSpec, options: QuantizedOptions): Inference | undefined {
  const block = chooseBlock(matrix, options);
  if (options.float_zeros === true || block === undefined) return undefined;
  const { inputs, outputs, name } = matrix;
  const bits = options.bits <= 4 ? 4 : 8;
  const blocks = inputs / block;
  const blocksOfGroup = blocks / countGroups(matrix, options);
  const bytes = computePackedBytes({ bits, block }, blocks);
  const [packed, scales, zeros] = ["packed", "block_scales", "block_zeros"].map(
    (each) => `${name}.weight_${each}`,
  ) as [string, string, string];
  const fixed = (tensorName: string, dtype: ParameterSpec["dtype"], shape: readonly number[]) =>
    createFixedSpec(matrix, tensorName, dtype, shape);
  return {
    parameters: [
      fixed(packed, "uint8", [outputs, blocks, bytes.codes]),
      fixed(scales, "float32", [outputs, blocks]),
      fixed(zeros, "uint8", [outputs, bytes.zeros]),
      ...createResidualSpecs(matrix, options),
    ],
    tensors: (source) => {
      const sourceCodes = requireCodes(source, codesName(matrix));
      const ownScales = requireFloats(scalesName(matrix), source(scalesName(matrix)));
      const ownZeros = options.symmetric ? undefined : requireCodes(source, zerosName(matrix));
      const mask = options.kept === undefined ? undefined : source(maskName(matrix));
      const half = 2 ** (bits - 1);
      const nibbles = (into: Uint8Array, from: number, place: number, code: number) => {
        if (bits === 8) into[from + place] = code;
        else into[from + (place >> 1)]! |= code << (4 * (place & 1));
      };
      const data = new Uint8Array(outputs * blocks * bytes.codes);
      const blockScales = new Float32Array(outputs * blocks);
      const blockZeros = new Uint8Array(outputs * bytes.zeros);
      for (let output = 0; output < outputs; output++)
        for (let at = 0; at < blocks; at++) {
          const group = Math.floor(at / blocksOfGroup) * outputs + output;
          const zero = ownZeros?.[group] ?? 0;
          blockScales[output * blocks + at] = ownScales[group]!;
          nibbles(blockZeros, output * bytes.zeros, at, zero + half);
          for (let i = 0; i < block; i++) {
            const place = (at * block + i) * outputs + output;
            const code = mask?.[place] === 0 ? zero : sourceCodes[place]!;
            nibbles(data, (output * blocks + at) * bytes.codes, i, code + half);
          }
        }
      return [
        [packed, { shape: [outputs, blocks, bytes.codes], data, dtype: "uint8" }],
        [scales, { shape: [outputs, blocks], data: blockScales }],
        [zeros, { shape: [outputs, bytes.zeros], data: blockZeros, dtype: "uint8" }],
      ];
    },
    apply: (input, values) => {
      const x = roundActivations(input, options.activations);
      const y = packedProduct(x, values(packed), values(scales), values(zeros), { bits, block });
      return addResidual(y, x, values, matrix, options);
    },
  };
}

/** Codes as in the checkpoint, with those of up to four bits packed two per byte, for a runtime that dequantizes them. */
function createCodedInference(matrix: MatrixSpec, options: QuantizedOptions): Inference {
  const { inputs, outputs } = matrix;
  const groups = countGroups(matrix, options);
  const dtype = options.bits <= 4 ? "int4" : "int8";
  const names = [codesName(matrix), scalesName(matrix), ...(options.symmetric ? [] : [zerosName(matrix)])];
  const groupShape = groups === 1 ? [outputs] : [groups, outputs];
  const stored = (data: Int8Array) =>
    dtype === "int8" ? { data } : ({ data: packNibbles(data), dtype: "uint8" } as const);
  const weight = (values: ValueSource) =>
    dequantize(...(names.map(values) as [Value, Value]), { block: inputs / groups });
  return {
    parameters: [
      createFixedSpec(matrix, codesName(matrix), dtype, [inputs, outputs]),
      createFixedSpec(matrix, scalesName(matrix), "float32", groupShape),
      ...(options.symmetric ? [] : [createFixedSpec(matrix, zerosName(matrix), dtype, groupShape)]),
      ...createResidualSpecs(matrix, options),
    ],
    tensors: (source) => {
      const zeros = options.symmetric ? undefined : requireCodes(source, zerosName(matrix));
      const mask = options.kept === undefined ? undefined : source(maskName(matrix));
      const size = inputs / groups;
      const maskedCodes = requireCodes(source, codesName(matrix)).map((code, i) => {
        if (mask?.[i] !== 0) return code;
        return zeros?.[Math.floor(i / outputs / size) * outputs + (i % outputs)] ?? 0;
      });
      return [
        [codesName(matrix), { shape: [inputs, outputs], ...stored(maskedCodes) }],
        [
          scalesName(matrix),
          { shape: groupShape, data: requireFloats(scalesName(matrix), source(scalesName(matrix))) },
        ],
        ...(zeros === undefined
          ? []
          : ([[zerosName(matrix), { shape: groupShape, ...stored(zeros) }]] as const)),
      ];
    },
    apply: (input, values) => {
      const x = roundActivations(input, options.activations);
      return addResidual(matmul(x, weight(values)), x, values, matrix, options);
    },
    dense: (values) => {
      const [a, b] = residualNames(matrix);
      const whole =
        options.residual === 0 ? weight(values) : add(weight(values), matmul(values(a), values(b)));
      return matrix.layout === "in_out" ? whole : transpose(whole, { perm: [1, 0] });
    },
  };
}

/** Packs two numbers per byte, the first in the low nibble. */
function packNibbles(data: Int8Array): Uint8Array {
  const out = new Uint8Array(Math.ceil(data.length / 2));
  data.forEach((code, i) => (out[i >> 1]! |= (code & 0xf) << (4 * (i & 1))));
  return out;
}

function createFixedSpec(
  matrix: MatrixSpec,
  name: string,
  dtype: ParameterSpec["dtype"],
  shape: readonly number[],
): ParameterSpec {
  const spec = createWeightSpec(matrix, "", shape, { kind: "zeros" });
  return { ...spec, name, dtype, trainable: false, decay: false };
}

function createResidualSpecs(matrix: MatrixSpec, { residual }: QuantizedOptions): ParameterSpec[] {
  if (residual === 0) return [];
  const [a, b] = residualNames(matrix);
  return [
    createFixedSpec(matrix, a, "float32", [matrix.inputs, residual]),
    createFixedSpec(matrix, b, "float32", [residual, matrix.outputs]),
  ];
}

function addResidual(
  y: Value,
  x: Value,
  values: ValueSource,
  matrix: MatrixSpec,
  { residual }: QuantizedOptions,
): Value {
  if (residual === 0) return y;
  const [a, b] = residualNames(matrix);
  return add(y, matmul(matmul(x, values(a)), values(b)));
}
