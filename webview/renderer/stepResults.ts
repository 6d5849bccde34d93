/** What the steps of a cell have left, of all its runs together: equal tables joined, samples side by side. */
import { html, nothing, type TemplateResult } from "lit";
import type { Block, CellValue } from "../../src/protocol/blocks";
import type { CellRun } from "../../src/protocol/cellOutput";
import { renderSample } from "../kit/sample";
import type { FigureViews, RunFigure } from "./figureViews";
import type { ChartTheme } from "../../src/pictures/theme";
import { formatBytes, formatCount, formatNumber } from "../../src/protocol/quantities";

export interface StepResultsOptions {
  readonly runs: readonly CellRun[];
  readonly names: ReadonlyMap<string, string>;
  readonly slots: ReadonlyMap<string, number>;
  readonly theme: ChartTheme;
  readonly onFile: ((path: string) => void) | undefined;
  readonly figures: FigureViews;
  /** The width of the output in pixels. */
  readonly room: number;
}

/** A longer table belongs into the file that it comes from. */
const maxRows = 300;

type JoinedBlock = Exclude<Block, { kind: "figure" }>;

interface RunBlock<B extends Block> {
  readonly run: string;
  readonly block: B;
}

export function renderStepResults(options: StepResultsOptions): TemplateResult[] {
  const indices = [...new Set(options.runs.flatMap(({ steps }) => steps.map(({ index }) => index)))].sort(
    (a, b) => a - b,
  );
  return indices.flatMap((index) => {
    const finished = options.runs.flatMap(({ summary, steps }) => {
      const step = steps.find((each) => each.index === index);
      return step === undefined || step.blocks.length === 0 ? [] : [{ run: summary.folder, step }];
    });
    const first = finished[0];
    if (first === undefined) return [];
    const blocks = finished.map(({ run, step }) => ({ run, blocks: step.blocks }));
    const title = first.step.action;
    return [
      html`<section class="step">
        <h3>${title.charAt(0).toUpperCase() + title.slice(1)}</h3>
        ${renderJoined(blocks, options)}
      </section>`,
    ];
  });
}

/** What all runs of the cell come to together. */
export function renderCard(
  card: readonly Block[],
  options: StepResultsOptions,
): TemplateResult | typeof nothing {
  if (card.length === 0) return nothing;
  return html`<section class="step">
    <h3>Paper card</h3>
    ${renderJoined([{ run: "", blocks: card }], options)}
  </section>`;
}

interface RunBlocks<B extends Block = Block> {
  readonly run: string;
  readonly blocks: readonly B[];
}

/** Figures last: not every run has one. */
function renderJoined(results: readonly RunBlocks[], options: StepResultsOptions): TemplateResult[] {
  const others = results.map(({ run, blocks }) => ({
    run,
    blocks: blocks.filter((block) => block.kind !== "figure"),
  }));
  return [...renderAligned(others, options), ...renderFigures(results, options)];
}

/** Block by block where all runs have the same kinds of blocks; else run by run. */
function renderAligned(
  results: readonly RunBlocks<JoinedBlock>[],
  options: StepResultsOptions,
): TemplateResult[] {
  const [first] = results;
  const isUniform = results.every(({ blocks }) => getShape(blocks) === getShape(first!.blocks));
  if (results.length > 1 && !isUniform)
    return results
      .filter(({ blocks }) => blocks.length > 0)
      .map(
        ({ run, blocks }) =>
          html`<div class="of-run">
            ${renderRunName(run, options)}${blocks.map((block) => renderBlocks([{ run, block }], options))}
          </div>`,
      );
  return first!.blocks.map((_, i) =>
    renderBlocks(
      results.map(({ run, blocks }) => ({ run, block: blocks[i]! })),
      options,
    ),
  );
}

/** Those of one title side by side, all variants before further seeds of them. */
function renderFigures(results: readonly RunBlocks[], options: StepResultsOptions): TemplateResult[] {
  const { runs, figures, names, theme, room } = options;
  const seeds = new Map(runs.map(({ summary }) => [summary.folder, summary.seed]));
  const getSeed = ({ run }: RunBlocks) => seeds.get(run) ?? 0;
  const byTitle = new Map<string, RunFigure[]>();
  for (const { run, blocks } of results.toSorted((a, b) => getSeed(a) - getSeed(b)))
    for (const block of blocks) {
      if (block.kind !== "figure") continue;
      const heading = results.length > 1 ? renderRunName(run, options) : undefined;
      const figure = { run: names.get(run), block, heading };
      byTitle.set(block.title, [...(byTitle.get(block.title) ?? []), figure]);
    }
  // By title, because runs without a figure must not change the order.
  const titles = [...byTitle.keys()].sort();
  return titles.map((title) => figures.render(byTitle.get(title)!, theme, room));
}

