/**
 * Formats an error as the output of a cell. VS Code shows it as text, except that in a trusted workspace it interprets
 * links as HTML: Lathe's links lead to the cell and line, and anything else that looks like a link is escaped.
 */
import { basename } from "node:path";
import { toWorkbenchError } from "../../protocol/errors";
import { escapeControls } from "../plainText";

const maxColumns = 100;

export interface FaultLinks {
  /** Absolute, as messages name it. */
  readonly file: string;
  /** Address of a place in the file; undefined where it has none, or where links are not to be had. */
  readonly linkTo: (line: number, column: number) => string | undefined;
}

export function formatFault(thrown: unknown, { file, linkTo }: FaultLinks): string {
  const { message, details } = toWorkbenchError(thrown);
  const { position } = details;
  const location = position && `${position.file}:${position.line}:${position.column}`;
  const text = location === undefined || message.includes(location) ? message : `${location}: ${message}`;
  const name = escapeTags(basename(file));
  const lines = escapeTags(escapeControls(text))
    .replaceAll(escapeTags(file), name)
    .split("\n")
    .flatMap(wrapLine);
  // Split instead of a pattern, since a file's name may hold anything.
  return lines
    .map((line) =>
      line
        .split(`${name}:`)
        .map((part, index) => linkPosition(part, index, name, linkTo))
        .join(""),
    )
    .join("\n");
}

function linkPosition(part: string, index: number, name: string, linkTo: FaultLinks["linkTo"]): string {
  if (index === 0) return part;
  const numbers = /^(\d{1,9}):(\d{1,9})/.exec(part);
  if (numbers === null) return `${name}:${part}`;
  const [place, line, column] = numbers;
  const target = linkTo(Number(line), Number(column));
  const label = `${name}:${place}`;
  const link = target === undefined ? label : `<a href='${target.replaceAll("'", "%27")}'>${label}</a>`;
  return link + part.slice(place.length);
}

/** A word joiner after `<`, which nobody sees, and nothing is a tag any more. */
export function escapeTags(text: string): string {
  return text.replace(/<(?=[a-z/!?])/gi, "<\u2060");
}

/** Outputs don't break lines by themselves. */
function wrapLine(line: string): string[] {
  const lines: string[] = [];
  let current = "";
  for (const word of line.split(" ")) {
    if (current !== "" && current.length + word.length >= maxColumns) {
      lines.push(current);
      current = `    ${word}`;
    } else current += current === "" ? word : ` ${word}`;
  }
  return [...lines, current];
}
