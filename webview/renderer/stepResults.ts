/** What the steps of a cell have left, of all its runs together: equal tables joined, samples side by side. */
import { html, nothing, type TemplateResult } from "lit";
import type { Block, CellValue } from "../../src/protocol/blocks";
import type { CellRun } from "../../src/protocol/cellOutput";
import { sample } from "../kit/sample";
import type { ChartTheme } from "../../src/pictures/theme";
import { bytes, count, figure } from "../../src/protocol/quantities";

export interface StepResultsGiven {
  readonly runs: readonly CellRun[];
  readonly names: ReadonlyMap<string, string>;
  readonly slots: ReadonlyMap<string, number>;
  readonly theme: ChartTheme;
  readonly onFile: ((path: string) => void) | undefined;
}

/** A longer table belongs into the file that it comes from. */
const mostRows = 300;

interface Part<B extends Block> {
  readonly run: string;
  readonly block: B;
}

export function stepResults(given: StepResultsGiven): TemplateResult[] {
  const indices = [...new Set(given.runs.flatMap(({ steps }) => steps.map(({ index }) => index)))].sort(
    (a, b) => a - b,
  );
  return indices.flatMap((index) => {
    const done = given.runs.flatMap(({ summary, steps }) => {
      const step = steps.find((each) => each.index === index);
      return step === undefined || step.blocks.length === 0 ? [] : [{ run: summary.folder, step }];
    });
    const first = done[0];
    if (first === undefined) return [];
    const blocks = done.map(({ run, step }) => ({ run, blocks: step.blocks }));
    const title = first.step.action;
    return [
      html`<section class="step">
        <h3>${title.charAt(0).toUpperCase() + title.slice(1)}</h3>
        ${joined(blocks, given)}
      </section>`,
    ];
  });
}

/** What all runs of the cell come to together. */
export function cardResult(card: readonly Block[], given: StepResultsGiven): TemplateResult | typeof nothing {
  if (card.length === 0) return nothing;
  return html`<section class="step">
    <h3>Paper card</h3>
    ${card.map((block) => parts([{ run: "", block }], given))}
  </section>`;
}

/** Block by block where all runs have the same kinds of blocks; else run by run. */
function joined(
  results: readonly { readonly run: string; readonly blocks: readonly Block[] }[],
  given: StepResultsGiven,
): TemplateResult | TemplateResult[] {
  const [first] = results;
  const alike = results.every(({ blocks }) => shape(blocks) === shape(first!.blocks));
  if (results.length > 1 && !alike)
    return results.map(
      ({ run, blocks }) =>
        html`<div class="of-run">
          ${runName(run, given)}${blocks.map((block) => parts([{ run, block }], given))}
        </div>`,
    );
  return first!.blocks.map((_, i) =>
    parts(
      results.map(({ run, blocks }) => ({ run, block: blocks[i]! })),
      given,
    ),
  );
}

function shape(blocks: readonly Block[]): string {
  return JSON.stringify(
    blocks.map((block) => [block.kind, ...(block.kind === "table" ? [block.title, block.columns] : [])]),
  );
}

function parts(given: readonly Part<Block>[], around: StepResultsGiven): TemplateResult {
  const of = <K extends Block["kind"]>(kind: K) =>
    given.filter((part): part is Part<Extract<Block, { kind: K }>> => part.block.kind === kind);
  switch (given[0]!.block.kind) {
    case "table":
      return table(of("table"), around);
    case "samples":
      return samples(of("samples"), around);
    case "text":
      return html`${of("text").map(
        ({ run, block }) =>
          html`${heading(run, given, around)}
            <pre class="text">${block.text}</pre>`,
      )}`;
    case "file":
      return html`<div class="files">
        ${of("file").map(({ run, block }) => file(run, block, given.length > 1, around))}
      </div>`;
  }
}

type Table = Extract<Block, { kind: "table" }>;

function table(tables: readonly Part<Table>[], around: StepResultsGiven): TemplateResult {
  const { title, columns } = tables[0]!.block;
  const several = tables.length > 1;
  const rows = tables.flatMap(({ run, block }) => block.rows.map((cells) => ({ run, cells })));
  const numeric = columns.map((_, i) => rows.every(({ cells }) => typeof (cells[i] ?? 0) === "number"));
  return html`<div class="scroll" tabindex="0" role="group" aria-label=${title ?? "Table"}>
    <table class="result">
      ${
        title === undefined
          ? nothing
          : html`<caption>
              ${title}
            </caption>`
      }
      <thead>
        <tr>
          ${several ? html`<th scope="col">run</th>` : nothing}
          ${columns.map((column, i) => html`<th scope="col" class=${numeric[i] ? "number" : ""}>${column}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.slice(0, mostRows).map(
          ({ run, cells }) =>
            html`<tr>
              ${several ? html`<td>${runName(run, around)}</td>` : nothing}
              ${columns.map((_, i) => html`<td class=${numeric[i] ? "number" : ""}>${shown(cells[i])}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
    ${rows.length > mostRows ? html`<p class="note">and ${count(rows.length - mostRows)} more rows</p>` : nothing}
  </div>`;
}

function shown(value: CellValue | undefined): TemplateResult | string {
  if (value === undefined || value === null) return "–";
  if (typeof value === "string") return value;
  return html`<span title=${String(value)}>${Number.isInteger(value) ? count(value) : figure(value)}</span>`;
}

type Samples = Extract<Block, { kind: "samples" }>;

/** One row per prompt, one column per run. */
function samples(lists: readonly Part<Samples>[], around: StepResultsGiven): TemplateResult {
  const rows = Math.max(...lists.map(({ block }) => block.samples.length));
  const { title } = lists[0]!.block;
  return html`${title === undefined ? nothing : html`<h4>${title}</h4>`}
    <div class="samples" style="--columns: ${lists.length}">
      ${lists.length > 1 ? lists.map(({ run }) => html`<div class="head">${runName(run, around)}</div>`) : nothing}
      ${Array.from({ length: rows }, (_, row) =>
        lists.map(({ run, block }) => {
          const found = block.samples[row];
          if (found === undefined) return html`<div></div>`;
          const name = around.names.get(run)!;
          const text = [html`<span class="prompt">${found.prompt}</span>`, found.text];
          const label = `Sample ${row + 1} of ${name}`;
          return html`<pre class="sample-text" tabindex="0" role="group" aria-label=${label}>${text}</pre>`;
        }),
      )}
    </div>`;
}

function file(
  run: string,
  { label, path, bytes: size }: Extract<Block, { kind: "file" }>,
  several: boolean,
  around: StepResultsGiven,
): TemplateResult {
  const { onFile } = around;
  return html`<span class="file">
    ${several ? runName(run, around) : nothing}
    ${
      onFile === undefined
        ? html`<span title=${path}>${label}</span>`
        : html`<button type="button" class="link" title=${path} @click=${() => onFile(path)}>
            ${label}
          </button>`
    }
    ${size === undefined ? nothing : html`<span class="muted">${bytes(size)}</span>`}
  </span>`;
}

function heading(
  run: string,
  all: readonly unknown[],
  around: StepResultsGiven,
): TemplateResult | typeof nothing {
  return all.length > 1 ? runName(run, around) : nothing;
}

function runName(run: string, { names, slots, theme }: StepResultsGiven): TemplateResult {
  return html`<span class="run"
    >${sample(slots.get(run)!, 0, theme)}<span class="name">${names.get(run)}</span></span
  >`;
}