function getShape(blocks: readonly Block[]): string {
  return JSON.stringify(
    blocks.map((block) => [block.kind, ...(block.kind === "table" ? [block.title, block.columns] : [])]),
  );
}

function renderBlocks(blocks: readonly RunBlock<JoinedBlock>[], options: StepResultsOptions): TemplateResult {
  const selectKind = <K extends JoinedBlock["kind"]>(kind: K) =>
    blocks.filter((part): part is RunBlock<Extract<JoinedBlock, { kind: K }>> => part.block.kind === kind);
  switch (blocks[0]!.block.kind) {
    case "table":
      return renderTable(selectKind("table"), options);
    case "samples":
      return renderSamples(selectKind("samples"), options);
    case "text":
      return html`${selectKind("text").map(
        ({ run, block }) =>
          html`${renderHeading(run, blocks, options)}
            <pre class="text">${block.text}</pre>`,
      )}`;
    case "file":
      return html`<div class="files">
        ${selectKind("file").map(({ run, block }) => renderFile(run, block, blocks.length > 1, options))}
      </div>`;
  }
}

type Table = Extract<Block, { kind: "table" }>;

function renderTable(tables: readonly RunBlock<Table>[], options: StepResultsOptions): TemplateResult {
  const { title, columns } = tables[0]!.block;
  const hasSeveral = tables.length > 1;
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
          ${hasSeveral ? html`<th scope="col">run</th>` : nothing}
          ${columns.map((column, i) => html`<th scope="col" class=${numeric[i] ? "number" : ""}>${column}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.slice(0, maxRows).map(
          ({ run, cells }) =>
            html`<tr>
              ${hasSeveral ? html`<td>${renderRunName(run, options)}</td>` : nothing}
              ${columns.map((_, i) => html`<td class=${numeric[i] ? "number" : ""}>${renderValue(cells[i])}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
    ${rows.length > maxRows ? html`<p class="note">and ${formatCount(rows.length - maxRows)} more rows</p>` : nothing}
  </div>`;
}

function renderValue(value: CellValue | undefined): TemplateResult | string {
  if (value === undefined || value === null) return "–";
  if (typeof value === "string") return value;
  return html`<span title=${String(value)}
    >${Number.isInteger(value) ? formatCount(value) : formatNumber(value)}</span
  >`;
}

type Samples = Extract<Block, { kind: "samples" }>;

/** One row per prompt, one column per run. */
function renderSamples(lists: readonly RunBlock<Samples>[], options: StepResultsOptions): TemplateResult {
  const rows = Math.max(...lists.map(({ block }) => block.samples.length));
  const { title } = lists[0]!.block;
  return html`${title === undefined ? nothing : html`<h4>${title}</h4>`}
    <div class="samples" style="--columns: ${lists.length}">
      ${lists.length > 1 ? lists.map(({ run }) => html`<div class="head">${renderRunName(run, options)}</div>`) : nothing}
      ${Array.from({ length: rows }, (_, row) =>
        lists.map(({ run, block }) => {
          const sample = block.samples[row];
          if (sample === undefined) return html`<div></div>`;
          const name = options.names.get(run)!;
          const text = [html`<span class="prompt">${sample.prompt}</span>`, sample.text];
          const label = `Sample ${row + 1} of ${name}`;
          return html`<pre class="sample-text" tabindex="0" role="group" aria-label=${label}>${text}</pre>`;
        }),
      )}
    </div>`;
}

function renderFile(
  run: string,
  { label, path, bytes: size }: Extract<Block, { kind: "file" }>,
  hasSeveral: boolean,
  options: StepResultsOptions,
): TemplateResult {
  const { onFile } = options;
  return html`<span class="file">
    ${hasSeveral ? renderRunName(run, options) : nothing}
    ${
      onFile === undefined
        ? html`<span title=${path}>${label}</span>`
        : html`<button type="button" class="link" title=${path} @click=${() => onFile(path)}>
            ${label}
          </button>`
    }
    ${size === undefined ? nothing : html`<span class="muted">${formatBytes(size)}</span>`}
  </span>`;
}

function renderHeading(
  run: string,
  blocks: readonly unknown[],
  options: StepResultsOptions,
): TemplateResult | typeof nothing {
  return blocks.length > 1 ? renderRunName(run, options) : nothing;
}

function renderRunName(run: string, { names, slots, theme }: StepResultsOptions): TemplateResult {
  return html`<span class="run"
    >${renderSample(slots.get(run)!, 0, theme)}<span class="name">${names.get(run)}</span></span
  >`;
}
