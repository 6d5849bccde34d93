/** Operations that read or write elements by index. Indices are int32 and are cast where ONNX requires int64. */
import { sub } from "./elementwise";
import { reshape } from "./movement";
import { constant, defineOp, type Op, type PlainTensor, type Shape, sizeOf, type Value } from "../op";

function requireIndex(name: string, dtype: string): void {
  if (dtype !== "int32") throw new Error(`${name} takes int32 indices, not ${dtype}.`);
}

function checkIndex(index: number, size: number, name: string): number {
  if (!(index >= 0 && index < size)) throw new Error(`${name}: index ${index} is outside 0…${size - 1}.`);
  return index;
}

const zeros = (shape: Shape) => constant(new Float32Array(sizeOf(shape)), shape);

const ids = (shape: Shape, size: number) => ({ dtype: "int32", shape, range: [0, size] }) as const;

/** Embedding lookup: [rows, width…] by int32 [n…] → [n…, width…]. */
export const gather: Op<[Value, Value]> = defineOp<[Value, Value]>({
  name: "gather",
  onnx: (emit, [table, index]) => emit.node("Gather", [table!, index!], { axis: 0 }),
  infer: ([table, index]) => {
    requireIndex("gather", index.dtype);
    return { dtype: table.dtype, shape: [...index.shape, ...table.shape.slice(1)] };
  },
  // Rows are summed by a product, entries of a vector one after the other: many of them would need too large a product.
  gradient: ({ inputs: [table, index], grad: dy }) => [
    table.type.shape.length === 1
      ? tally(flatten(index), flatten(dy), { size: table.type.shape[0]! })
      : scatterRows(index, dy, { rows: table.type.shape[0]! }),
    null,
  ],
  evaluate: ([table, index]) => {
    const width = sizeOf(table.type.shape.slice(1));
    const out = new Float64Array(index.data.length * width);
    index.data.forEach((row, i) => {
      const start = checkIndex(row, table.type.shape[0]!, "gather") * width;
      out.set(table.data.subarray(start, start + width), i * width);
    });
    return out;
  },
  samples: [
    { inputs: [[5, 3], ids([4], 5)], attrs: {} },
    { inputs: [[5, 3], ids([2, 2], 5)], attrs: {} },
    { inputs: [[3], ids([2, 4], 3)], attrs: {} },
  ],
});

const flatten = (x: Value) => reshape(x, { shape: [sizeOf(x.type.shape)] });

/**
 * Adds rows to a table of zeros: int32 [n…], [n…, width…] → [rows, width…]. The gradient of `gather`.
 * Repeated rows are summed by a product with a 0/1 matrix, because ONNX Runtime's ScatterND with `reduction=add`
 * occasionally loses updates when several threads write the same row.
 */
