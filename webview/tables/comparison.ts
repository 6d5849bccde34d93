/** Runs side by side: the settings in which they differ, their sizes and what they came to, against the first of them. */
import { html, nothing, type TemplateResult } from "lit";
import type { RunRequests, RunSummary } from "../../src/protocol/service/runs";
import { bytes, change, count, figure, missing } from "../../src/protocol/quantities";
import { icons } from "../kit/icons";

export type Differences = RunRequests["runs.differences"]["result"];

export interface ComparisonPage {
  readonly runs: readonly RunSummary[];
  /** Undefined while they are being read. */
  readonly differences: Differences | undefined;
  close(): void;
  exportCsv(rows: readonly (readonly (string | number | boolean | null)[])[]): void;
}

interface Line {
  readonly title: string;
  readonly values: readonly (string | number | boolean | null)[];
  readonly format?: (value: number) => string;
}

export function comparisonView(page: ComparisonPage): TemplateResult {
  const { runs, differences } = page;
  const sections = sectionsOf(runs, differences);
  const rows = () => [
    ["", ...runs.map(({ name }) => name)],
    ["run", ...runs.map(({ id }) => id)],
    ...sections.flatMap(({ lines }) => lines.map(({ title, values }) => [title, ...values])),
  ];
  return html`<header>
      <h2>Comparison of ${runs.length} runs</h2>
      <span class="muted">only settings that differ; changes against ${runs[0]?.name}</span>
      <span class="spring"></span>
      <button class="quiet" @click=${() => page.exportCsv(rows())}>${icons.export} CSV</button>
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
              ${lines.map(lineView)}
            </tbody>`,
        )}
      </table>
    </div>`;
}

function lineView({ title, values, format }: Line): TemplateResult {
  const base = values[0];
  return html`<tr>
    <th scope="row" title=${title}>${title}</th>
    ${values.map((value, i) => {
      if (typeof value !== "number" || format === undefined)
        return html`<td title=${String(value ?? "")}>
          ${value === null ? html`<span class="muted">${missing}</span>` : String(value)}
        </td>`;
      const ratio = typeof base === "number" && base !== 0 ? (value - base) / Math.abs(base) : undefined;
      const delta =
        i === 0 || ratio === undefined || ratio === 0
          ? nothing
          : html`<span class="delta">${change(ratio)}</span>`;
      return html`<td title=${String(value)}>${format(value)}${delta}</td>`;
    })}
  </tr>`;
}

interface Section {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly remark?: string;
}

function sectionsOf(runs: readonly RunSummary[], differences: Differences | undefined): readonly Section[] {
  const settings = (differences?.keys ?? []).map((key, i): Line => ({
    title: key,
    values: differences!.values.map((values) => values[i] ?? null),
  }));
  const remark =
    differences === undefined
      ? "reading…"
      : settings.length === 0
        ? "these runs have the same settings"
        : undefined;
  const metrics = [...new Set(runs.flatMap((run) => Object.keys(run.metrics)))].sort();
  const size = (
    title: string,
    pick: (run: RunSummary) => number | undefined,
    format: (value: number) => string,
  ): Line => ({
    title,
    values: runs.map((run) => pick(run) ?? null),
    format,
  });
  const sizes = [
    size("non-embedding parameters", ({ counts }) => counts?.nonEmbedding.stored, count),
    size("parameters", ({ counts }) => counts?.total.stored, count),
    size("non-zero", ({ counts }) => counts?.total.nonZero, count),
    size("bytes", ({ counts }) => counts?.total.bytes, bytes),
  ].filter(({ values }) => values.some((value) => value !== null));
  const figures = metrics.flatMap((metric) =>
    (["last", "min"] as const).map((which) =>
      size(
        `${metric} ${which}`,
        (run) => run.metrics[metric]?.[which] ?? undefined,
        (value) => figure(value, 5),
      ),
    ),
  );
  return [
    { title: "Settings", lines: settings, ...(remark === undefined ? {} : { remark }) },
    ...(sizes.length === 0 ? [] : [{ title: "Sizes", lines: sizes }]),
    ...(figures.length === 0 ? [] : [{ title: "Metrics", lines: figures }]),
  ];
}
