/** Which settings matter for a metric: computed in short slices, so that the page stays responsive, and only when its runs change. */
import { html, type TemplateResult } from "lit";
import { createImportancePicture } from "../../src/pictures/importancePicture";
import { describeProtocol } from "../../src/protocol/lossProtocol";
import { formatNumber, missingText, pluralize } from "../../src/protocol/quantities";
import type { RunSummary } from "../../src/protocol/service/runs";
import {
  computeImportances,
  describeImportances,
  formatImportances,
  type ImportanceReport,
  isInformative,
} from "../../src/statistics/settingImportance";
import { renderPicture, renderSaveButtons } from "../kit/pictureView";
import { ParallelView } from "./parallelView";
import { getAxisValue, getValues, isSeed, type ViewField } from "./viewFields";
import { describeMissing, listNames, selectComparable } from "./viewNotes";
import type { ViewPage } from "./viewPage";
import { renderFieldChoice, renderNotes } from "./viewParts";

/** A slice of computing between two drawings. */
const sliceMilliseconds = 12;
const maxRuns = 1000;

interface Sample {
  readonly runs: readonly RunSummary[];
  readonly notes: readonly string[];
}

export class ImportanceView {
  private inputs: readonly unknown[] = [];
  private key = "";
  private sample: Sample = { runs: [], notes: [] };
  private report: ImportanceReport | undefined;

  draw(page: ViewPage): TemplateResult {
    const metric = ParallelView.getMetric(page);
    if (metric === undefined) return html`<p class="muted">No run has a metric to explain yet.</p>`;
    const inputs = [page.runs, page.matching, page.fields, metric.id];
    if (inputs.some((each, i) => each !== this.inputs[i])) {
      this.inputs = inputs;
      this.sample = selectSample(page, metric);
      this.compute(page, metric, this.sample.runs);
    }
    const { report } = this;
    const { notes } = this.sample;
    const choice = renderFieldChoice(
      "Importance for",
      metric,
      page.fields.filter(({ kind }) => kind === "metric"),
      (id) => page.change({ metric: id }),
    );
    if (report === undefined)
      return html`<div class="view-bar">${choice}</div>
        <p class="muted" role="status">Growing the forest…</p>`;
    const picture = createImportancePicture({
      title: `Importance for ${metric.title}`,
      report,
      theme: page.theme,
      width: Math.min(page.width, 900),
    });
    return html`<div class="view-bar">
        ${choice}
        <span class="spring"></span>
        ${renderSaveButtons(page, page.stage, {
          name: "importance",
          title: "the importances",
          picture,
          lines: () => formatImportances(report),
        })}
      </div>
      <p class="verdict" role="status">${describeImportances(report, metric.title)}</p>
      ${renderNotes(notes)}
      <div class="plot importance" tabindex="0" role="region" aria-label="Importance of settings">
        ${renderPicture(picture)} ${renderTable(report)}
        <p class="muted">
          Importance: how much R² of the forest's predictions out of bag falls when the setting is permuted.
          Correlation: Spearman's ρ of numbers, from −1 to 1; for categories the correlation ratio η, from 0
          to 1.
          ${report.constant.length === 0 ? "" : `The same in all runs, so left out: ${report.constant.join(", ")}.`}
        </p>
      </div>`;
  }

  private compute(page: ViewPage, metric: ViewField, runs: readonly RunSummary[]): void {
    const fields = page.fields.filter((field) => field.kind === "setting" && !isSeed(field));
    const columns = fields.map((field) => ({
      id: field.id,
      title: field.title,
      values: getValues(field, runs),
    }));
    const target = getValues(metric, runs) as number[];
    const key = JSON.stringify([columns, target]);
    if (key === this.key) return;
    this.key = key;
    this.report = undefined;
    const work = computeImportances(columns, target);
    const step = () => {
      // Other runs have been chosen since.
      if (this.key !== key) return;
      const end = performance.now() + sliceMilliseconds;
      while (performance.now() < end) {
        const { done, value } = work.next();
        if (done !== true) continue;
        this.report = value;
        page.stage.redraw();
        return;
      }
      setTimeout(step);
    };
    step();
  }
}

/** Finished runs that measured the metric in one way: a metric of others is of another quantity. */
function selectSample(page: ViewPage, metric: ViewField): Sample {
  const matching = [...page.matching];
  const finished = matching.filter(({ state }) => state === "done");
  const measured = finished.filter((run) => getAxisValue(metric, run) !== undefined);
  const { comparable, left } = selectComparable(metric.column.metric!, measured, page.marks);
  const protocol = comparable[0]?.losses?.[metric.column.metric!];
  const unfinished = matching.length - finished.length;
  return {
    runs: comparable.slice(0, maxRuns),
    notes: [
      ...(unfinished === 0
        ? []
        : [
            `Without ${pluralize(unfinished, "run")} that ${unfinished === 1 ? "has" : "have"} not finished.`,
          ]),
      ...describeMissing(metric, finished, page.names, "Left out"),
      ...(left.length === 0 || protocol === undefined
        ? []
        : [
            `Only runs that measured ${metric.title} on ${describeProtocol(protocol)}. Measured otherwise, so left out: ${listNames(left, page.names)}.`,
          ]),
      ...(comparable.length > maxRuns ? [`Only the first ${maxRuns} of ${comparable.length} runs.`] : []),
    ],
  };
}

/** The picture's numbers for assistive technology. */
function renderTable(report: ImportanceReport): TemplateResult {
  return html`<div class="hidden">
    <table>
      <caption>
        Importance of settings
      </caption>
      <thead>
        <tr>
          <th scope="col">Setting</th>
          <th scope="col">Importance</th>
          <th scope="col">Correlation</th>
        </tr>
      </thead>
      <tbody>
        ${report.settings.map(
          ({ title, importance, correlation }) =>
            html`<tr>
              <th scope="row">${title}</th>
              <td>
                ${importance === undefined || !isInformative(report) ? missingText : formatNumber(importance, 3)}
              </td>
              <td>
                ${correlation === undefined ? missingText : `${correlation.kind} ${formatNumber(correlation.value, 3)}`}
              </td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
