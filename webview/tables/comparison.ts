/** Runs side by side: the settings in which they differ, their sizes and what they came to, against the first of them. */
import { html, nothing, type TemplateResult } from "lit";
import type { Block } from "../../src/protocol/blocks";
import type { RunRequests, RunSummary } from "../../src/protocol/service/runs";
import {
  formatBytes,
  formatChange,
  formatCount,
  formatNumber,
  missingText,
} from "../../src/protocol/quantities";
import { areComparable, ProtocolMarks } from "../../src/protocol/protocolMarks";
import { icons } from "../kit/icons";
import { renderProtocolMark } from "../kit/protocolMark";

export type Differences = RunRequests["runs.differences"]["result"];

export interface ComparisonPage {
  readonly runs: readonly RunSummary[];
  /** Also those that are not compared. */
  readonly getAll: () => readonly RunSummary[];
  /** Undefined while they are being read. */
  readonly differences: Differences | undefined;
  /** The tasks of the runs against those of the first, document by document. */
  readonly tasks: readonly Block[];
  close(): void;
  exportCsv(rows: readonly (readonly (string | number | boolean | null)[])[]): void;
}

interface Line {
  readonly title: string;
  readonly values: readonly (string | number | boolean | null)[];
  readonly format?: (value: number) => string;
  /** Compared only between runs that measured it alike. */
  readonly metric?: string;
  /** Standard errors of the values. */
  readonly errors?: readonly (number | null)[];
}

export function renderComparison(page: ComparisonPage): TemplateResult {
  const { runs, differences } = page;
  const sections = createSections(runs, differences);
  const marks = new ProtocolMarks(page.getAll, runs);
  const taskTables = page.tasks.flatMap((block) => (block.kind === "table" ? [block] : []));
  const createRows = () => [
    ["", ...runs.map(({ name }) => name)],
    ["run", ...runs.map(({ id }) => id)],
    ...sections.flatMap(({ lines }) =>
      lines.flatMap(({ title, values, errors }) => [
        [title, ...values],
        ...(errors === undefined ? [] : [[`${title}, standard error`, ...errors]]),
      ]),
    ),
    ...taskTables.flatMap(({ columns, rows }) => [columns, ...rows]),
  ];
  return html`<header>
      <h2>Comparison of ${runs.length} runs</h2>
      <span class="muted">only settings that differ; changes against ${runs[0]?.name}</span>
      <span class="spring"></span>
      <button class="quiet" @click=${() => page.exportCsv(createRows())}>${icons.export} CSV</button>
      <button class="quiet" aria-label="Close the comparison" @click=${() => page.close()}>
        ${icons.close}
      </button>
    </header>
    <div class="scroll" tabindex="0" role="region" aria-label="Table of the comparison">
      <table>
        <thead>
          <tr>
            <th scope="col">Run</th>
            ${runs.map(({ name, id }) => html`<th scope="col" title=${id}>${name}</th>`)}
          </tr>
        </thead>
        ${sections.map(
          ({ title, lines, remark }) =>
            html`<tbody>
              <tr class="section">
                <th scope="rowgroup" colspan=${runs.length + 1}>
                  ${title}${remark === undefined ? nothing : `: ${remark}`}
                </th>
              </tr>
              ${lines.map((line) => renderLine(line, runs, marks))}
            </tbody>`,
        )}
      </table>
      ${page.tasks.map(renderTasks)}
    </div>`;
}

