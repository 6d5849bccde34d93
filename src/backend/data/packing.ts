/** Packs documents into training sequences: computes which part of which document is at each position, without any text. */
import { documentMarker } from "./formats/plainText";

export interface Layout {
  /** Tokens of a sequence that go into the model; the labels reach one further. */
  readonly sequenceLength: number;
  /** Documents end to end; otherwise each begins a sequence of its own, and its last one is padded. */
  readonly packing: boolean;
  readonly documentMask: boolean;
  /** The padding token. No other token attends to it. */
  readonly padding: number;
  /** Whether a sequence of its own is read to its last token, as an encoder does that predicts no next one. */
  readonly readsLast?: boolean;
  /** Whether a sequence is a preference pair, which a batch has as two rows (`PairSplit`). */
  readonly pairs?: boolean;
  /** Whether sequences have token types, as pairs of texts do that an encoder reads. */
  readonly types?: boolean;
  /** Whether the loss also counts padding labels. */
  readonly trainOnPadding: boolean;
  /** Packing by characters: how many fill a sequence, whatever the tokens come to. Documents as long are left out. */
  readonly characters?: number;
  /** Tokens that open each document; packed by characters, only the first of a sequence keeps them. */
  readonly opening: number;
}

/** What packing has to know of documents, by number. */
export interface Documents {
  readonly count: number;
  tokens(document: number): number;
  /** Called only when packing by characters. */
  characters(document: number): number;
}

export interface Stretch {
  readonly document: number;
  /** First of its tokens, counted in the document. */
  readonly from: number;
  readonly count: number;
}

export interface Packed {
  readonly sequences: number;
  /** What a sequence is made of, in order: at most one token more than the model is fed, for the last label. */
  stretches(sequence: number): Generator<Stretch>;
}

/** Packs the documents of `order`, by default all in their own; a document may come several times. */
export function pack(documents: Documents, layout: Layout, order?: Uint32Array): Packed {
  const list: Order = {
    count: order?.length ?? documents.count,
    at: (place) => (order === undefined ? place : order[place]!),
  };
  if (!layout.packing) return packOneByOne(documents, layout, list);
  return layout.characters === undefined
    ? packByTokens(documents, layout, list)
    : packByCharacters(documents, layout, list, layout.characters);
}

interface Order {
  readonly count: number;
  at(place: number): number;
}

/** Sequence k begins at token k · length of the documents end to end and predicts as many as it holds. */
function packByTokens(documents: Documents, { sequenceLength: length }: Layout, order: Order): Packed {
  const places: number[] = [];
  const skips: number[] = [];
  let position = 0;
  let next = 0;
  for (let place = 0; place < order.count; place++) {
    const end = position + documents.tokens(order.at(place));
    for (; next < end; next += length) {
      places.push(place);
      skips.push(next - position);
    }
    position = end;
  }
  return {
    sequences: Math.max(0, Math.floor((position - 1) / length)),
    *stretches(sequence) {
      let room = length + 1;
      let from = skips[sequence]!;
      for (let place = places[sequence]!; room > 0; place++) {
        const document = order.at(place);
        const count = Math.min(documents.tokens(document) - from, room);
        if (count > 0) yield { document, from, count };
        room -= count;
        from = 0;
      }
    },
  };
}

function packOneByOne(
  documents: Documents,
  { sequenceLength: length, readsLast = false }: Layout,
  order: Order,
): Packed {
  const next = readsLast ? 0 : 1;
  /** Number of the first sequence of each document, then of all. */
  const firsts = new Float64Array(order.count + 1);
  for (let place = 0; place < order.count; place++) {
    const predicted = Math.max(0, documents.tokens(order.at(place)) - next);
    firsts[place + 1] = firsts[place]! + Math.ceil(predicted / length);
  }
  return {
    sequences: firsts[order.count]!,
    *stretches(sequence) {
      const place = findLastAtMost(firsts, sequence);
      const document = order.at(place);
      const from = (sequence - firsts[place]!) * length;
      yield { document, from, count: Math.min(length + next, documents.tokens(document) - from) };
    },
  };
}

/**
 * Documents, each with a marker behind it, until there are `limit` characters; of their tokens the first `length` are
 * kept. Documents of `limit` characters are left out, and so are the last ones where they do not fill a sequence.
 */
function packByCharacters(
  documents: Documents,
  { sequenceLength: length, opening }: Layout,
  order: Order,
  limit: number,
): Packed {
  const starts: number[] = [];
  const ends: number[] = [];
  const isTooLong = (place: number) => documents.characters(order.at(place)) >= limit;
  let start = 0;
  let characters = 0;
  for (let place = 0; place < order.count; place++) {
    if (isTooLong(place)) continue;
    characters += documents.characters(order.at(place)) + documentMarker.length;
    if (characters < limit) continue;
    starts.push(start);
    ends.push(place + 1);
    start = place + 1;
    characters = 0;
  }
  return {
    sequences: starts.length,
    *stretches(sequence) {
      let room = length;
      for (let place = starts[sequence]!; place < ends[sequence]! && room > 0; place++) {
        if (isTooLong(place)) continue;
        const document = order.at(place);
        const from = room === length ? 0 : opening;
        const count = Math.min(documents.tokens(document) - from, room);
        if (count > 0) yield { document, from, count };
        room -= Math.max(0, count);
      }
    },
  };
}

/** Index of the last entry of a rising list that is at most `value`; −1 when all are greater. */
export function findLastAtMost(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
