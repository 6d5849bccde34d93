/** Combinations of a sweep drawn at random: the same for the same seed, on every machine. */
import { createHash } from "node:crypto";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type { SweepRange } from "../../schema/search";
import type { Assignment } from "./applyAssignment";
import type { Axis } from "./axes";
import { toCanonicalJson } from "./stepKey";

/** Enough for names to differ and for readable settings; it also hides the last bits, in which machines may differ. */
const digits = 4;

/** Draws of combinations that were drawn before. */
const attemptsPerRun = 1000;

/**
 * Up to `count` different combinations. The n-th value of a path depends on the path, the seed and n alone, so that
 * variants get the same values, and other paths may be added without changing them.
 */
export function drawPoints(axes: readonly Axis[], count: number, seed: number): Assignment[][] {
  const points = new Map<string, Assignment[]>();
  const streams = axes.map(({ path }) => createStream(path, seed));
  for (let attempt = 0; points.size < count && attempt < count + attemptsPerRun; attempt++) {
    const point = axes.map((axis, index) => drawValue(axis, streams[index]!()));
    const key = toCanonicalJson(point.map(({ value }) => value));
    if (!points.has(key)) points.set(key, point);
  }
  return [...points.values()];
}

function drawValue({ path, values, range, keyPlace, valuePlace }: Axis, share: number): Assignment {
  if (range === undefined) return values[Math.floor(share * values.length)]!;
  return { path, value: drawFromRange(range, share), keyPlace, valuePlace };
}

/** The value at a share of 0 … 1 of the range. */
export function drawFromRange({ min, max, scale, integer }: SweepRange, share: number): number {
  const isLog = scale === "log";
  // Each whole number gets an equal part of the range.
  const [low, high] = integer ? [Math.ceil(min), Math.floor(max) + 1] : [min, max];
  const value = isLog ? low * (high / low) ** share : low + share * (high - low);
  const rounded = integer ? Math.floor(value) : Number(value.toPrecision(digits));
  return Math.min(integer ? high - 1 : max, Math.max(low, rounded));
}

/** Uniform numbers in [0, 1). */
function createStream(name: string, seed: number): () => number {
  const hash = createHash("sha256").update(`${seed} ${name}`).digest();
  const generator = xoroshiro128plus(hash.readInt32LE(0));
  // The initial state has few bits set; a few steps mix it.
  for (let i = 0; i < 16; i++) generator.next();
  return () => uniformFloat64(generator);
}
