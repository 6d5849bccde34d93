/**
 * The element types of GGUF tensors that Lathe reads or writes. A type stores rows in blocks of a fixed number of elements
 * and bytes; a row is a whole number of blocks. Source: ggml, `ggml-common.h` and `ggml-quants.c`.
 */

export interface GgufType {
  /** The number of the type in a file. */
  readonly id: number;
  /** Elements per block. */
  readonly block: number;
  /** Bytes per block. */
  readonly bytes: number;
}

export const ggufTypes = {
  F32: { id: 0, block: 1, bytes: 4 },
  F16: { id: 1, block: 1, bytes: 2 },
  Q4_0: { id: 2, block: 32, bytes: 18 },
  Q4_1: { id: 3, block: 32, bytes: 20 },
  Q5_0: { id: 6, block: 32, bytes: 22 },
  Q5_1: { id: 7, block: 32, bytes: 24 },
  Q8_0: { id: 8, block: 32, bytes: 34 },
  Q4_K: { id: 12, block: 256, bytes: 144 },
  Q5_K: { id: 13, block: 256, bytes: 176 },
  Q6_K: { id: 14, block: 256, bytes: 210 },
  BF16: { id: 30, block: 1, bytes: 2 },
} as const satisfies Readonly<Record<string, GgufType>>;
export type GgufTypeName = keyof typeof ggufTypes;

export const ggufTypeNames = Object.keys(ggufTypes) as readonly GgufTypeName[];

/** The type of a number in a file; undefined if it is not supported. */
export function findGgufType(id: number): GgufTypeName | undefined {
  return ggufTypeNames.find((name) => ggufTypes[name].id === id);
}

/** Bytes of `elements` elements, which must be a whole number of blocks. */
export function computeGgufBytes(type: GgufTypeName, elements: number): number {
  const { block, bytes } = ggufTypes[type];
  return (elements / block) * bytes;
}

/** Whether rows of this many elements are a whole number of blocks. */
export const fitsBlocks = (type: GgufTypeName, rowLength: number): boolean =>
  rowLength % ggufTypes[type].block === 0;
