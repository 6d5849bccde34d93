/** Checks prefix codes of bounded length by Kraft's sum, entropy, and the best lengths from an exhaustive search. */
import { describe, expect, it } from "vitest";
import {
  assignCanonicalCodes,
  computeCodeLengths,
  createDecodingTable,
} from "../../../src/backend/coding/huffman";

const kraft = (lengths: Uint8Array) =>
  lengths.reduce((sum, length) => sum + (length === 0 ? 0 : 2 ** -length), 0);
const cost = (counts: readonly number[], lengths: ArrayLike<number>) =>
  counts.reduce((sum, count, symbol) => sum + count * lengths[symbol]!, 0);

/** The least cost of any lengths up to `limit` that fit Kraft's sum. */
function bestCost(counts: readonly number[], limit: number): number {
  let best = Infinity;
  const lengths: number[] = [];
  const go = (room: number): void => {
    if (lengths.length === counts.length) {
      best = Math.min(best, cost(counts, lengths));
      return;
    }
    for (let length = 1; length <= limit; length++) {
      if (2 ** -length > room) continue;
      lengths.push(length);
      go(room - 2 ** -length);
      lengths.pop();
    }
  };
  go(1);
  return best;
}

describe("lengths", () => {
  it.each([
    [[5, 1, 1, 1], 3],
    [[40, 20, 10, 5, 2, 1], 3],
    [[40, 20, 10, 5, 2, 1], 4],
    [[1, 1, 2, 3, 5, 8, 13], 4],
    [[7, 7, 7, 7, 7], 3],
  ])("of counts %j up to %i bits are the best possible", (counts, limit) => {
    const lengths = computeCodeLengths(counts, limit);
    expect(cost(counts, lengths)).toBe(bestCost(counts, limit));
    expect(kraft(lengths)).toBe(1);
  });

  it("stay within their limit for Fibonacci's counts, which would need as many bits as there are symbols", () => {
    const counts = [1, 1];
    while (counts.length < 40) counts.push(counts.at(-1)! + counts.at(-2)!);
    expect(Math.max(...computeCodeLengths(counts, 39))).toBe(39);
    const lengths = computeCodeLengths(counts, 12);
    expect(Math.max(...lengths)).toBe(12);
    expect(kraft(lengths)).toBe(1);
  });

  it("are 0 for symbols that do not occur, and 1 for a single symbol", () => {
    expect([...computeCodeLengths([0, 0, 3, 0], 12)]).toEqual([0, 0, 1, 0]);
    expect([...computeCodeLengths([0, 0], 12)]).toEqual([0, 0]);
  });

  it("refuse more symbols than there are words", () => {
    expect(() => computeCodeLengths([1, 1, 1, 1, 1], 2)).toThrow(/5 symbols/);
  });
});

describe("words", () => {
  it("are canonical: shorter ones first, and in the order of the symbols", () => {
    const lengths = Uint8Array.of(3, 1, 0, 2, 3);
    expect([...assignCanonicalCodes(lengths)]).toEqual([0b110, 0b0, 0, 0b10, 0b111]);
  });

  it("are found whatever bits follow in the stream", () => {
    const lengths = Uint8Array.of(3, 1, 0, 2, 3);
    const table = createDecodingTable(lengths, 4);
    const found = (bits: number) => [table[bits]! >> 8, table[bits]! & 0xff];
    expect(found(0b0111)).toEqual([1, 1]);
    expect(found(0b1011)).toEqual([2, 3]);
    expect(found(0b1100)).toEqual([3, 0]);
    expect(found(0b1111)).toEqual([3, 4]);
  });

  it("that do not form a prefix code are refused, and bits that begin no word give 0", () => {
    expect(() => createDecodingTable(Uint8Array.of(1, 1, 1), 4)).toThrow(/do not form a prefix code/);
    expect(() => createDecodingTable(Uint8Array.of(5), 4)).toThrow(/do not form a prefix code/);
    expect(createDecodingTable(Uint8Array.of(1), 2)[0b10]).toBe(0);
  });
});
