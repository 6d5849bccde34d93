/** Matrix products with fused transposes and a scale, so that operands are not copied. */
import {
  broadcastShapes,
  defineOp,
  type Emitter,
  type Op,
  type PlainTensor,
  type Shape,
  sizeOf,
  type TensorType,
  type Value,
} from "../op";
import { add } from "./elementwise";

export interface MatmulAttrs extends Readonly<Record<string, boolean | number>> {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** Factor of the product, for example 1/√d in attention. */
  readonly scale: number;
}

/** [rows, columns] of a matrix after its transpose. */
function getMatrixSize(shape: Shape, transposed: boolean): readonly [number, number] {
  const [rows, columns] = [shape.at(-2)!, shape.at(-1)!];
  return transposed ? [columns, rows] : [rows, columns];
}

function inferProductShape(
  [a, b]: readonly [TensorType, TensorType],
  { transposeA, transposeB }: MatmulAttrs,
): Shape {
  if (a.shape.length < 2 || b.shape.length < 2)
    throw new Error("matmul takes matrices; reshape vectors first.");
  const [m, k] = getMatrixSize(a.shape, transposeA);
  const [k2, n] = getMatrixSize(b.shape, transposeB);
  if (k !== k2) {
    const mark = (shape: Shape, transposed: boolean) => `[${shape.join(", ")}]${transposed ? "ᵀ" : ""}`;
    throw new Error(
      `matmul of ${mark(a.shape, transposeA)} and ${mark(b.shape, transposeB)}: inner sizes ${k} and ${k2} differ.`,
    );
  }
  return [...broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n];
}

interface ProductCall {
  readonly attrs: MatmulAttrs;
  readonly types: readonly TensorType[];
  readonly type: TensorType;
}

/** Writes A·B, with an optional bias for plain matrices, as the fastest operators. */
function emitProduct(
  emit: Emitter,
  [a, b, ...bias]: readonly string[],
  { attrs, types, type }: ProductCall,
): string {
  const { scale } = attrs;
  // Operands may have fewer axes than the product.
  const transposeLast = (name: string, { shape }: TensorType) =>
    emit.node("Transpose", [name], { perm: createSwapPermutation(shape.length) });
  // On CPUs, ONNX Runtime's product with a transposed left operand is slow if that operand is the smaller one, and in a batch
  // of products, so a transposed copy pays off. The engine keeps the optimizer from fusing it again.
  // A file for other runtimes has the same nodes for all sizes.
  const turnsA =
    !emit.portable &&
    attrs.transposeA &&
    haveSameRank(types) &&
    (type.shape.length > 2 || type.shape.at(-2)! <= type.shape.at(-1)!);
  const [left, transA] = turnsA ? [transposeLast(a!, types[0]!), false] : [a!, attrs.transposeA];
  const plain = types[0]!.shape.length === 2 && types[1]!.shape.length === 2;
  if (plain)
    return emit.node("Gemm", [left, b!, ...bias], { transA, transB: attrs.transposeB, alpha: scale });
  if (!transA && !attrs.transposeB && scale === 1) return emit.node("MatMul", [left, b!]);
  if (emit.fused)
    return emit.node(
      "FusedMatMul",
      [left, b!],
      { transA, transB: attrs.transposeB, alpha: scale },
      "com.microsoft",
    );
  const product = emit.node("MatMul", [
    transA ? transposeLast(left, types[0]!) : left,
    attrs.transposeB ? transposeLast(b!, types[1]!) : b!,
  ]);
  if (scale === 1) return product;
  return emit.node("Mul", [
    product,
    emit.constant(
      Float32Array.of(scale),
      type.shape.map(() => 1),
    ),
  ]);
}

function haveSameRank([a, b]: readonly TensorType[]): boolean {
  return a!.shape.length === b!.shape.length;
}

export const matmulOp: Op<[Value, Value], MatmulAttrs> = defineOp<[Value, Value], MatmulAttrs>({
  name: "matmul",
  onnx: emitProduct,
  infer: (types, attrs) => ({ dtype: types[0].dtype, shape: inferProductShape(types, attrs) }),
  gradient: ({ inputs: [a, b], grad: dy, attrs, needs }) => computeProductGradients(a, b, dy, attrs, needs),
  evaluate: ([a, b], attrs, type) => computeProduct(a, b, attrs, type),
  samples: [
    ...[false, true].flatMap((transposeA) =>
      [false, true].map((transposeB) => ({
        inputs: [transposeA ? [4, 3] : [3, 4], transposeB ? [2, 4] : [4, 2]],
        attrs: { transposeA, transposeB, scale: 0.5 },
      })),
    ),
    {
      inputs: [
        [2, 1, 3, 4],
        [2, 5, 4],
      ],
      attrs: { transposeA: false, transposeB: true, scale: 0.7 },
    },
    {
      inputs: [
        [2, 4, 3],
        [2, 4, 5],
      ],
      attrs: { transposeA: true, transposeB: false, scale: 1 },
    },
    {
      inputs: [
        [2, 3, 4],
        [4, 5],
      ],
      attrs: { transposeA: false, transposeB: false, scale: 1 },
    },
  ],
});

