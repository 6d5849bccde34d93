/** Which tokens of a text are in a cache: a row for each head of each layer, and below, how many heads have each token. */
import { getFillColor } from "./matrix";
import type { Face, Picture } from "./picture";
import { createHeading, createNote, createRectangle } from "./shapes";
import type { ChartTheme } from "./theme";

export interface KeptPictureOptions {
  readonly title: string;
  /** The text of each token. */
  readonly tokens: readonly string[];
  /** Positions in each layer and head, in order. */
  readonly layers: readonly (readonly (readonly number[])[])[];
  readonly theme: ChartTheme;
  readonly width: number;
}

const [head, foot, side] = [36, 34, 70];
const [gap, strip] = [4, 22];

export function createKeptPicture({ title, tokens, layers, theme, width }: KeptPictureOptions): Picture {
  const heads = layers.reduce((sum, { length }) => sum + length, 0);
  const rowHeight = Math.max(3, Math.min(12, 240 / heads));
  const cellWidth = (width - side) / tokens.length;
  const counts = tokens.map(() => 0);
  const faces: Face[] = [];
  const names: { readonly y: number; readonly text: string }[] = [];
  let y = head;
  for (const [layer, rows] of layers.entries()) {
    names.push({ y: y + (rows.length * rowHeight) / 2 + 4, text: `layer ${layer}` });
    for (const positions of rows) {
      for (const [from, to] of joinRuns(positions))
        faces.push(
          createRectangle(side + from * cellWidth, y, (to - from) * cellWidth, rowHeight - 1, theme.accent),
        );
      for (const position of positions) counts[position]! += 1;
      y += rowHeight;
    }
    y += gap;
  }
  const strips = tokens.map((token, position): Face => {
    const kept = counts[position]!;
    return {
      ...createRectangle(
        side + position * cellWidth,
        y,
        cellWidth,
        strip,
        getFillColor(kept / heads, 1, theme),
      ),
      title: `${JSON.stringify(token)}, position ${position}: in ${kept} of ${heads} heads`,
    };
  });
  const bottom = y + strip;
  return {
    title,
    width,
    height: bottom + foot,
    background: theme.background,
    font: theme.font,
    area: { left: side, top: head, right: width, bottom },
    faces: [...faces, ...strips],
    grid: [],
    strokes: [],
    marks: [],
    labels: [
      createHeading(title, width, theme),
      ...names.map(({ y: at, text }) => createNote({ x: side - 8, y: at }, text, "end", theme)),
      createNote({ x: side - 8, y: y + strip / 2 + 4 }, "heads", "end", theme),
      createNote({ x: side, y: bottom + 17 }, "0", "start", theme),
      createNote({ x: (side + width) / 2, y: bottom + 17 }, "position of the token", "middle", theme),
      createNote({ x: width, y: bottom + 17 }, String(tokens.length - 1), "end", theme),
    ],
  };
}

/** Consecutive positions as ranges, the end exclusive. */
function joinRuns(positions: readonly number[]): [from: number, to: number][] {
  const runs: [number, number][] = [];
  for (const position of positions) {
    const last = runs.at(-1);
    if (last?.[1] === position) last[1]++;
    else runs.push([position, position + 1]);
  }
  return runs;
}
