/** DFloat11 restores every bit, reads any part, takes the size that entropy predicts, and refuses damaged bytes. */
import { describe, expect, it } from "vitest";
import { blockWeights, encodeDFloat11, openDFloat11 } from "../../../src/backend/coding/dfloat11";
import { narrow } from "../../../src/backend/checkpoints/halfPrecision";
import { drawNormals } from "../../support/normals";

const open = (bytes: Uint8Array, weights: number) =>
  openDFloat11((from, to) => bytes.slice(from, to), bytes.length, weights);
const decoded = (bytes: Uint8Array, weights: number) => open(bytes, weights).read(0, weights);
const gaussian = (count: number, seed = 1) =>
  narrow(
    drawNormals(count, seed).map((each) => 0.02 * each),
    "bfloat16",
  );

function entropyOf(words: Uint16Array): number {
  const counts = new Map<number, number>();
  for (const word of words) counts.set((word >> 7) & 0xff, (counts.get((word >> 7) & 0xff) ?? 0) + 1);
  const shares = [...counts.values()].map((count) => count / words.length);
  return -shares.reduce((sum, share) => sum + share * Math.log2(share), 0);
}

describe("every bit is restored", () => {
  /** Numbers whose exponents have Fibonacci counts: an unbounded code would need words of 25 bits. */
  const fibonacci = () => {
    const counts = [1, 1];
    while (counts.length < 26) counts.push(counts.at(-1)! + counts.at(-2)!);
    return Uint16Array.from(counts.flatMap((count, e) => Array<number>(count).fill((e << 7) | (e & 0x7f))));
  };
  const cases: readonly [string, () => Uint16Array][] = [
    ["all 65,536 patterns, numbers or not", () => Uint16Array.from({ length: 2 ** 16 }, (_, i) => i)],
    ["no weights", () => new Uint16Array(0)],
    ["one weight", () => Uint16Array.of(0x3f80)],
    ["zeros of both signs", () => Uint16Array.from({ length: 1000 }, (_, i) => (i % 3 === 0 ? 0x8000 : 0))],
    ["exponents of Fibonacci's counts", fibonacci],
    ["a full block", () => gaussian(blockWeights)],
    ["a block and one weight", () => gaussian(blockWeights + 1)],
    ["several blocks", () => gaussian(5 * blockWeights - 7)],
  ];
  it.each(cases)("of %s", (_, make) => {
    const words = make();
    expect(decoded(encodeDFloat11(words), words.length)).toEqual(words);
  });

  it("of any part, wherever it begins and ends", () => {
    const words = gaussian(3 * blockWeights + 100);
    const coded = open(encodeDFloat11(words), words.length);
    const b = blockWeights;
    for (const [from, to] of [
      [0, 1],
      [1, b],
      [b - 1, b + 1],
      [b, 2 * b],
      [5, 3 * b + 100],
      [3 * b + 99, 3 * b + 100],
      [7, 7],
    ] as const)
      expect(coded.read(from, to), `${from} to ${to}`).toEqual(words.slice(from, to));
  });
});

it("takes 10.5 to 10.6 bits for a Gaussian weight, within a bit of the entropy", () => {
  const words = gaussian(2 ** 20);
  const bits = (8 * encodeDFloat11(words).length) / words.length;
  expect(bits).toBeGreaterThan(10.5);
  expect(bits).toBeLessThan(10.6);
  const entropy = 8 + entropyOf(words);
  expect(bits).toBeGreaterThan(entropy);
  expect(bits).toBeLessThan(entropy + 1);
});

describe("damaged bytes", () => {
  const words = gaussian(2 * blockWeights);
  const good = encodeDFloat11(words);
  const changed = (change: (bytes: Uint8Array, view: DataView) => void) => {
    const bytes = good.slice();
    change(bytes, new DataView(bytes.buffer));
    return bytes;
  };
  it.each<[string, Uint8Array, RegExp]>([
    ["too short for its weights", good.slice(0, 300), /cannot hold/],
    ["cut in the stream", good.slice(0, good.length - 5), /length of its stream is wrong/],
    ["blocks in another order", changed((_, view) => view.setUint32(256, 9, true)), /out of order/],
    ["a block that begins elsewhere", changed((_, view) => view.setUint32(260, 100, true)), /does not end/],
    [
      "lengths that do not form a code",
      changed((bytes) => bytes.fill(1, 0, 256)),
      /do not form a prefix code/,
    ],
    ["no lengths", changed((bytes) => bytes.fill(0, 0, 256)), /does not end/],
  ])("%s are refused", (_, bytes, message) => {
    expect(() => decoded(bytes, words.length)).toThrow(message);
  });

  it("give the same number of weights or an error, whichever bit is flipped", () => {
    const small = encodeDFloat11(gaussian(500));
    for (let at = 0; at < small.length; at++) {
      const bytes = small.slice();
      bytes[at]! ^= 1 << (at % 8);
      try {
        expect(decoded(bytes, 500).length).toBe(500);
      } catch (thrown) {
        expect((thrown as { code?: string }).code).toBe("corrupt");
      }
    }
  });
});
