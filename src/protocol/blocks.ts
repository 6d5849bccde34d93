/** Results in a form that every face can show: rich in a page, as Markdown elsewhere. Text is text, whatever it holds. */

export type CellValue = string | number | null;

export type Block =
  | {
      readonly kind: "table";
      readonly title?: string;
      readonly columns: readonly string[];
      readonly rows: readonly (readonly CellValue[])[];
    }
  | { readonly kind: "samples"; readonly title?: string; readonly samples: readonly Sample[] }
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
export function besideEachOther(
  runs: readonly NamedSamples[],
): readonly { readonly prompt: string; readonly texts: readonly (string | null)[] }[] {
  const rows = new Map<string, { readonly prompt: string; readonly texts: (string | null)[] }>();
  runs.forEach(({ samples }, run) => {
    const times = new Map<string, number>();
    for (const { prompt, text } of samples) {
      // A prompt that is given twice has a row for each time.
      const time = times.get(prompt) ?? 0;
      times.set(prompt, time + 1);
      const key = `${time} ${prompt}`;
      const row = rows.get(key) ?? { prompt, texts: runs.map(() => null) };
      row.texts[run] = text;
      rows.set(key, row);
    }
  });
  return [...rows.values()];
}

export function markdownOf(blocks: readonly Block[]): string {
  return blocks.map(blockMarkdown).join("\n\n");
}

function blockMarkdown(block: Block): string {
  switch (block.kind) {
    case "table": {
      const line = (cells: readonly CellValue[]) =>
        `| ${cells.map((cell) => escaped(String(cell ?? "–"))).join(" | ")} |`;
      const title = block.title === undefined ? "" : `**${escaped(block.title)}**\n\n`;
      const head = [line(block.columns), `|${block.columns.map(() => " --- |").join("")}`];
      return title + [...head, ...block.rows.map(line)].join("\n");
    }
    case "samples": {
      const title = block.title === undefined ? "" : `**${escaped(block.title)}**\n\n`;
      return title + block.samples.map(({ prompt, text }) => fenced(prompt + text)).join("\n\n");
    }
    case "text":
      return escaped(block.text);
    case "file":
      return `${escaped(block.label)}: ${code(block.path)}`;
  }
}

/** Nothing of the text is markup, not even an address that would be made a link, and a row stays a row. */
export function escaped(text: string): string {
  return text.replace(/[\\`*_{}[\]()#+\-.!|<>&~$:@]/g, "\\$&").replace(/\r?\n|\r/g, " ");
}

/** A fence longer than any run of backticks inside. */
function fenced(text: string): string {
  const mark = "`".repeat(Math.max(3, longestRun(text) + 1));
  return `${mark}text\n${text}\n${mark}`;
}

function code(text: string): string {
  const mark = "`".repeat(longestRun(text) + 1);
  return `${mark} ${text.replace(/\s+/g, " ")} ${mark}`;
}

function longestRun(text: string): number {
  return Math.max(0, ...(text.match(/`+/g) ?? []).map(({ length }) => length));
}