export const scatterRows: Op<[Value, Value], { rows: number }> = defineOp<[Value, Value], { rows: number }>({
  name: "scatterRows",
  onnx: (emit, [index, updates], { attrs: { rows }, types, type }) => {
    const count = sizeOf(types[0].shape);
    const width = sizeOf(types[1].shape) / count;
    const long = (numbers: readonly number[]) =>
      emit.constant(BigInt64Array.from(numbers, BigInt), [numbers.length]);
    const asColumn = (name: string) => emit.node("Reshape", [name, long([count, 1])]);
    const asRow = emit.node("Reshape", [index!, long([1, count])]);
    const flat = emit.node("Reshape", [updates!, long([count, width])]);
    const sumWhere = (target: string) =>
      emit.node("Gemm", [emit.node("Cast", [emit.node("Equal", [target, asRow])], { to: 1 }), flat]);
    const reshapeRows = (table: string) => emit.node("Reshape", [table, long(type.shape)]);
    if (rows <= count) {
      const every = Int32Array.from({ length: rows }, (_, row) => row);
      return reshapeRows(sumWhere(emit.constant(every, [rows, 1])));
    }
    // Every occurrence of a row receives the full sum, so duplicate writes are harmless.
    const sums = sumWhere(asColumn(index!));
    const zeros = emit.node("Expand", [emit.constant(Float32Array.of(0), [1, 1]), long([rows, width])]);
    const at = emit.node("Cast", [asColumn(index!)], { to: 7 });
    return reshapeRows(emit.node("ScatterND", [zeros, at, sums]));
  },
  infer: ([index, updates], { rows }) => {
    requireIndex("scatterRows", index.dtype);
    if (index.shape.some((size, axis) => size !== updates.shape[axis]))
      throw new Error(`scatterRows of [${updates.shape.join(", ")}] by [${index.shape.join(", ")}].`);
    return { dtype: updates.dtype, shape: [rows, ...updates.shape.slice(index.shape.length)] };
  },
  gradient: ({ inputs: [index], grad: dy }) => [null, gather(dy, index)],
  evaluate: ([index, updates], { rows }, type) => {
    const out = new Float64Array(sizeOf(type.shape));
    const width = out.length / rows;
    index.data.forEach((row, i) => {
      const start = checkIndex(row, rows, "scatterRows") * width;
      for (let j = 0; j < width; j++) out[start + j]! += updates.data[i * width + j]!;
    });
    return out;
  },
  samples: [
    { inputs: [ids([6], 3), [6, 2]], attrs: { rows: 4 } },
    { inputs: [ids([2, 3], 3), [2, 3, 2]], attrs: { rows: 9 } },
  ],
});

/**
 * Adds amounts at indices of a vector of zeros: int32 [n], [n] → [size]. ONNX Runtime adds them one after the other, so that
 * equal indices lose nothing. float32 counts up to 2²⁴ exactly.
 */
export const tally: Op<[Value, Value], { size: number }> = defineOp<[Value, Value], { size: number }>({
  name: "tally",
  onnx: (emit, [index, amounts], { attrs: { size } }) => {
    const shape = emit.constant(BigInt64Array.of(BigInt(size)), [1]);
    const zeros = emit.node("Expand", [emit.constant(Float32Array.of(0), [1]), shape]);
    return emit.node("ScatterElements", [zeros, index!, amounts!], { axis: 0, reduction: "add" });
  },
  infer: ([index, amounts], { size }) => {
    requireIndex("tally", index.dtype);
    if (index.shape.length !== 1 || amounts.shape.join() !== index.shape.join())
      throw new Error(`tally of [${amounts.shape.join(", ")}] by [${index.shape.join(", ")}].`);
    return { dtype: amounts.dtype, shape: [size] };
  },
  gradient: ({ inputs: [index], grad: dy }) => [null, gather(dy, index)],
  evaluate: ([index, amounts], { size }) => {
    const out = new Float64Array(size);
    index.data.forEach((at, i) => (out[checkIndex(at, size, "tally")]! += amounts.data[i]!));
    return out;
  },
  samples: [{ inputs: [ids([6], 3), [6]], attrs: { size: 4 } }],
});

/**
 * Rows of a table in a fixed order, with zeros where the index is -1: [n, width…] → [rows, width…]. No row may occur
 * twice, so that the gradient is the inverse selection, without additions.
 */
export const select: Op<[Value], { rows: readonly number[] }> = defineOp<
  [Value],
  { rows: readonly number[] }
