/** The cells of a text that is being edited, and the mapping between offsets and positions of the file. */
import { splitCells, type Line, splitLines } from "../../protocol/cells";
import type { TextRange } from "../../protocol/service/experiments";

/** The YAML of one cell, without its fences. */
export interface CellText {
  readonly index: number;
  /** Offsets of the YAML in the file, excluding the end. */
  readonly start: number;
  readonly end: number;
  readonly yaml: string;
  /** 1-based lines of the block with its fences, both ends inclusive. */
  readonly firstLine: number;
  readonly lastLine: number;
}

export function isYamlFile(file: string): boolean {
  return /\.ya?ml$/i.test(file);
}

export function listCellTexts(file: string, text: string): readonly CellText[] {
  return isYamlFile(file) ? splitDocuments(text) : splitFences(text);
}

/** The cell at an offset, including its end, where one types. */
export function findCellAtOffset(cells: readonly CellText[], offset: number): CellText | undefined {
  return cells.find(({ start, end }) => offset >= start && offset <= end);
}

function splitFences(text: string): CellText[] {
  const blocks = splitCells(closeFence(text));
  return blocks.pieces
    .flatMap(({ body, firstLine, lastLine }) => (body === undefined ? [] : [{ body, firstLine, lastLine }]))
    .map(({ body, firstLine, lastLine }, index) => {
      const { start } = body;
      const end = Math.min(body.end, text.length);
      return { index, start, end, yaml: text.slice(start, end), firstLine, lastLine };
    });
}

/** A block that is being written has no closing fence yet, but is a cell already. */
function closeFence(text: string): string {
  const open = splitCells(text).faults.find(({ message }) => message.includes("never closed"));
  if (open === undefined) return text;
  const line = splitLines(text)[open.line - 1]!;
  const mark = /^ {0,3}(`{3,}|~{3,})/.exec(text.slice(line.start, line.end))?.[1] ?? "```";
  return `${text}\n${mark}\n`;
}

/** The documents of a YAML file, separated by lines of three dashes. */
function splitDocuments(text: string): CellText[] {
  const lines = splitLines(text);
  const cells: CellText[] = [];
  let first = 0;
  const push = (to: number) => {
    const start = lines[first]?.start ?? 0;
    const end = to < lines.length ? lines[to]!.start : text.length;
    const yaml = text.slice(start, end);
    // As in parsing: a document with only comments is not a cell.
    if (/^[^\S\r\n]*[^\s#]/m.test(yaml) || to === lines.length)
      cells.push({
        index: cells.length,
        start,
        end,
        yaml,
        firstLine: first + 1,
        lastLine: Math.max(first + 1, to),
      });
  };
  lines.forEach(({ start, end }, index) => {
    if (!/^---(\s|$)/.test(text.slice(start, end))) return;
    push(index);
    first = index + 1;
  });
  push(lines.length);
  return cells;
}

/** Converts between offsets and the 1-based lines and columns of editors. */
export class TextPositions {
  readonly #lines: readonly Line[];

  constructor(private readonly text: string) {
    const lines = splitLines(text);
    // A trailing line break adds one more line, where the cursor may be.
    const last = lines.at(-1);
    const more = last === undefined || last.next > last.end;
    this.#lines = more ? [...lines, { start: text.length, end: text.length, next: text.length }] : lines;
  }

  offsetOf(line: number, column: number): number {
    const lineRange = this.#lines[Math.min(Math.max(line, 1), this.#lines.length) - 1]!;
    return Math.min(lineRange.start + Math.max(column, 1) - 1, lineRange.end);
  }

  /** The line at an offset, without its line break. */
  lineAt(offset: number): { readonly start: number; readonly end: number; readonly text: string } {
    const { start, end } = this.#lines[this.#indexAt(offset)]!;
    return { start, end, text: this.text.slice(start, end) };
  }

  range(start: number, end: number): TextRange {
    const [from, to] = [this.#place(start), this.#place(Math.max(start, end))];
    return { line: from.line, column: from.column, endLine: to.line, endColumn: to.column };
  }

  #place(offset: number): { line: number; column: number } {
    const index = this.#indexAt(offset);
    return { line: index + 1, column: offset - this.#lines[index]!.start + 1 };
  }

  #indexAt(offset: number): number {
    let [low, high] = [0, this.#lines.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#lines[middle]!.start <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
