/** Clusters of tokens against NetworkX (scripts/reference/communities.py), and the rules by which they become rows. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  assignByFrequency,
  assignCommunities,
  computeModularity,
  type CoOccurrence,
  countPairs,
  findCommunities,
} from "../../../src/backend/compression/coOccurrence";
import type { Batch } from "../../../src/backend/data/split";

interface Graph {
  readonly edges: readonly (readonly [number, number, number])[];
  readonly planted?: readonly number[];
  readonly found: Readonly<
    Record<string, { readonly communities: readonly (readonly number[])[]; readonly modularity: number }>
  >;
}
const figures = JSON.parse(
  readFileSync(new URL("../../fixtures/communities.json", import.meta.url), "utf8"),
) as Readonly<Record<string, Graph>>;

const vocabulary = 64;
const toText = ({ edges }: Graph): CoOccurrence => {
  const counts = new Float64Array(vocabulary);
  for (const [a, b, weight] of edges) for (const token of [a, b]) counts[token]! += weight;
  return { counts, pairs: new Map(edges.map(([a, b, weight]) => [a * vocabulary + b, weight])) };
};
/** The tokens of each row, sorted, without those that no edge has. */
function listGroups(rowOf: Iterable<readonly [number, number]>): number[][] {
  const groups = new Map<number, number[]>();
  for (const [token, row] of rowOf) groups.set(row, [...(groups.get(row) ?? []), token]);
  return [...groups.values()].map((group) => group.sort((a, b) => a - b)).sort((a, b) => a[0]! - b[0]!);
}
const toMap = (communities: readonly (readonly number[])[]) =>
  new Map(communities.flatMap((group, index) => group.map((token) => [token, index] as const)));

describe("communities", () => {
  it.each(["0.5", "1.0", "2.0"])("have NetworkX's modularity at a resolution of %s", (resolution) => {
    for (const graph of Object.values(figures)) {
      const { communities, modularity } = graph.found[resolution]!;
      const found = computeModularity(toText(graph), toMap(communities), Number(resolution));
      expect(found).toBeCloseTo(modularity, 12);
    }
  });

  it("are those that were planted, and NetworkX's", () => {
    const graph = figures["clear"]!;
    const found = listGroups(findCommunities(toText(graph), 1));
    expect(found).toEqual(listGroups(graph.planted!.map((group, token) => [token, group] as const)));
    expect(found).toEqual(graph.found["1.0"]!.communities);
  });

  it.each(["0.5", "1.0", "2.0"])(
    "reach the modularity of the best of ten of NetworkX's runs at %s, within 0.03",
    (resolution) => {
      const graph = figures["mixed"]!;
      const text = toText(graph);
      const found = computeModularity(text, findCommunities(text, Number(resolution)), Number(resolution));
      expect(found).toBeGreaterThan(graph.found[resolution]!.modularity - 0.03);
    },
  );

  it("are the same every time", () => {
    const text = toText(figures["mixed"]!);
    expect(findCommunities(text, 1)).toEqual(findCommunities(text, 1));
  });
});

describe("rows", () => {
  const text = toText(figures["clear"]!);
  const rowsOf = (rows: number) => assignCommunities(text, rows);

  it("are the communities where there are as many, and one for tokens that never occur", () => {
    const rows = rowsOf(5);
    const planted = figures["clear"]!.planted!;
    const wanted = Array.from({ length: vocabulary }, (_, token) => planted[token] ?? 4);
    expect(Array.from(rows)).toEqual(wanted);
  });

  it("are exactly as many as asked for, numbered by their first tokens", () => {
    for (let count = 1; count <= vocabulary; count++) {
      const rows = rowsOf(count);
      expect(new Set(rows).size, `${count}`).toBe(count);
      const firsts = [...new Set(rows)];
      expect(firsts).toEqual(firsts.map((_, i) => i));
    }
    expect(Array.from(rowsOf(vocabulary))).toEqual(Array.from({ length: vocabulary }, (_, i) => i));
  });

  it("of the control by frequency belong to the most frequent tokens, and one to all others", () => {
    expect(Array.from(assignByFrequency(Float64Array.of(3, 9, 0, 5, 1), 3))).toEqual([0, 1, 0, 2, 0]);
  });
});

describe("pairs", () => {
  const batch = (tokens: number[], segments?: number[]): Batch => ({
    rows: 2,
    length: tokens.length / 2,
    tokens: Int32Array.from(tokens),
    labels: new Int32Array(tokens.length),
    ...(segments === undefined ? {} : { segments: Int32Array.from(segments) }),
  });

  it("are counted within the window and within a row, without a token's pair with itself", () => {
    const { counts, pairs } = countPairs([batch([1, 0, 2, 2, 0, 1, 1, 3])], 4, 2);
    expect(Array.from(counts)).toEqual([2, 3, 2, 1]);
    const wanted = { "0 1": 3, "1 2": 1, "0 2": 2, "1 3": 2 };
    const found = Object.fromEntries(
      [...pairs].map(([pair, n]) => [`${Math.floor(pair / 4)} ${pair % 4}`, n]),
    );
    expect(found).toEqual(wanted);
  });

  it("are counted within a document, and not with padding", () => {
    const { counts, pairs } = countPairs([batch([1, 2, 3, 1, 2, 0], [1, 1, 2, 1, 1, 0])], 4, 2);
    expect(Array.from(counts)).toEqual([0, 2, 2, 1]);
    expect([...pairs]).toEqual([[1 * 4 + 2, 2]]);
  });
});
