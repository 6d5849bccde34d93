/**
 * Similarity of two texts by the blocks that they have in common (Ratcliff and Metzener 1988), as `SequenceMatcher` of Python's
 * difflib defines it: 2 · characters in common / characters of both. The longest common block is taken, of several the first,
 * then those before and after it. In a second text of 200 or more characters, a character that is more than one percent of them
 * begins no block except at the start of both parts; it only extends one.
 */
export function computeSequenceRatio(first: string, second: string): number {
  const [a, b] = [Array.from(first), Array.from(second)];
  if (a.length + b.length === 0) return 1;
  const places = findPlaces(b);
  let common = 0;
  const open: Range[] = [{ a: [0, a.length], b: [0, b.length] }];
  for (let range = open.pop(); range !== undefined; range = open.pop()) {
    const { startA, startB, size } = findLongestBlock(a, b, places, range);
    if (size === 0) continue;
    common += size;
    open.push(
      { a: [range.a[0], startA], b: [range.b[0], startB] },
      { a: [startA + size, range.a[1]], b: [startB + size, range.b[1]] },
    );
  }
  return (2 * common) / (a.length + b.length);
}

/** The part of both texts in which a block is looked for; ends are exclusive. */
interface Range {
  readonly a: readonly [start: number, end: number];
  readonly b: readonly [start: number, end: number];
}

interface Block {
  readonly startA: number;
  readonly startB: number;
  readonly size: number;
}

const shortest = 200;

/** Where the characters of the second text are, in ascending order, without those that are too frequent. */
function findPlaces(b: readonly string[]): ReadonlyMap<string, readonly number[]> {
  const places = new Map<string, number[]>();
  b.forEach((character, j) => {
    const known = places.get(character);
    if (known === undefined) places.set(character, [j]);
    else known.push(j);
  });
  const most = Math.floor(b.length / 100) + 1;
  if (b.length >= shortest)
    for (const [character, { length }] of places) if (length > most) places.delete(character);
  return places;
}

function findLongestBlock(
  a: readonly string[],
  b: readonly string[],
  places: ReadonlyMap<string, readonly number[]>,
  { a: [fromA, toA], b: [fromB, toB] }: Range,
): Block {
  let [startA, startB, size] = [fromA, fromB, 0];
  // Sizes of the blocks that end at the previous character of `a`, by their end in `b`.
  let sizes = new Map<number, number>();
  for (let i = fromA; i < toA; i++) {
    const next = new Map<number, number>();
    for (const j of places.get(a[i]!) ?? []) {
      if (j < fromB) continue;
      if (j >= toB) break;
      const length = (sizes.get(j - 1) ?? 0) + 1;
      next.set(j, length);
      if (length > size) [startA, startB, size] = [i - length + 1, j - length + 1, length];
    }
    sizes = next;
  }
  while (startA > fromA && startB > fromB && a[startA - 1] === b[startB - 1]) {
    startA--;
    startB--;
    size++;
  }
  while (startA + size < toA && startB + size < toB && a[startA + size] === b[startB + size]) size++;
  return { startA, startB, size };
}
