/** The codes of quantized matrices for formats that store them as they are, with a row for each output. */
import { formatCount } from "../../protocol/quantities";
import { countModel } from "../models/accounting";
import type { ModelShape } from "../models/model";
import type { MatrixSlot, StoredMatrix } from "../models/weights";
import type { MatrixSpec, TensorSource } from "../representations/representation";
import {
  codesName,
  countGroups,
  type QuantizedOptions,
  scalesName,
  zerosName,
} from "../representations/quantised";
import { maskName } from "../representations/masked";
import { formatMatrixCount } from "./savings";

/** How the codes of a matrix are stored. */
export interface Coding {
  readonly bits: number;
  /** Consecutive inputs that share a scale; undefined if all do. */
  readonly groupSize: number | undefined;
  readonly symmetric: boolean;
}

export interface CodedMatrix extends Coding {
  /** [outputs, inputs], from −2^(bits − 1) to 2^(bits − 1) − 1. A masked weight has the code of its zero point. */
  readonly codes: Int8Array;
  /** [outputs, groups] */
  readonly scales: Float32Array;
  /** [outputs, groups], in the range of the codes; absent if all are 0. */
  readonly zeros?: Int8Array;
}

type Codes = Pick<CodedMatrix, "codes" | "scales" | "zeros">;

export const isCoded = ({ stored }: MatrixSlot): boolean => stored.some(({ type }) => type === "quantised");

/** The coding of a whole matrix, also of one that is stored in parts, or the reason why its codes cannot be written. */
export function findCoding({ stored }: Pick<MatrixSlot, "stored">): Coding | string {
  const codings: Coding[] = [];
  for (const { type, matrix, options } of stored) {
    if (type !== "quantised")
      return `${matrix.role} is stored as ${type}, and only another part of the matrix is quantized`;
    const { bits, group_size, symmetric, residual, float_zeros, activations } = options as QuantizedOptions;
    if (residual > 0) return "a low-rank product is added to its codes (residual)";
    if (float_zeros === true) return "its zero points are not codes (float_zeros)";
    if (activations !== undefined)
      return "its inputs are rounded as well (activations), which the format cannot express";
    codings.push({ bits, groupSize: group_size, symmetric });
  }
  const [first] = codings as [Coding];
  const different = codings.find((each) => describeCoding(each) !== describeCoding(first));
  return different === undefined
    ? first
    : `its parts have different codes (${describeCoding(first)}; ${describeCoding(different)}), but are one matrix in the file`;
}

export const describeCoding = ({ bits, groupSize, symmetric }: Coding): string =>
  `${bits} bits, ${groupSize === undefined ? "one group" : `groups of ${groupSize}`}, ${symmetric ? "symmetric" : "with zero points"}`;

export function readCodedMatrix(slot: MatrixSlot, source: TensorSource): CodedMatrix {
  const coding = findCoding(slot);
  if (typeof coding === "string") throw new Error(`${slot.matrix.role}: ${coding}.`);
  const parts = slot.stored.map((part) => readPart(part, source));
  const [first] = parts as [Codes];
  if (parts.length === 1) return { ...coding, ...first };
  const zeros = coding.symmetric ? {} : { zeros: joinBytes(parts.map((part) => part.zeros!)) };
  return {
    ...coding,
    codes: joinBytes(parts.map(({ codes }) => codes)),
    scales: Float32Array.from(parts.flatMap(({ scales }) => [...scales])),
    ...zeros,
  };
}

function joinBytes(arrays: readonly Int8Array[]): Int8Array {
  const out = new Int8Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    out.set(array, at);
    at += array.length;
  }
  return out;
}

function readPart({ matrix, options: stored }: StoredMatrix, source: TensorSource): Codes {
  const options = stored as QuantizedOptions;
  const { inputs, outputs } = matrix;
  const groups = countGroups(matrix, options);
  const codes = source(codesName(matrix)) as Int8Array;
  const scales = source(scalesName(matrix)) as Float32Array;
  const zeros = options.symmetric ? undefined : (source(zerosName(matrix)) as Int8Array);
  const mask = options.kept === undefined ? undefined : source(maskName(matrix));
  const byOutput = {
    codes: new Int8Array(inputs * outputs),
    scales: new Float32Array(groups * outputs),
    zeros: new Int8Array(groups * outputs),
  };
  for (let group = 0; group < groups; group++)
    for (let output = 0; output < outputs; output++) {
      byOutput.scales[output * groups + group] = scales[group * outputs + output]!;
      byOutput.zeros[output * groups + group] = zeros?.[group * outputs + output] ?? 0;
    }
  const size = inputs / groups;
  for (let input = 0; input < inputs; input++)
    for (let output = 0; output < outputs; output++) {
      const place = input * outputs + output;
      byOutput.codes[output * inputs + input] =
        mask?.[place] === 0 ? byOutput.zeros[output * groups + Math.floor(input / size)]! : codes[place]!;
    }
  return options.symmetric ? { codes: byOutput.codes, scales: byOutput.scales } : byOutput;
}

/** The bytes of the written tensors beside the bits that Lathe counts. */
export function describeBytes(shape: ModelShape, bytes: number, weights: number): string {
  const { bits } = countModel(shape).total;
  return (
    `The tensors take ${formatCount(bytes)} bytes, ${((8 * bytes) / weights).toFixed(2)} bits per weight. ` +
    `The model counts as ${formatCount(Math.ceil(bits / 8))} bytes with its scales in float32.`
  );
}

export const describeMatrices = (matrices: readonly Pick<MatrixSpec, "role">[]): string => {
  const roles = matrices.slice(0, 3).map(({ role }) => role);
  const more = matrices.length > 3 ? ` and ${matrices.length - 3} more` : "";
  return `${formatMatrixCount(matrices.length)} (${roles.join(", ")}${more})`;
};
