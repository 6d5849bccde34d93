/** Joins the counts of several models: by role, grouped in layers, with the changes against the first. */
import type { Counts, RoleCounts } from "../../src/protocol/counts";
import type { ModelSize, PublishedSize, Subject } from "../../src/protocol/service/models";

export const countNames = ["trainable", "stored", "nonZero", "bitsPerWeight", "bytes"] as const;
export type CountName = (typeof countNames)[number];

export const countTitles: Readonly<Record<CountName, string>> = {
  trainable: "Trainable",
  stored: "Stored",
  nonZero: "Non-zero",
  bitsPerWeight: "Bits per weight",
  bytes: "Bytes",
};

/** A model that is shown, being counted, counted, or impossible to count. */
export interface MeasuredModel {
  readonly subject: Subject;
  readonly size?: ModelSize;
  readonly problem?: string;
}

export interface SizeRow {
  readonly role: string;
  /** The name in the table, without the layer, which is the heading. */
  readonly title: string;
  /** Per model; undefined where it has no such role. */
  readonly counts: readonly (RoleCounts | undefined)[];
}

export interface SizeGroup {
  readonly key: string;
  readonly title: string;
  readonly rows: readonly SizeRow[];
  readonly sums: readonly (Counts | undefined)[];
  readonly representations: readonly string[];
}

export type Part = "nonEmbedding" | "total";

/** Roles in the order of the first model, those of later models after them, gathered by layer. */
export function groupRoles(models: readonly ModelSize[], part: Part): readonly SizeGroup[] {
  const rows = new Map<string, (RoleCounts | undefined)[]>();
  models.forEach(({ counts }, i) => {
    for (const each of counts.roles) {
      if (part === "nonEmbedding" && each.embedding) continue;
      const row = rows.get(each.role) ?? models.map(() => undefined);
      row[i] = each;
      rows.set(each.role, row);
    }
  });
  const groups = new Map<number | undefined, SizeRow[]>();
  for (const [role, counts] of rows) {
    const { layer, inLayer } = counts.find((each) => each !== undefined)!;
    groups.set(layer, [...(groups.get(layer) ?? []), { role, title: inLayer ?? role, counts }]);
  }
  return [...groups].map(([layer, members]) => ({
    key: layer === undefined ? "" : `layer ${layer}`,
    title: layer === undefined ? "Outside the layers" : `Layer ${layer}`,
    rows: members,
    sums: models.map((_, i) => sumCounts(members.flatMap(({ counts }) => counts[i] ?? []))),
    representations: models.map((_, i) =>
      [...new Set(members.flatMap(({ counts }) => counts[i]?.representation ?? []))].join(", "),
    ),
  }));
}

function sumCounts(all: readonly Counts[]): Counts | undefined {
  if (all.length === 0) return undefined;
  const sumOf = (name: keyof Counts) => all.reduce((total, counts) => total + counts[name], 0);
  return {
    trainable: sumOf("trainable"),
    stored: sumOf("stored"),
    nonZero: sumOf("nonZero"),
    bits: sumOf("bits"),
    bytes: sumOf("bytes"),
  };
}

export function getNumber(counts: Counts | undefined, name: CountName): number | undefined {
  if (counts === undefined) return undefined;
  if (name !== "bitsPerWeight") return counts[name];
  return counts.stored === 0 ? 0 : counts.bits / counts.stored;
}

export interface Verdict {
  readonly agrees: boolean;
  readonly words: string;
  /** Ours over theirs, less one. */
  readonly gap: number;
}

/** A published figure is as exact as its digits: 35M and 35,127,296 agree. */
export function compareWithPublished(measured: number, published: number): Verdict {
  const gap = (measured - published) / published;
  if (measured === published) return { agrees: true, words: "equal", gap };
  const zeros = /0*$/.exec(String(Math.round(published)))![0].length;
  const unit = 10 ** zeros;
  const rounded = Math.round(measured / unit) * unit === published;
  return { agrees: rounded, words: rounded ? "equal when rounded" : "not equal", gap };
}

export function getPublished(
  { published }: ModelSize,
  part: Part,
): (PublishedSize & { figure: number }) | undefined {
  const figure = published?.[part];
  return published === undefined || figure === undefined ? undefined : { ...published, figure };
}
