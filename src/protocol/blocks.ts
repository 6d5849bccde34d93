/** Results in a form that every interface can show: rich in a page, as Markdown elsewhere. Text is text, whatever it holds. */

import type { FigureData } from "./figures";

export type CellValue = string | number | null;

export type Block =
  | {
      readonly kind: "table";
      readonly title?: string;
      readonly columns: readonly string[];
      readonly rows: readonly (readonly CellValue[])[];
    }
  | { readonly kind: "samples"; readonly title?: string; readonly samples: readonly Sample[] }
  | {
      readonly kind: "figure";
      /** The same for the figures of several runs that are shown side by side. */
      readonly title: string;
      readonly caption: string;
      readonly data: FigureData;
    }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "file"; readonly label: string; readonly path: string; readonly bytes?: number };

export interface Sample {
  readonly prompt: string;
  readonly text: string;
}

/** Samples of one run under the name by which a reader knows it. */
export interface NamedSamples {
  readonly name: string;
  readonly samples: readonly Sample[];
}

/** Samples of several runs side by side: each prompt once, with the text of each run or null. */
export function alignSamples(
  runs: readonly NamedSamples[],
): readonly { readonly prompt: string; readonly texts: readonly (string | null)[] }[] {
  const rows = new Map<string, { readonly prompt: string; readonly texts: (string | null)[] }>();
  runs.forEach(({ samples }, run) => {
    const occurrences = new Map<string, number>();
    for (const { prompt, text } of samples) {
      // A prompt that is given twice has a row for each time.
      const occurrence = occurrences.get(prompt) ?? 0;
      occurrences.set(prompt, occurrence + 1);
      const key = `${occurrence} ${prompt}`;
      const row = rows.get(key) ?? { prompt, texts: runs.map(() => null) };
      row.texts[run] = text;
      rows.set(key, row);
    }
  });
  return [...rows.values()];
}

export function formatMarkdown(blocks: readonly Block[]): string {
  return blocks.map(formatBlock).join("\n\n");
}

function formatBlock(block: Block): string {
  switch (block.kind) {
    case "table": {
      const line = (cells: readonly CellValue[]) =>
        `| ${cells.map((cell) => escapeInline(String(cell ?? "–"))).join(" | ")} |`;
      const title = block.title === undefined ? "" : `**${escapeInline(block.title)}**\n\n`;
      const head = [line(block.columns), `|${block.columns.map(() => " --- |").join("")}`];
      return title + [...head, ...block.rows.map(line)].join("\n");
    }
    case "samples": {
      const title = block.title === undefined ? "" : `**${escapeInline(block.title)}**\n\n`;
      return title + block.samples.map(({ prompt, text }) => formatFence(prompt + text)).join("\n\n");
    }
    case "figure":
      return `**${escapeInline(block.title)}**\n\n${escapeInline(block.caption)}`;
    case "text":
      return escapeInline(block.text);
    case "file":
      return `${escapeInline(block.label)}: ${formatCode(block.path)}`;
  }
}

/** Nothing of the text is markup, not even an address that would be made a link, and a row stays a row. */
export function escapeInline(text: string): string {
  return text.replace(/[\\`*_{}[\]()#+\-.!|<>&~$:@]/g, "\\$&").replace(/\r?\n|\r/g, " ");
}

/** A fence longer than any run of backticks inside. */
function formatFence(text: string): string {
  const mark = "`".repeat(Math.max(3, countLongestBackticks(text) + 1));
  return `${mark}text\n${text}\n${mark}`;
}

function formatCode(text: string): string {
  const mark = "`".repeat(countLongestBackticks(text) + 1);
  return `${mark} ${text.replace(/\s+/g, " ")} ${mark}`;
}

function countLongestBackticks(text: string): number {
  return Math.max(0, ...(text.match(/`+/g) ?? []).map(({ length }) => length));
}