>({
  name: "select",
  onnx: (emit, [table], { attrs: { rows }, types: [type] }) => {
    const [count, ...rest] = type.shape as [number, ...number[]];
    const hasZeros = rows.includes(-1);
    const zero = () =>
      emit.node("Expand", [
        emit.constant(
          Float32Array.of(0),
          rest.map(() => 1),
        ),
        emit.shape([1, ...rest]),
      ]);
    const from = hasZeros ? emit.node("Concat", [table!, zero()], { axis: 0 }) : table!;
    const at = Int32Array.from(rows, (row) => (row < 0 ? count : row));
    return emit.node("Gather", [from, emit.constant(at, [rows.length])], { axis: 0 });
  },
  infer: ([table], { rows }) => {
    const [count, ...rest] = table.shape as [number, ...number[]];
    const seen = new Uint8Array(count);
    for (const row of rows)
      if (row !== -1 && seen[checkIndex(row, count, "select")]!++ > 0)
        throw new Error(`select: row ${row} occurs twice.`);
    return { dtype: table.dtype, shape: [rows.length, ...rest] };
  },
  gradient: ({ inputs: [table], grad: dy, attrs: { rows } }) => {
    const back = new Array<number>(table.type.shape[0]!).fill(-1);
    rows.forEach((row, i) => {
      if (row >= 0) back[row] = i;
    });
    return [select(dy, { rows: back })];
  },
  evaluate: ([table], { rows }, type) => {
    const width = sizeOf(type.shape.slice(1));
    const out = new Float64Array(rows.length * width);
    rows.forEach((row, i) => {
      if (row >= 0) out.set(table.data.subarray(row * width, (row + 1) * width), i * width);
    });
    return out;
  },
  samples: [
    { inputs: [[5, 3]], attrs: { rows: [4, 0, 2] } },
    { inputs: [[3, 2]], attrs: { rows: [-1, 2, -1, 0] } },
    { inputs: [[4]], attrs: { rows: [3, -1, 1, 0, 2] } },
  ],
});

/** Replaces rows of a table: [rows, width], int32 [n], [n, width] → [rows, width]. No row may occur twice. */
export const replaceRows: Op<[Value, Value, Value]> = defineOp<[Value, Value, Value]>({
  name: "replaceRows",
  onnx: (emit, [table, index, updates], { types }) => {
    const column = emit.constant(BigInt64Array.of(BigInt(types[1].shape[0]!), 1n), [2]);
    const at = emit.node("Cast", [emit.node("Reshape", [index!, column])], { to: 7 });
    return emit.node("ScatterND", [table!, at, updates!]);
  },
  infer: ([table, index, updates]) => {
    requireIndex("replaceRows", index.dtype);
    const [rows] = index.shape;
    if (table.shape.length !== 2 || updates.shape.join() !== [rows, table.shape[1]].join())
      throw new Error(
        `replaceRows of [${table.shape.join(", ")}] at [${index.shape.join(", ")}] by [${updates.shape.join(", ")}].`,
      );
    return table;
  },
  // dtable = dy without the replaced rows, dupdates = those rows.
  gradient: ({ inputs: [, index, updates], grad: dy, needs }) => [
    needs[0] ? replaceRows(dy, index, zeros(updates.type.shape)) : null,
    null,
    needs[2] ? gather(dy, index) : null,
  ],
  evaluate: ([table, index, updates]) => {
    const out = Float64Array.from(table.data);
    const width = table.type.shape[1]!;
    index.data.forEach((row, i) => {
      const start = checkIndex(row, table.type.shape[0]!, "replaceRows") * width;
      out.set(updates.data.subarray(i * width, (i + 1) * width), start);
    });
    return out;
  },
  // A single index, because random indices could repeat.
  samples: [{ inputs: [[5, 3], ids([1], 5), [1, 3]], attrs: {} }],
});