function renderTasks(block: Block): TemplateResult | typeof nothing {
  if (block.kind === "text") return html`<p class="muted">${block.text}</p>`;
  if (block.kind !== "table") return nothing;
  return html`<table class="tasks" aria-label=${block.title ?? "Tasks"}>
    <thead>
      <tr>
        ${block.columns.map((column) => html`<th scope="col">${column}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${block.rows.map(
        ([value, ...cells]) =>
          html`<tr>
            <th scope="row">${value}</th>
            ${cells.map((cell) => html`<td>${cell ?? html`<span class="muted">${missingText}</span>`}</td>`)}
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function renderLine(
  { title, values, format, metric, errors }: Line,
  runs: readonly RunSummary[],
  marks: ProtocolMarks,
): TemplateResult {
  const base = values[0];
  return html`<tr>
    <th scope="row" title=${title}>${title}</th>
    ${values.map((value, i) => {
      if (typeof value !== "number" || format === undefined)
        return html`<td title=${String(value ?? "")}>
          ${value === null ? html`<span class="muted">${missingText}</span>` : String(value)}
        </td>`;
      const ratio = typeof base === "number" && base !== 0 ? (value - base) / Math.abs(base) : undefined;
      const isComparable = metric === undefined || areComparable([runs[0]!, runs[i]!], metric);
      const delta =
        i === 0 || ratio === undefined || ratio === 0
          ? nothing
          : html`<span class="delta">${isComparable ? formatChange(ratio) : "not comparable"}</span>`;
      const mark = metric === undefined ? undefined : marks.get(runs[i]!, metric);
      return html`<td title=${mark === undefined ? String(value) : `${value}\n${mark.title}`}>
        ${format(value)}${formatError(errors?.[i])}${mark === undefined ? nothing : renderProtocolMark(mark)}${delta}
      </td>`;
    })}
  </tr>`;
}

function formatError(error: number | null | undefined): string {
  return error == null ? "" : ` ± ${formatNumber(error, 2)}`;
}

interface Section {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly remark?: string;
}

function createSections(
  runs: readonly RunSummary[],
  differences: Differences | undefined,
): readonly Section[] {
  const settingLines = (differences?.keys ?? []).map((key, i): Line => ({
    title: key,
    values: differences!.values.map((values) => values[i] ?? null),
  }));
  const remark =
    differences === undefined
      ? "reading…"
      : settingLines.length === 0
        ? "these runs have the same settings"
        : undefined;
  const metrics = [...new Set(runs.flatMap((run) => Object.keys(run.metrics)))].sort();
  const createSizeLine = (
    title: string,
    pick: (run: RunSummary) => number | undefined,
    format: (value: number) => string,
    metric?: string,
  ): Line => ({
    title,
    ...(metric === undefined ? {} : { metric }),
    values: runs.map((run) => pick(run) ?? null),
    format,
  });
  const sizeLines = [
    createSizeLine("non-embedding parameters", ({ counts }) => counts?.nonEmbedding.stored, formatCount),
    createSizeLine("parameters", ({ counts }) => counts?.total.stored, formatCount),
    createSizeLine("non-zero", ({ counts }) => counts?.total.nonZero, formatCount),
    createSizeLine("bytes", ({ counts }) => counts?.total.bytes, formatBytes),
  ].filter(({ values }) => values.some((value) => value !== null));
  const getError = (run: RunSummary, metric: string) => run.metrics[`${metric}_stderr`]?.last ?? null;
  const metricLines = metrics
    .filter((metric) => !metric.endsWith("_stderr"))
    .flatMap((metric) =>
      (["last", "min"] as const).flatMap((which): Line[] => {
        const errors = runs.map((run) => getError(run, metric));
        const hasErrors = errors.some((error) => error !== null);
        // What is measured once has no minimum of its own.
        if (hasErrors && which === "min") return [];
        const line = createSizeLine(
          `${metric} ${which}`,
          (run) => run.metrics[metric]?.[which] ?? undefined,
          (value) => formatNumber(value, 5),
          metric,
        );
        return [hasErrors ? { ...line, errors } : line];
      }),
    );
  return [
    { title: "Settings", lines: settingLines, ...(remark === undefined ? {} : { remark }) },
    ...(sizeLines.length === 0 ? [] : [{ title: "Sizes", lines: sizeLines }]),
    ...(metricLines.length === 0 ? [] : [{ title: "Metrics", lines: metricLines }]),
  ];
}
