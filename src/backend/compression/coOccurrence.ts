/** Clusters tokens that occur near each other, by the modularity of their co-occurrence graph (GraphHash, Wu et al. 2025). */
import { UndirectedGraph } from "graphology";
import louvain from "graphology-communities-louvain";
import type { Batch } from "../data/split";

/** Tokens of a text: how often each occurs, and how often each pair does. */
export interface CoOccurrence {
  readonly counts: Float64Array;
  /** By a · vocabulary + b with a < b. */
  readonly pairs: ReadonlyMap<number, number>;
}

/** Counts tokens, and pairs of different tokens of a document at most `window` apart. Padding is left out. */
export function countPairs(batches: Iterable<Batch>, vocabulary: number, window: number): CoOccurrence {
  const counts = new Float64Array(vocabulary);
  const pairs = new Map<number, number>();
  for (const { rows, length, tokens, segments } of batches)
    for (let at = 0; at < rows * length; at++) {
      if (segments?.[at] === 0) continue;
      counts[tokens[at]!]!++;
      const end = Math.min(at + window, (Math.floor(at / length) + 1) * length - 1);
      for (let other = at + 1; other <= end; other++) {
        const [a, b] = [tokens[at]!, tokens[other]!].sort((x, y) => x - y) as [number, number];
        if (a === b || segments?.[other] !== segments?.[at]) continue;
        pairs.set(a * vocabulary + b, (pairs.get(a * vocabulary + b) ?? 0) + 1);
      }
    }
  return { counts, pairs };
}

/** The community of each token that occurs in a pair, by Louvain's method (Blondel et al. 2008); deterministic. */
export function findCommunities(
  { counts, pairs }: CoOccurrence,
  resolution: number,
): ReadonlyMap<number, number> {
  const graph = new UndirectedGraph();
  for (const [pair, weight] of pairs)
    graph.mergeEdge(Math.floor(pair / counts.length), pair % counts.length, { weight });
  if (graph.size === 0) return new Map();
  const found = louvain(graph, { resolution, randomWalk: false, getEdgeWeight: "weight" });
  return new Map(Object.entries(found).map(([token, community]) => [Number(token), community]));
}

/** Q = Σ_c (inside_c / m − γ · (degree_c / 2m)²), of a graph of total weight m. */
export function computeModularity(
  { counts, pairs }: CoOccurrence,
  communities: ReadonlyMap<number, number>,
  resolution = 1,
): number {
  const inside = new Map<number, number>();
  const degrees = new Map<number, number>();
  const addTo = (sums: Map<number, number>, key: number, weight: number) =>
    sums.set(key, (sums.get(key) ?? 0) + weight);
  let total = 0;
  for (const [pair, weight] of pairs) {
    const ends = [Math.floor(pair / counts.length), pair % counts.length].map((token) =>
      communities.get(token)!,
    );
    for (const end of ends) addTo(degrees, end, weight);
    if (ends[0] === ends[1]) addTo(inside, ends[0]!, weight);
    total += weight;
  }
  return [...degrees].reduce(
    (sum, [community, degree]) =>
      sum + (inside.get(community) ?? 0) / total - resolution * (degree / (2 * total)) ** 2,
    0,
  );
}

/** Resolutions between which the number of communities is searched, and the steps of the bisection of their logarithm. */
const [lowest, highest, steps] = [2 ** -10, 2 ** 10, 12];

/**
 * Assigns each token one of exactly `rows` rows, numbered by their first tokens. The communities are those of the resolution
 * with the most of them that are at most `rows`; tokens without a pair are one more. Where there are still too many, the least
 * frequent ones share a row. Rows that are left go to the most frequent tokens that share theirs.
 */
export function assignCommunities(text: CoOccurrence, rows: number): Int32Array {
  const groupAt = (resolution: number) => groupTokens(text.counts.length, findCommunities(text, resolution));
  let best = groupAt(lowest);
  let [low, high] = [Math.log2(lowest), Math.log2(highest)];
  for (let step = 0; step < steps && best.length < rows; step++) {
    const middle = (low + high) / 2;
    const groups = groupAt(2 ** middle);
    if (groups.length > rows) high = middle;
    else {
      low = middle;
      if (groups.length > best.length) best = groups;
    }
  }
  return numberRows(text.counts.length, splitFrequent(mergeRare(best, text.counts, rows), text.counts, rows));
}

/** The control of equal size: the most frequent tokens have rows, and all others share one. */
export function assignByFrequency(counts: Float64Array, rows: number): Int32Array {
  return numberRows(counts.length, splitFrequent([[...counts.keys()]], counts, rows));
}

function groupTokens(vocabulary: number, communities: ReadonlyMap<number, number>): number[][] {
  const groups = new Map<number | undefined, number[]>();
  for (let token = 0; token < vocabulary; token++) {
    const community = communities.get(token);
    groups.set(community, [...(groups.get(community) ?? []), token]);
  }
  return [...groups.values()];
}

function mergeRare(groups: readonly number[][], counts: Float64Array, rows: number): number[][] {
  if (groups.length <= rows) return [...groups];
  const frequency = (group: readonly number[]) => group.reduce((sum, token) => sum + counts[token]!, 0);
  const sorted = groups
    .map((group) => ({ group, count: frequency(group) }))
    .sort((a, b) => b.count - a.count)
    .map(({ group }) => group);
  return [...sorted.slice(0, rows - 1), sorted.slice(rows - 1).flat()];
}

function splitFrequent(groups: readonly number[][], counts: Float64Array, rows: number): number[][] {
  const sizes = groups.map(({ length }) => length);
  const members = groups.flatMap((group, index) => group.map((token) => ({ token, index })));
  members.sort((a, b) => counts[b.token]! - counts[a.token]! || a.token - b.token);
  const alone = new Set<number>();
  for (const { token, index } of members) {
    if (groups.length + alone.size >= rows) break;
    if (sizes[index]! === 1) continue;
    sizes[index]!--;
    alone.add(token);
  }
  return [
    ...groups.map((group) => group.filter((token) => !alone.has(token))),
    ...[...alone].map((token) => [token]),
  ];
}

function numberRows(vocabulary: number, groups: readonly (readonly number[])[]): Int32Array {
  const groupOf = new Int32Array(vocabulary);
  groups.forEach((group, index) => group.forEach((token) => (groupOf[token] = index)));
  const numbers = new Map<number, number>();
  return groupOf.map((index) => {
    const number = numbers.get(index) ?? numbers.size;
    numbers.set(index, number);
    return number;
  });
}
