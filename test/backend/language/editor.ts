/** A simple editor for tests: a text with a cursor, and the result of accepting a completion. */
import { basename } from "node:path";
import type { Completion, TextRange } from "../../../src/protocol/service/experiments";
import { ExperimentLanguage } from "../../../src/backend/language/experimentLanguage";
import { schemaCatalog } from "../../../src/backend/schemaCatalog";

export const language = new ExperimentLanguage(schemaCatalog, (file) => basename(file));
export const file = "/nowhere/x.lathe.md";

/** A Markdown file with one cell per argument. */
export function cells(...bodies: readonly string[]): string {
  return bodies.map((body) => `\`\`\`yaml\n${body}\n\`\`\`\n`).join("\nProse.\n\n");
}

export interface At {
  readonly file: string;
  readonly text: string;
  readonly offset: number;
}

/** `|` marks the cursor and is removed; `mark` replaces it if the YAML contains a bar. */
export function at(marked: string, mark = "|"): At {
  const offset = marked.indexOf(mark);
  if (offset < 0) throw new Error("The text has no cursor.");
  return { file, text: marked.slice(0, offset) + marked.slice(offset + 1), offset };
}

export function offsetOf(text: string, line: number, column: number): number {
  const before = text.split("\n").slice(0, line - 1);
  return before.reduce((sum, each) => sum + each.length + 1, 0) + column - 1;
}

export function within(text: string, { line, column, endLine, endColumn }: TextRange): string {
  return text.slice(offsetOf(text, line, column), offsetOf(text, endLine, endColumn));
}

/**
 * The text after accepting, with the first choice in every placeholder; further lines are indented like the line, as in
 * editors.
 */
export function accepted({ text }: At, { insert, range }: Completion): string {
  const start = offsetOf(text, range.line, range.column);
  const indent = /^[ \t]*/.exec(text.split("\n")[range.line - 1]!)![0];
  const written = insert
    .replace(/\$\{\d+\|((?:\\.|[^|\\])*)\|\}/g, (_, choices: string) => choices.split(/(?<!\\),/)[0]!)
    .replace(/\$\{\d+:((?:\\.|[^}\\])*)\}/g, "$1")
    .replace(/(?<!\\)\$\d/g, "")
    .replace(/\\([\\$},|])/g, "$1")
    .replaceAll("\n", `\n${indent}`);
  return text.slice(0, start) + written + text.slice(offsetOf(text, range.endLine, range.endColumn));
}
