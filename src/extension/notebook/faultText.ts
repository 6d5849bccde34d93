/**
 * Formats an error as the output of a cell. VS Code shows it as text, except that in a trusted workspace it interprets
 * links as HTML: Lathe's links lead to the cell and line, and anything else that looks like a link is escaped.
 */
import { basename } from "node:path";
import { toWorkbenchError } from "../../protocol/errors";
import { plainText } from "../plainText";

const mostColumns = 100;

export interface FaultPlaces {
  /** Absolute, as messages name it. */
  readonly file: string;
  /** Address of a place in the file; undefined where it has none, or where links are not to be had. */
  readonly linkTo: (line: number, column: number) => string | undefined;
}

export function faultText(thrown: unknown, { file, linkTo }: FaultPlaces): string {
  const { message, details } = toWorkbenchError(thrown);
  const { position } = details;
  const place = position && `${position.file}:${position.line}:${position.column}`;
  const told = place === undefined || message.includes(place) ? message : `${place}: ${message}`;
  const name = withoutTags(basename(file));
  const lines = withoutTags(plainText(told)).replaceAll(withoutTags(file), name).split("\n").flatMap(wrapped);
  // Split instead of a pattern, since a file's name may hold anything.
  return lines
    .map((line) =>
      line
        .split(`${name}:`)
        .map((part, index) => linked(part, index, name, linkTo))
        .join(""),
    )
    .join("\n");
}

function linked(part: string, index: number, name: string, linkTo: FaultPlaces["linkTo"]): string {
  if (index === 0) return part;
  const numbers = /^(\d{1,9}):(\d{1,9})/.exec(part);
  if (numbers === null) return `${name}:${part}`;
  const [place, line, column] = numbers;
  const address = linkTo(Number(line), Number(column));
  const shown = `${name}:${place}`;
  const link = address === undefined ? shown : `<a href='${address.replaceAll("'", "%27")}'>${shown}</a>`;
  return link + part.slice(place.length);
}

/** A word joiner after `<`, which nobody sees, and nothing is a tag any more. */
export function withoutTags(text: string): string {
  return text.replace(/<(?=[a-z/!?])/gi, "<\u2060");
}

/** Outputs don't break lines by themselves. */
function wrapped(line: string): string[] {
  const lines: string[] = [];
  let current = "";
  for (const word of line.split(" ")) {
    if (current !== "" && current.length + word.length >= mostColumns) {
      lines.push(current);
      current = `    ${word}`;
    } else current += current === "" ? word : ` ${word}`;
  }
  return [...lines, current];
}
