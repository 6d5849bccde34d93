/** Which tokens of a text are in a cache: a row for each head of each layer, and below, how many heads have each token. */
import { countColumnTokens, type KeptTokensData, type KeptTokensRow } from "../protocol/figures";
import { formatCount } from "../protocol/quantities";
import { getFillColor } from "./matrix";
import type { Face, Label, Picture } from "./picture";
import { createHeading, createNote, createRectangle } from "./shapes";
import type { ChartTheme } from "./theme";

export interface KeptPictureOptions {
  readonly title: string;
  readonly theme: ChartTheme;
  readonly width: number;
}

const [head, foot, side] = [36, 34, 70];
const [gap, strip] = [4, 22];
/** Between the names of layers. */
const nameHeight = 13;
/** Of cells that are more than kept or dropped: few enough that equal neighbors are one shape. */
const colorLevels = 8;

export function createKeptPicture(
  data: KeptTokensData,
  { title, theme, width }: KeptPictureOptions,
): Picture {
  const { tokens, tokensPerColumn, texts, rows } = data;
  const remark = describeJoined(data);
  const rowHeight = Math.max(3, Math.min(12, 240 / rows.length));
  const toX = (column: number) =>
    side + ((width - side) * Math.min(tokens, column * tokensPerColumn)) / tokens;
  const tops: number[] = [];
  const names: Label[] = [];
  const faces: Face[] = [];
  let y = head;
  for (const [i, row] of rows.entries()) {
    const isFirst = rows[i - 1]?.layer !== row.layer;
    if (i > 0 && isFirst) y += gap;
    tops.push(y);
    if (isFirst) {
      const height = rows.filter(({ layer }) => layer === row.layer).length * rowHeight;
      const at = y + height / 2 + 4;
      if (at - (names.at(-1)?.y ?? -Infinity) >= nameHeight)
        names.push(createNote({ x: side - 8, y: at }, row.layer, "end", theme));
    }
    for (const { from, to, share } of joinEqualCells(data, row))
      faces.push(
        createRectangle(toX(from), y, toX(to) - toX(from), rowHeight - 1, getFillColor(share, 1, theme)),
      );
    y += rowHeight;
  }
  y += gap;
  const bottom = y + strip;
  const edges = Array.from({ length: texts.length + 1 }, (_, column) => toX(column));
  const strips = texts.map((_, column): Face => {
    const { kept, total } = countKept(data, column);
    return {
      ...createRectangle(
        toX(column),
        y,
        toX(column + 1) - toX(column),
        strip,
        getFillColor(kept / total, 1, theme),
      ),
      title: describeCell(data, rows.length, column),
    };
  });
  return {
    title,
    width,
    height: bottom + foot + (remark === undefined ? 0 : nameHeight),
    background: theme.background,
    font: theme.font,
    area: { left: side, top: head, right: width, bottom },
    // Equal colors are adjacent, so that they become one shape.
    faces: [...faces.toSorted((a, b) => (a.color < b.color ? -1 : a.color > b.color ? 1 : 0)), ...strips],
    grid: [],
    strokes: [],
    marks: [],
    labels: [
      createHeading(title, width, theme),
      ...names,
      createNote({ x: side - 8, y: y + strip / 2 + 4 }, "all heads", "end", theme),
      createNote({ x: side, y: bottom + 17 }, "0", "start", theme),
      createNote({ x: (side + width) / 2, y: bottom + 17 }, "position of the token", "middle", theme),
      createNote({ x: width, y: bottom + 17 }, String(tokens - 1), "end", theme),
      ...(remark === undefined
        ? []
        : [createNote({ x: (side + width) / 2, y: bottom + 17 + nameHeight }, remark, "middle", theme)]),
    ],
    readings: {
      x: [...rows.map(() => edges), edges],
      y: [...tops, y, bottom],
      describe: (row, column) => describeCell(data, row, column),
    },
  };
}

/** What the picture joins, because the text is long or the heads are many. */
function describeJoined({ tokensPerColumn, rows }: KeptTokensData): string | undefined {
  const heads = Math.max(...rows.map((row) => row.heads));
  const parts = [
    ...(tokensPerColumn > 1 ? [`${formatCount(tokensPerColumn)} tokens a column`] : []),
    ...(heads > 1 ? [`${formatCount(heads)} heads a row`] : []),
  ];
  return parts.length === 0 ? undefined : parts.join(", ");
}

/** Neighboring columns with the same share, the end exclusive; those of which nothing is kept are left out. */
function joinEqualCells(
  data: KeptTokensData,
  { heads, counts }: KeptTokensRow,
): { readonly from: number; readonly to: number; readonly share: number }[] {
  const cells: { from: number; to: number; share: number }[] = [];
  for (const [column, count] of counts.entries()) {
    if (count === 0) continue;
    const share = Math.ceil((colorLevels * count) / (heads * countColumnTokens(data, column))) / colorLevels;
    const last = cells.at(-1);
    if (last?.to === column && last.share === share) last.to++;
    else cells.push({ from: column, to: column + 1, share });
  }
  return cells;
}

/** Tokens of a column that are kept, of those of all heads. */
function countKept(data: KeptTokensData, column: number): { readonly kept: number; readonly total: number } {
  const heads = data.rows.reduce((sum, row) => sum + row.heads, 0);
  const kept = data.rows.reduce((sum, { counts }) => sum + counts[column]!, 0);
  return { kept, total: heads * countColumnTokens(data, column) };
}

/** The row after those of heads is that of all heads. */
function describeCell(data: KeptTokensData, at: number, column: number): string {
  const { tokensPerColumn, texts, rows } = data;
  const tokens = countColumnTokens(data, column);
  const first = column * tokensPerColumn;
  const position = tokens === 1 ? `position ${first}` : `positions ${first} to ${first + tokens - 1}`;
  const place = `${quoteText(texts[column]!)}, ${position}`;
  const row = rows[at];
  if (row === undefined) {
    const { kept, total } = countKept(data, column);
    return tokens === 1
      ? `${place}: in ${kept} of ${total} heads`
      : `${place}: ${formatCount(kept)} of ${formatCount(total)} kept, all heads together`;
  }
  const { layer, head: number, heads, counts } = row;
  const count = counts[column]!;
  const name = number === undefined ? `${layer}, ${formatCount(heads)} heads` : `${layer}, head ${number}`;
  const whole = heads * tokens;
  const result =
    whole > 1 ? `${formatCount(count)} of ${formatCount(whole)} kept` : count === 1 ? "kept" : "not kept";
  return `${place}, ${name}: ${result}`;
}

/** Also shows what is invisible or changes the direction of the text around it. */
function quoteText(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
