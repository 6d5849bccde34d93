/** The cursor's context in a cell that is being edited: key or value, its path, and its siblings. */
import type { Path } from "../experiment/experiment";
import { getValueAt } from "../experiment/faults";
import { isMap, type PlainMap } from "../experiment/plainMap";
import { parseLooseDocument, toPlainValue, type Spot, listSpots } from "./looseYaml";

export interface Cursor {
  readonly part: "key" | "value";
  /** The path of the value; for a key the path of its map. */
  readonly path: Path;
  /** Offsets in the cell of the word being written, excluding the end; equal if there is none yet. */
  readonly start: number;
  readonly end: number;
  /** Inside braces or brackets. */
  readonly flow: boolean;
  /** A key that already has its colon. */
  readonly hasColon: boolean;
  /** After the dash of a list item on the same line. */
  readonly afterDash: boolean;
  /** The only word on its line. */
  readonly isAlone: boolean;
  /** The cell without the word. */
  readonly cell: PlainMap;
  /** Other keys of the same map. */
  readonly siblings: readonly string[];
}

/** A private-use character that nobody types: it marks the cursor. */
const mark = "\uE000";

export function locateCursor(yaml: string, offset: number): Cursor | undefined {
  if (yaml.includes(mark)) return undefined;
  const before = yaml.slice(0, offset);
  const after = yaml.slice(offset);
  const lineBefore = /[^\r\n]*$/.exec(before)![0];
  const lineAfter = /^[^\r\n]*/.exec(after)![0];
  const isAlone = /^\s*(?:- +)*[\w.-]*$/.test(lineBefore) && /^\s*(?:#|$)/.test(lineAfter);
  // A word alone on its line is most likely a key without its colon. If a line breaks the text after it, the text is
  // parsed without the rest.
  const attempts = isAlone
    ? [`${before}${mark}:${after}`, `${before}${mark}:`]
    : [`${before}${mark}${after}`, `${before}${mark}${after.slice(lineAfter.length)}`, before + mark];
  for (const text of attempts) {
    const root = parseLooseDocument(text)?.contents;
    const spot = findMarkedSpot(root);
    if (spot === undefined || spot.scalar.type !== "PLAIN") continue;
    const [from, to] = spot.scalar.range;
    const word = text.slice(from, to);
    if (/[\r\n]/.test(word)) continue;
    const cell = toPlainWithoutMark(toPlainValue(root));
    const { part, path, flow } = spot;
    const map = getValueAt(isMap(cell) ? cell : {}, path);
    return {
      part,
      path,
      flow,
      start: Math.min(from, offset),
      end: Math.max(offset, to - mark.length),
      hasColon: /^[ \t]*:/.test(text.slice(to)) && !isAlone,
      afterDash: /^\s*-\s/.test(lineBefore),
      isAlone,
      cell: isMap(cell) ? cell : {},
      siblings: part === "key" && isMap(map) ? Object.keys(map) : [],
    };
  }
  return undefined;
}

function findMarkedSpot(root: unknown): Spot | undefined {
  for (const spot of listSpots(root))
    if (typeof spot.scalar.value === "string" && spot.scalar.value.includes(mark)) return spot;
  return undefined;
}

function toPlainWithoutMark(value: unknown): unknown {
  if (typeof value === "string") return value === mark ? null : value.replace(mark, "");
  if (Array.isArray(value)) return value.map(toPlainWithoutMark);
  if (!isMap(value)) return value;
  const entries = Object.entries(value).filter(([key]) => !key.includes(mark));
  return Object.fromEntries(entries.map(([key, inside]) => [key, toPlainWithoutMark(inside)]));
}
