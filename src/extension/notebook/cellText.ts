/**
 * The text of an experiment ⇄ the cells of a notebook. What a cell's text does not contain – fences, blank lines
 * between cells, line ends – is kept with the cell, so that unchanged cells keep every byte when others change. Does not
 * import vscode and does not interpret the cells.
 */
import { splitCells, splitLines, maxCharacters } from "../../protocol/cells";
import { WorkbenchError } from "../../protocol/errors";
import { t } from "../l10n";

/** What a notebook shows of a cell: its lines are joined by LF, or by whatever the editor made of it. */
export interface CellText {
  readonly kind: "prose" | "code";
  readonly value: string;
  /** For code only; any language but yaml becomes a block that is not a cell of the experiment. */
  readonly language?: string;
  readonly frame?: CellFrame;
}

/** How the cell differs from what a new cell would become. */
export interface CellFrame {
  /** The line that opens the fence. */
  readonly open?: string;
  readonly close?: string;
  /** From the end of the cell's last line to the start of the next cell. */
  readonly after?: string;
  /** The whole cell, if the other fields do not reproduce its value, for example because of mixed line ends. */
  readonly source?: string;
}

export interface NotebookFrame {
  readonly bom?: true;
  readonly eol?: "\r\n" | "\r";
  /** Before the first cell. */
  readonly head?: string;
  /** After the last cell, a line end where it is not given. */
  readonly tail?: string;
}

export interface NotebookText {
  readonly cells: readonly CellText[];
  readonly frame: NotebookFrame;
}

/** The place of a cell in the text: 0-based lines of its value, none for an empty block, and of the whole block. */
export interface CellPlace {
  readonly cell: number;
  readonly valueLine: number;
  readonly valueLines: number;
  readonly firstLine: number;
  readonly lastLine: number;
}

export interface ComposedText {
  /** Without a byte order mark. */
  readonly text: string;
  /** In order; an empty Markdown cell produces no text and has no place. */
  readonly places: readonly CellPlace[];
}

const bom = "\uFEFF";
const lineEnd = /\r\n|\r|\n/g;

/** Throws if the file is not an experiment that can be shown and saved without loss. */
export function decodeNotebook(bytes: Uint8Array): NotebookText {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw createRefusal(t("The file is not UTF-8 text. Save it as UTF-8"), { cause });
  }
  return parseNotebook(text);
}

export function encodeNotebook(notebook: NotebookText): Uint8Array {
  return new TextEncoder().encode((notebook.frame.bom ? bom : "") + composeNotebook(notebook).text);
}

export function parseNotebook(content: string): NotebookText {
  if (content.length > maxCharacters)
    throw createRefusal(
      t(
        "The file has {0} characters, but an experiment has at most {1}. Move data to separate files",
        content.length,
        maxCharacters,
      ),
    );
  const text = content.startsWith(bom) ? content.slice(1) : content;
  const { pieces, faults, unclosed = "" } = splitCells(text);
  // A misplaced block is shown as Markdown for now, so that the user can fix it in place.
  if (isFence(unclosed)) {
    const { line, column, message } = faults.at(-1)!;
    throw createRefusal(t("Line {0}, column {1}: {2}", line, column, message));
  }
  const eol = detectLineEnd(text);
  const parts: { kind: CellText["kind"]; source: string; after: string }[] = [];
  let head = "";
  const appendBlank = (blank: string) => {
    const last = parts.at(-1);
    if (last === undefined) head += blank;
    else last.after += blank;
  };
  for (const piece of pieces) {
    const block = text.slice(piece.start, piece.end);
    const { before, source, after } = piece.kind === "cell" ? splitEnd(block) : splitBlank(block);
    appendBlank(before);
    if (source === "") appendBlank(after);
    else parts.push({ kind: piece.kind === "cell" ? "code" : "prose", source, after });
  }
  const tail = parts.at(-1)?.after ?? "";
  return {
    cells: parts.map(({ kind, source, after }, index) =>
      createCell(kind, source, index === parts.length - 1 ? undefined : after, eol),
    ),
    frame: {
      ...(content === text ? {} : { bom: true }),
      ...(eol === "\n" ? {} : { eol }),
      ...(head === "" ? {} : { head }),
      ...(parts.length === 0 || tail === eol ? {} : { tail }),
    },
  };
}

/** Whatever the cells hold, the text comes apart into the same cells again; prose side by side becomes one. */
export function composeNotebook({ cells, frame }: NotebookText): ComposedText {
  const eol = frame.eol ?? "\n";
  const cellSources = cells
    .map((cell, index) => ({ cell, index, source: getSource(cell, eol) }))
    .filter(({ source }) => !isBlank(source));
  const places: CellPlace[] = [];
  let text = frame.head ?? "";
  // A file of blanks alone may stop within its line.
  if (cellSources.length > 0 && !/(?:^|[\r\n])$/.test(text)) text += eol;
  let line = countLineEnds(text);
  cellSources.forEach(({ cell, index, source }, position) => {
    const next = cellSources[position + 1]?.cell;
    const unclosed = cell.kind === "prose" ? splitCells(source).unclosed : undefined;
    const closing = getClosing(unclosed, next !== undefined, eol);
    const after =
      next === undefined
        ? (frame.tail ?? eol)
        : getSpacing(cell, next, cell.frame?.after ?? eol + eol, unclosed === "", eol);
    const fence = cell.kind === "code" ? 1 : 0;
    const valueLines = countLineEnds(source) + 1 - 2 * fence;
    const lastLine = line + countLineEnds(source + closing);
    places.push({ cell: index, valueLine: line + fence, valueLines, firstLine: line, lastLine });
    text += source + closing + after;
    line = lastLine + countLineEnds(after);
  });
  return { text, places };
}