/** A·B + bias for plain matrices, with the bias [n] added to every row. */
export const affineOp: Op<[Value, Value, Value], MatmulAttrs> = defineOp<[Value, Value, Value], MatmulAttrs>({
  name: "affine",
  onnx: emitProduct,
  infer: ([a, b, bias], attrs) => {
    const shape = inferProductShape([a, b], attrs);
    if (shape.length !== 2 || bias.shape.join() !== String(shape[1]))
      throw new Error(`affine of [${shape.join(", ")}] and a bias [${bias.shape.join(", ")}].`);
    return { dtype: a.dtype, shape };
  },
  // The bias is broadcast over the rows; autodiff sums its gradient over them.
  gradient: ({ inputs: [a, b], grad: dy, attrs, needs }) => [
    ...computeProductGradients(a, b, dy, attrs, [needs[0], needs[1]]),
    dy,
  ],
  evaluate: ([a, b, bias], attrs, type) =>
    computeProduct(a, b, attrs, type).map((each, i) => each + bias.data[i % bias.data.length]!),
  samples: [
    { inputs: [[3, 4], [4, 2], [2]], attrs: { transposeA: false, transposeB: false, scale: 1 } },
    { inputs: [[4, 3], [2, 4], [2]], attrs: { transposeA: true, transposeB: true, scale: 0.5 } },
  ],
});

/** y + bias, as one operation if y is a plain matrix product. */
export function addBias(y: Value, bias: Value): Value {
  if (y.kind !== "apply" || y.op !== matmulOp || y.type.shape.length !== 2) return add(y, bias);
  const [a, b] = y.inputs as readonly [Value, Value];
  return affineOp(a, b, bias, y.attrs as MatmulAttrs);
}

/** Product over the last two axes; the others broadcast: [..., m, k] × [..., k, n] → [..., m, n]. */
export function matmul(a: Value, b: Value, attrs: Partial<MatmulAttrs> = {}): Value {
  return matmulOp(a, b, { transposeA: false, transposeB: false, scale: 1, ...attrs });
}

function createSwapPermutation(rank: number): readonly number[] {
  return Array.from({ length: rank }, (_, axis) =>
    axis === rank - 2 ? rank - 1 : axis === rank - 1 ? rank - 2 : axis,
  );
}

/** The index of an operand's matrix for a position in the broadcast batch. */
function computeMatrixIndex(matrix: number, batch: Shape, shape: Shape): number {
  const operandBatch = shape.slice(0, -2);
  let at = 0;
  let stride = 1;
  for (let axis = batch.length - 1; axis >= 0; axis--) {
    const size = operandBatch[axis - batch.length + operandBatch.length] ?? 1;
    if (size > 1) at += (matrix % batch[axis]!) * stride;
    stride *= size;
    matrix = Math.floor(matrix / batch[axis]!);
  }
  return at;
}

/**
 * Y = s·AB, so dA = s·dY·Bᵀ and dB = s·Aᵀ·dY; a transposed operand gets the transposed product.
 */
function computeProductGradients(
  a: Value,
  b: Value,
  dy: Value,
  { transposeA: ta, transposeB: tb, scale }: MatmulAttrs,
  needs: readonly [boolean, boolean],
): [Value | null, Value | null] {
  const da = () =>
    ta
      ? matmul(b, dy, { transposeA: tb, transposeB: true, scale })
      : matmul(dy, b, { transposeB: !tb, scale });
  const db = () =>
    tb
      ? matmul(dy, a, { transposeA: true, transposeB: ta, scale })
      : matmul(a, dy, { transposeA: !ta, scale });
  return [needs[0] ? da() : null, needs[1] ? db() : null];
}

function computeProduct(
  a: PlainTensor,
  b: PlainTensor,
  { transposeA, transposeB, scale }: MatmulAttrs,
  type: TensorType,
): Float64Array {
  const [m, n] = [type.shape.at(-2)!, type.shape.at(-1)!];
  const k = getMatrixSize(a.type.shape, transposeA)[1];
  const [aRow, aColumn] = transposeA ? [1, m] : [k, 1];
  const [bRow, bColumn] = transposeB ? [1, k] : [n, 1];
  const out = new Float64Array(sizeOf(type.shape));
  const batch = type.shape.slice(0, -2);
  for (let matrix = 0; matrix < sizeOf(batch); matrix++) {
    const aStart = computeMatrixIndex(matrix, batch, a.type.shape) * m * k;
    const bStart = computeMatrixIndex(matrix, batch, b.type.shape) * k * n;
    for (let i = 0; i < m; i++)
      for (let p = 0; p < k; p++) {
        const left = scale * a.data[aStart + i * aRow + p * aColumn]!;
        for (let j = 0; j < n; j++)
          out[(matrix * m + i) * n + j]! += left * b.data[bStart + p * bRow + j * bColumn]!;
      }
  }
  return out;
}
