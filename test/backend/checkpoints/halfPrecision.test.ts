import { describe, expect, it } from "vitest";
import { largest, narrow, widenInto } from "../../../src/backend/checkpoints/halfPrecision";

const patterns = Uint16Array.from({ length: 2 ** 16 }, (_, i) => i);

function widened(words: Uint16Array, dtype: "float16" | "bfloat16"): Float32Array {
  const out = new Float32Array(words.length);
  widenInto(out, 0, words, dtype);
  return out;
}

describe.each(["float16", "bfloat16"] as const)("%s", (dtype) => {
  const numbers = widened(patterns, dtype);
  /** Every finite number of the type in order, with its bit pattern. */
  const ordered = [...patterns]
    .filter((pattern) => pattern !== 0x8000 && Number.isFinite(numbers[pattern]))
    .sort((a, b) => numbers[a]! - numbers[b]!);

  it("makes the round trip through float32 bit for bit, for every pattern", () => {
    const back = narrow(numbers, dtype);
    const changed = patterns.filter((each) => back[each] !== each && !Number.isNaN(numbers[each]));
    expect([...changed]).toEqual([]);
    expect(widened(back, dtype)).toEqual(numbers);
  });

  it("rounds to the nearest of its numbers, and a tie to the even one", () => {
    const wrong: number[] = [];
    for (let i = 1; i < ordered.length; i++) {
      const [below, above] = [ordered[i - 1]!, ordered[i]!];
      const [low, high] = [numbers[below]!, numbers[above]!];
      const middle = (low + high) / 2;
      const even = below % 2 === 0 ? below : above;
      const quarter = Float32Array.of(low + (high - low) / 4, middle, high - (high - low) / 4);
      // The middle is a float32 everywhere but below the smallest normal bfloat16.
      const expected = quarter[1] === middle ? [below, even, above] : [below, undefined, above];
      const got = narrow(quarter, dtype);
      expected.forEach((each, j) => {
        if (each !== undefined && numbers[got[j]!] !== numbers[each]) wrong.push(quarter[j]!);
      });
    }
    expect(wrong).toEqual([]);
  });

  it("ends at its largest number, beyond which values become infinity", () => {
    expect(numbers[ordered.at(-1)!]).toBe(largest[dtype]);
    const [infinite] = widened(narrow(Float32Array.of(3.4028234663852886e38), dtype), dtype);
    expect(infinite).toBe(Infinity);
  });
});
