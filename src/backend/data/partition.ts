/** Which pieces of a corpus are for training and which for validation. */
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { WorkbenchError } from "../../protocol/errors";
import type { DataOptions } from "../../schema/experiment";
import type { TokenFile } from "./tokenFile";

/** Consecutive pieces, `end` not included. */
export interface PieceRange {
  readonly start: number;
  readonly end: number;
}

export interface Partition {
  readonly train: readonly PieceRange[];
  readonly validation: readonly PieceRange[];
  readonly notice: string | undefined;
}

/** With fewer documents than this a split by document would be far from the share that was asked for. */
export const MIN_DOCUMENTS = 20;

/** What is held back for validation: so many documents, else a share of them. */
export type ValidationOptions = Pick<DataOptions, "val_set_size" | "val_fraction">;

export function hasHeldOutData({ val_set_size: size, val_fraction: fraction }: ValidationOptions): boolean {
  return size !== undefined || fraction > 0;
}

export function partition(file: TokenFile, options: ValidationOptions, seed: number): Partition {
  const { val_set_size: size, val_fraction: fraction } = options;
  const allPieces = [{ start: 0, end: file.pieces }];
  if (!hasHeldOutData(options)) return { train: allPieces, validation: [], notice: undefined };
  const ends: number[] = [];
  for (let piece = 0; piece < file.pieces; piece++) if (file.row(piece).endsDocument) ends.push(piece + 1);
  if (size !== undefined) {
    if (size < ends.length) return { ...splitByDocument(ends, size, seed), notice: undefined };
    throw new WorkbenchError(
      "invalid-input",
      `data.val_set_size ${size} leaves nothing to train on: there are ${ends.length} documents. ` +
        "Lower it, or give data.val_fraction instead.",
    );
  }
  const validationCount = Math.round(ends.length * fraction);
  if (ends.length >= MIN_DOCUMENTS && validationCount > 0 && validationCount < ends.length)
    return { ...splitByDocument(ends, validationCount, seed), notice: undefined };
  const cut = findTailStart(file, fraction);
  const documents = ends.length === 1 ? "one document" : `${ends.length} documents`;
  return {
    train: cut === 0 ? [] : [{ start: 0, end: cut }],
    validation: cut === file.pieces ? [] : [{ start: cut, end: file.pieces }],
    notice:
      `The text is ${documents}, so the validation split is its last ${(fraction * 100).toFixed(0)} % ` +
      `instead of documents drawn at random (from ${MIN_DOCUMENTS} documents on).`,
  };
}

function splitByDocument(
  ends: readonly number[],
  validationCount: number,
  seed: number,
): Omit<Partition, "notice"> {
  const chosen = new Uint8Array(ends.length);
  for (const document of shuffleIndices(ends.length, seed).subarray(0, validationCount)) chosen[document] = 1;
  const split = { train: [] as PieceRange[], validation: [] as PieceRange[] };
  let start = 0;
  for (const [document, end] of ends.entries()) {
    const ranges = chosen[document] === 1 ? split.validation : split.train;
    const last = ranges.at(-1);
    if (last?.end === start) ranges[ranges.length - 1] = { start: last.start, end };
    else ranges.push({ start, end });
    start = end;
  }
  return split;
}

/** The border between two pieces that comes closest to the share, never in a prompt with its response or in a preference pair. */
function findTailStart(file: TokenFile, fraction: number): number {
  const target = file.manifest.tokens * (1 - fraction);
  let best = 0;
  let distance = target;
  let tokens = 0;
  for (let piece = 0; piece < file.pieces; piece++) {
    const row = file.row(piece);
    tokens += row.tokens;
    const away = Math.abs(tokens - target);
    if (!row.masked && row.side !== "chosen" && away < distance) [best, distance] = [piece + 1, away];
  }
  return best;
}

/** The numbers 0 to count − 1 in an order that the seed decides. */
export function shuffleIndices(count: number, seed: number): Uint32Array {
  const random = xoroshiro128plus(seed);
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = uniformInt(random, 0, i);
    const previous = order[i]!;
    order[i] = order[j]!;
    order[j] = previous;
  }
  return order;
}
