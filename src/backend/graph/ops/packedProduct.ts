/** Products with matrices of packed low-bit codes, which ONNX Runtime multiplies without dequantizing the whole matrix. */
import { defineOp, type Emitter, onnxDtype, type Op, type Value } from "../op";

export interface PackedAttrs {
  readonly [name: string]: number;
  /** Bits per code: 4 or 8. */
  readonly bits: number;
  /** Inputs that share a scale: a power of two, at least 16. */
  readonly block: number;
}

/** Bytes of the codes of one block, and of the zero points of one output. */
export function computePackedBytes(
  { bits, block }: Pick<PackedAttrs, "bits" | "block">,
  blocks: number,
): { readonly codes: number; readonly zeros: number } {
  return { codes: (block * bits) / 8, zeros: Math.ceil((blocks * bits) / 8) };
}

/** Writes the product with standard operators, through a dequantized matrix. */
function emitDequantizedProduct(
  emit: Emitter,
  [x, codes, scales, zeros]: readonly string[],
  { bits, block, outputs, blocks }: PackedAttrs & { readonly outputs: number; readonly blocks: number },
): string {
  const long = (...numbers: number[]) => emit.constant(BigInt64Array.from(numbers, BigInt), [numbers.length]);
  const reshapeTo = (name: string, ...sizes: number[]) => emit.node("Reshape", [name, emit.shape(sizes)]);
  const floats = (name: string) => emit.node("Cast", [name], { to: onnxDtype.float32 });
  /** [outputs, bytes] → [outputs, count] */
  const unpack = (name: string, count: number) => {
    if (bits === 8) return floats(reshapeTo(name, outputs, count));
    const bytes = floats(reshapeTo(name, outputs, Math.ceil(count / 2), 1));
    const half = emit.constant(Float32Array.of(16), []);
    const upper = emit.node("Floor", [emit.node("Div", [bytes, half])]);
    const lower = emit.node("Sub", [bytes, emit.node("Mul", [upper, half])]);
    const pairs = emit.node("Concat", [lower, upper], { axis: 2 });
    const all = reshapeTo(pairs, outputs, 2 * Math.ceil(count / 2));
    return emit.node("Slice", [all, long(0), long(count), long(1)]);
  };
  const whole = emit.node("Sub", [
    reshapeTo(unpack(codes!, blocks * block), outputs, blocks, block),
    reshapeTo(unpack(zeros!, blocks), outputs, blocks, 1),
  ]);
  const weight = emit.node("Mul", [whole, reshapeTo(scales!, outputs, blocks, 1)]);
  return emit.node("Gemm", [x!, reshapeTo(weight, outputs, blocks * block)], { transB: 1 });
}

/**
 * Dequantizes codes, (code − zero) · scale: int4 or int8 codes [inputs, outputs]; scales and optional zero points for each
 * `block` consecutive inputs of an output, [inputs / block, outputs], or [outputs] if all inputs share one.
 */
export const dequantize: Op<Value[], { block: number }> = defineOp<Value[], { block: number }>({
  name: "dequantize",
  onnx: (emit, inputs, { attrs: { block }, types }) =>
    emit.node(
      "DequantizeLinear",
      inputs,
      types[1]!.shape.length === 1 ? { axis: 1 } : { axis: 0, block_size: block },
    ),
  infer: ([codes, scales, zeros], { block }) => {
    const [inputs, outputs] = codes!.shape as [number, number];
    const expectedShapes = scales!.shape.length === 1 ? [outputs] : [inputs / block, outputs];
    if ([scales, zeros].some((each) => each !== undefined && each.shape.join() !== expectedShapes.join()))
      throw new Error(
        `dequantize of [${inputs}, ${outputs}] in blocks of ${block} with scales [${scales!.shape.join(", ")}].`,
      );
    return { dtype: "float32", shape: codes!.shape };
  },
  gradient: "stop",
  evaluate: ([codes, scales, zeros], { block }) => {
    const outputs = codes!.type.shape[1]!;
    return codes!.data.map((code, i) => {
      const group =
        scales!.type.shape.length === 1 ? 0 : Math.floor(Math.floor(i / outputs) / block) * outputs;
      const at = group + (i % outputs);
      return (code - (zeros?.data[at] ?? 0)) * scales!.data[at]!;
    });
  },
  samples: [
    { inputs: [{ dtype: "int8", shape: [6, 4], range: [-128, 127] }, [2, 4]], attrs: { block: 3 } },
    {
      inputs: [
        { dtype: "int8", shape: [6, 4], range: [-8, 7] },
        [4],
        { dtype: "int8", shape: [4], range: [-8, 7] },
      ],
      attrs: { block: 6 },
    },
  ],
});