function createCell(
  kind: CellText["kind"],
  source: string,
  after: string | undefined,
  eol: string,
): CellText {
  const lines = source.split(lineEnd);
  const value = getValue(kind, source);
  const open = lines[0]!;
  const close = lines.at(-1)!;
  const frame: CellFrame = {
    ...(kind === "prose" || open === "```yaml" ? {} : { open }),
    ...(kind === "prose" || close === getFenceMark(open) ? {} : { close }),
    ...(after === undefined || after === eol + eol ? {} : { after }),
  };
  const cell: CellText = { kind, value, ...(kind === "code" ? { language: "yaml" } : {}), frame };
  return getSource(cell, eol) === source ? cell : { ...cell, frame: { ...frame, source } };
}

function getValue(kind: CellText["kind"], source: string): string {
  const lines = source.split(lineEnd);
  return (kind === "prose" ? lines : lines.slice(1, -1)).join("\n");
}

/** Without the line end after its last line. */
function getSource({ kind, value, language, frame }: CellText, eol: string): string {
  const lines = value.split(lineEnd);
  const normalized = lines.join("\n");
  const { source } = frame ?? {};
  const isYaml = language === undefined || language === "yaml";
  if (source !== undefined && (kind === "prose" || isYaml) && getValue(kind, source) === normalized)
    return source;
  if (kind === "prose") return lines.join(eol);
  const opening = (isYaml ? frame?.open : undefined) ?? `\`\`\`${isYaml ? "yaml" : language}`;
  const originalMark = getFenceMark(opening);
  const mark = createFenceMark(lines, originalMark);
  const open = mark + opening.slice(originalMark.length);
  const close = frame?.close?.startsWith(mark) ? frame.close : mark;
  return [open, ...lines, close].join(eol);
}

function getFenceMark(open: string): string {
  return /^(`+|~+)/.exec(open)?.[0] ?? "```";
}

/** A fence that no line of the text closes. */
function createFenceMark(lines: readonly string[], mark: string): string {
  const character = mark[0]!;
  const closing = new RegExp(`^ {0,3}(${character}{3,})[ \\t]*$`);
  const longest = Math.max(0, ...lines.map((line) => closing.exec(line)?.[1]?.length ?? 0));
  return character.repeat(Math.max(mark.length, longest + 1));
}

/** Ends a fence or HTML that would swallow what follows; a fence also where nothing does, since no cell may be open. */
function getClosing(unclosed: string | undefined, isFollowed: boolean, eol: string): string {
  if (unclosed === undefined || unclosed === "") return "";
  return isFence(unclosed) || isFollowed ? eol + unclosed : "";
}

function isFence(unclosed: string): boolean {
  return /^[`~]/.test(unclosed);
}

function isBlank(text: string): boolean {
  return /^[ \t\r\n]*$/.test(text);
}

function getSpacing(cell: CellText, next: CellText, after: string, html: boolean, eol: string): string {
  // Prose continues over a single line end, and this kind of HTML ends only at an empty line.
  const required = (cell.kind === "prose" && next.kind === "prose") || html ? 2 : 1;
  return countLineEnds(after) >= required ? after : eol.repeat(required);
}

interface SplitText {
  readonly before: string;
  readonly source: string;
  readonly after: string;
}

/** A cell does not show the blank lines at its ends. */
function splitBlank(text: string): SplitText {
  const lines = splitLines(text).filter(({ start, end }) => !isBlank(text.slice(start, end)));
  const start = lines[0]?.start ?? text.length;
  const end = lines.at(-1)?.end ?? text.length;
  return { before: text.slice(0, start), source: text.slice(start, end), after: text.slice(end) };
}

function splitEnd(text: string): SplitText {
  const end = /(?:\r\n|\r|\n)?$/.exec(text)!.index;
  return { before: "", source: text.slice(0, end), after: text.slice(end) };
}

function detectLineEnd(text: string): "\n" | "\r\n" | "\r" {
  const counts = { "\n": 0, "\r\n": 0, "\r": 0 };
  for (const end of text.match(lineEnd) ?? []) counts[end as keyof typeof counts]++;
  if (counts["\r\n"] > counts["\n"] && counts["\r\n"] >= counts["\r"]) return "\r\n";
  return counts["\r"] > counts["\n"] ? "\r" : "\n";
}

function countLineEnds(text: string): number {
  return text.match(lineEnd)?.length ?? 0;
}

function createRefusal(problem: string, options?: { cause: unknown }): WorkbenchError {
  return new WorkbenchError(
    "invalid-input",
    t(
      'This file cannot be shown as a notebook. {0}. To fix it, open the file as text: "Reopen Editor With… → Text Editor".',
      problem,
    ),
    {},
    options,
  );
}