/** One element of each row: [n, width] by int32 [n] → [n]. */
export const pick: Op<[Value, Value]> = defineOp<[Value, Value]>({
  name: "pick",
  onnx: (emit, [x, index], { types: [, type] }) => {
    const long = (numbers: readonly number[]) =>
      emit.constant(BigInt64Array.from(numbers, BigInt), [numbers.length]);
    const column = emit.node("Reshape", [index!, long([sizeOf(type.shape), 1])]);
    return emit.node("Reshape", [emit.node("GatherElements", [x!, column], { axis: 1 }), long(type.shape)]);
  },
  infer: ([x, index]) => {
    requireIndex("pick", index.dtype);
    if (x.shape.length !== 2 || index.shape.length !== 1 || x.shape[0] !== index.shape[0])
      throw new Error(`pick from [${x.shape.join(", ")}] by [${index.shape.join(", ")}].`);
    return { dtype: x.dtype, shape: index.shape };
  },
  gradient: ({ inputs: [x, index], grad: dy }) => [place(index, dy, { width: x.type.shape[1]! }), null],
  evaluate: ([x, index]) => index.data.map((column, row) => x.data[getElement(x, row, column)]!),
  samples: [{ inputs: [[4, 3], ids([4], 3)], attrs: {} }],
});

/** The inverse of `pick`: int32 [n], [n] → [n, width], zero elsewhere. */
export const place: Op<[Value, Value], { width: number }> = defineOp<[Value, Value], { width: number }>({
  name: "place",
  onnx: (emit, [index, updates], { attrs: { width }, type }) => {
    const long = (numbers: readonly number[]) =>
      emit.constant(BigInt64Array.from(numbers, BigInt), [numbers.length]);
    const rows = type.shape[0]!;
    const zeros = emit.node("Expand", [emit.constant(Float32Array.of(0), [1, 1]), long([rows, width])]);
    const column = (name: string) => emit.node("Reshape", [name, long([rows, 1])]);
    return emit.node("ScatterElements", [zeros, column(index!), column(updates!)], { axis: 1 });
  },
  infer: ([index, updates], { width }) => {
    requireIndex("place", index.dtype);
    if (index.shape.length !== 1 || updates.shape.join() !== index.shape.join())
      throw new Error(`place of [${updates.shape.join(", ")}] by [${index.shape.join(", ")}].`);
    return { dtype: updates.dtype, shape: [index.shape[0]!, width] };
  },
  gradient: ({ inputs: [index], grad: dy }) => [null, pick(dy, index)],
  evaluate: ([index, updates], { width }, type) => {
    const out = new Float64Array(sizeOf(type.shape));
    index.data.forEach(
      (column, row) => (out[row * width + checkIndex(column, width, "place")] = updates.data[row]!),
    );
    return out;
  },
  samples: [{ inputs: [ids([4], 3), [4]], attrs: { width: 3 } }],
});

/** Replaces one element of each row: [n, width], int32 [n], [n] → [n, width]. */
export const put: Op<[Value, Value, Value]> = defineOp<[Value, Value, Value]>({
  name: "put",
  onnx: (emit, [x, index, updates], { type }) => {
    const shape = emit.constant(BigInt64Array.of(BigInt(type.shape[0]!), 1n), [2]);
    const column = (name: string) => emit.node("Reshape", [name, shape]);
    return emit.node("ScatterElements", [x!, column(index!), column(updates!)], { axis: 1 });
  },
  infer: ([x, index, updates]) => {
    requireIndex("put", index.dtype);
    if (
      x.shape.length !== 2 ||
      index.shape.join() !== String(x.shape[0]) ||
      updates.shape.join() !== index.shape.join()
    )
      throw new Error(
        `put of [${updates.shape.join(", ")}] by [${index.shape.join(", ")}] into [${x.shape.join(", ")}].`,
      );
    return x;
  },
  gradient: ({ inputs: [, index], grad: dy }) => [
    sub(dy, place(index, pick(dy, index), { width: dy.type.shape[1]! })),
    null,
    pick(dy, index),
  ],
  evaluate: ([x, index, updates]) => {
    const out = Float64Array.from(x.data);
    index.data.forEach((column, row) => (out[getElement(x, row, column)] = updates.data[row]!));
    return out;
  },
  samples: [{ inputs: [[4, 3], ids([4], 3), [4]], attrs: {} }],
});

function getElement(x: PlainTensor, row: number, column: number): number {
  const width = x.type.shape[1]!;
  return row * width + checkIndex(column, width, "pick");
}