/**
 * y = x·W with W[k, n] = (code − zero) · scale: x [rows, inputs], uint8 codes [outputs, blocks, bytes], scales [outputs, blocks],
 * uint8 zeros [outputs, bytes] → [rows, outputs]. 4-bit codes and zeros are packed two per byte, the first in the low nibble.
 */
export const packedProduct: Op<[Value, Value, Value, Value], PackedAttrs> = defineOp<
  [Value, Value, Value, Value],
  PackedAttrs
>({
  name: "packedProduct",
  onnx: (emit, inputs, { attrs: { bits, block }, types: [x, codes] }) => {
    const [outputs, blocks] = codes.shape as [number, number];
    if (!emit.packed) return emitDequantizedProduct(emit, inputs, { bits, block, outputs, blocks });
    const attributes = { K: x.shape[1]!, N: outputs, bits, block_size: block };
    return emit.node("MatMulNBits", inputs, attributes, "com.microsoft");
  },
  infer: ([x, codes, scales, zeros], { bits, block }) => {
    const [outputs, blocks] = codes.shape as [number, number];
    const bytes = computePackedBytes({ bits, block }, blocks);
    const expectedShapes = [
      [outputs, blocks, bytes.codes],
      [outputs, blocks],
      [outputs, bytes.zeros],
    ];
    if (
      x.shape[1] !== blocks * block ||
      [codes, scales, zeros].some(({ shape }, i) => shape.join() !== expectedShapes[i]!.join())
    )
      throw new Error(
        `packedProduct of [${x.shape.join(", ")}] with codes [${codes.shape.join(", ")}], scales [${scales.shape.join(", ")}] and zeros [${zeros.shape.join(", ")}] in blocks of ${block}.`,
      );
    return { dtype: "float32", shape: [x.shape[0]!, outputs] };
  },
  gradient: "stop",
  evaluate: ([x, codes, scales, zeros], { bits, block }, type) => {
    const [rows, outputs] = type.shape as [number, number];
    const blocks = codes.type.shape[1]!;
    const bytes = computePackedBytes({ bits, block }, blocks);
    const codeAt = (data: Float64Array, from: number, place: number) =>
      bits === 8 ? data[from + place]! : (data[from + (place >> 1)]! >> (4 * (place & 1))) & 0xf;
    const out = new Float64Array(rows * outputs);
    for (let output = 0; output < outputs; output++)
      for (let at = 0; at < blocks; at++) {
        const scale = scales.data[output * blocks + at]!;
        const zero = codeAt(zeros.data, output * bytes.zeros, at);
        for (let i = 0; i < block; i++) {
          const code = codeAt(codes.data, (output * blocks + at) * bytes.codes, i);
          for (let row = 0; row < rows; row++)
            out[row * outputs + output]! +=
              x.data[row * blocks * block + at * block + i]! * (code - zero) * scale;
        }
      }
    return out;
  },
  samples: [
    {
      inputs: [
        [3, 48],
        { dtype: "uint8", shape: [5, 3, 8], range: [0, 256] },
        [5, 3],
        { dtype: "uint8", shape: [5, 2], range: [0, 256] },
      ],
      attrs: { bits: 4, block: 16 },
    },
    {
      inputs: [
        [2, 64],
        { dtype: "uint8", shape: [4, 2, 32], range: [0, 256] },
        [4, 2],
        { dtype: "uint8", shape: [4, 2], range: [0, 256] },
      ],
      attrs: { bits: 8, block: 32 },
    },
  ],
});
