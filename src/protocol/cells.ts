/**
 * Cuts the text of an experiment into prose and cells. The pieces joined again are the text, byte for byte,
 * so that an editor may rewrite one cell and leave everything else as it was.
 *
 * A cell is a fence that starts in the first column and whose language is `yaml` or `yml`; attributes such as a title may
 * follow the language. A block that looks like a cell and is not one is a fault where it would certainly be lost, and a
 * warning elsewhere.
 * The scan takes one pass over the lines: general Markdown parsers need minutes for a hostile file of this size.
 */

import { actionKeys } from "../schema/cellKeys";

/** An experiment is no longer than this; whatever reads one refuses a longer text. */
export const maxCharacters = 256 * 1024;

export interface Piece {
  readonly kind: "prose" | "cell";
  /** Offsets in the text, end excluded; for a cell with both fences and the line end of the last. */
  readonly start: number;
  readonly end: number;
  /** 1-based, last line included. */
  readonly firstLine: number;
  readonly lastLine: number;
  /** Offsets of the text between the fences. */
  readonly body?: { readonly start: number; readonly end: number; readonly firstLine: number };
}

export interface CellFault {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export interface Line {
  readonly start: number;
  /** Without the line end. */
  readonly end: number;
  /** With the line end. */
  readonly next: number;
}

/** Markdown and YAML both end a line at CRLF, LF or CR. */
export function splitLines(text: string): Line[] {
  const lines: Line[] = [];
  const lineEnds = /\r\n|\n|\r/g;
  let start = 0;
  for (let match = lineEnds.exec(text); match !== null; match = lineEnds.exec(text)) {
    lines.push({ start, end: match.index, next: lineEnds.lastIndex });
    start = lineEnds.lastIndex;
  }
  if (start < text.length) lines.push({ start, end: text.length, next: text.length });
  return lines;
}

const fenceOpening = /^( {0,3})(`{3,}|~{3,})([^]*)$/;
const cellInfo = /^[ \t]*ya?ml(?:[ \t{,:;][^]*)?$/i;
/** Languages of blocks that are meant to be read only. */
const plainInfo = /^[ \t]*(?:te?xt|plain|plaintext)\b/i;
const cellKey = new RegExp(
  `^(?:data|model|base_model|recipe|scales|variants|sweep|search|paper|${actionKeys.join("|")}):(?:[ \\t]|$)`,
);
/** A fence of YAML inside a list, a quotation or indented code. Takes linear time: no two parts repeat over the same blanks. */
const nestedFence = /^(?:[ \t]{4}|[ \t]*(?:>|[-*+]|\d{1,9}[.)]))[ \t>]*(?:`{3,}|~{3,})[ \t]*ya?ml\b/i;
/** HTML that Markdown passes through until a closing mark, or until an empty line. */
const htmlOpenings: readonly (readonly [start: RegExp, end: RegExp, close: string])[] = [
  [/^ {0,3}<!--/, /-->/, "-->"],
  [/^ {0,3}<(?:pre|script|style|textarea)(?:[\s>]|$)/i, /<\/(?:pre|script|style|textarea)>/i, "</pre>"],
  [/^ {0,3}<\/?[a-z][a-z0-9-]*(?:[\s>]|\/>|$)/i, /^\s*$/, ""],
];

export interface CellSplit {
  readonly pieces: readonly Piece[];
  readonly faults: readonly CellFault[];
  /** Blocks that look like cells and are not. */
  readonly warnings: readonly CellFault[];
  /** The line that would end the fence or the HTML in which the text stops: whatever followed would belong to it. */
  readonly unclosed?: string;
}

export function splitCells(text: string): CellSplit {
  const lines = splitLines(text);
  const pieces: Piece[] = [];
  const faults: CellFault[] = [];
  const warnings: CellFault[] = [];
  let fence: { mark: string; indent: number; line: number; info: string; cell: boolean } | undefined;
  let html: (typeof htmlOpenings)[number] | undefined;
  let prose = 0;

  const push = (kind: Piece["kind"], from: number, to: number, body?: Piece["body"]) => {
    if (from >= to) return;
    const piece = {
      kind,
      start: lines[from]!.start,
      end: lines[to - 1]!.next,
      firstLine: from + 1,
      lastLine: to,
    };
    pieces.push(body === undefined ? piece : { ...piece, body });
  };

  lines.forEach((line, index) => {
    const content = text.slice(line.start, line.end).replace(index === 0 ? /^\uFEFF/ : /(?!)/, "");
    if (fence !== undefined) {
      const close = /^ {0,3}(`{3,}|~{3,})[ \t]*$/.exec(content)?.[1];
      if (close === undefined || !close.startsWith(fence.mark)) {
        if (index === fence.line + 1 && !fence.cell && !plainInfo.test(fence.info) && cellKey.test(content))
          warnings.push({
            line: fence.line + 1,
            column: fence.indent + 1,
            message: describeNonCell(fence.info),
          });
        return;
      }
      if (fence.cell) {
        const bodyStart = lines[fence.line]!.next;
        push("prose", prose, fence.line);
        push("cell", fence.line, index + 1, { start: bodyStart, end: line.start, firstLine: fence.line + 2 });
        prose = index + 1;
      }
      fence = undefined;
      return;
    }
    const open = fenceOpening.exec(content);
    const [, indent = "", mark = "", info = ""] = open ?? [];
    const isFence = open !== null && !(mark.startsWith("`") && info.includes("`"));
    const isCell = isFence && cellInfo.test(info);
    if (html !== undefined) {
      const endsAtEmptyLine = html[1].test("");
      if (isCell && indent === "" && endsAtEmptyLine)
        faults.push({
          line: index + 1,
          column: 1,
          message: "this yaml block belongs to the HTML above it. Leave an empty line between them",
        });
      if (html[1].test(content)) html = undefined;
      return;
    }
    if (isFence) {
      if (isCell && indent !== "")
        faults.push({
          line: index + 1,
          column: indent.length + 1,
          message:
            "a yaml block is a cell only where its fence starts in the first column. Move it there, or give it another info string",
        });
      fence = { mark, indent: indent.length, line: index, info, cell: isCell && indent === "" };
      return;
    }
    if (nestedFence.test(content))
      warnings.push({
        line: index + 1,
        column: content.search(/[`~]/) + 1,
        message:
          "this yaml block is inside a list, a quotation or indented code, so it is not a cell. Start its fence in the first column, or give it the language text",
      });
    const htmlOpening = htmlOpenings.find(([start]) => start.test(content));
    if (htmlOpening !== undefined) {
      const rest = htmlOpening[1].test("") ? content : content.replace(htmlOpening[0], "");
      if (!htmlOpening[1].test(rest)) html = htmlOpening;
    }
  });

  if (fence !== undefined) {
    const { line, indent, mark } = fence;
    faults.push({
      line: line + 1,
      column: indent + 1,
      message: `the block that opens here is never closed. Add a line with ${mark}`,
    });
  }
  push("prose", prose, lines.length);
  const unclosed = fence?.mark ?? html?.[2];
  return { pieces, faults, warnings, ...(unclosed === undefined ? {} : { unclosed }) };
}

function describeNonCell(info: string): string {
  const language = info.trim();
  const problem =
    language === "" ? "has no language" : `has the language ${JSON.stringify(language.slice(0, 40))}`;
  return `this block looks like a cell but ${problem}, so it does not run. Write \`\`\`yaml, or give it the language text`;
}
