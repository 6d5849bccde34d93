/** The runs that can be shown in charts: the newest, and those that are shown; a filter away from all. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import type { RunSummary } from "../../src/protocol/service/runs";
import { formatCount, formatNumber, formatDateTime } from "../../src/protocol/quantities";
import { renderSample } from "../kit/sample";
import { renderTick } from "../kit/tick";
import type { ChartTheme } from "../../src/pictures/theme";

/** The newest entries; a longer list is for the filter. */
const maxEntries = 200;

export interface RunListOptions {
  readonly runs: readonly RunSummary[];
  readonly names: ReadonlyMap<string, string>;
  readonly slots: ReadonlyMap<string, number>;
  readonly theme: ChartTheme;
  readonly onTick: (run: string, isTicked: boolean) => void;
}

/** In the order given, whatever is ticked: no entry moves under the pointer. */
export function renderRunList({ runs, names, slots, theme, onTick }: RunListOptions): TemplateResult {
  const shown = runs.filter(({ folder }, i) => i < maxEntries || slots.has(folder));
  const renderEntry = (run: RunSummary) => {
    const slot = slots.get(run.folder);
    const loss = (run.metrics["eval/loss"] ?? run.metrics["train/loss"])?.last;
    return html`<li>
      <label title=${`${run.id}\n${run.state}, ${formatDateTime(run.createdAt)}`}>
        ${renderTick(slot !== undefined, (isTicked) => onTick(run.folder, isTicked))}
        ${slot === undefined ? html`<span class="no-sample"></span>` : renderSample(slot, 0, theme)}
        <span class="name">${names.get(run.folder)}</span>
        ${run.state === "done" ? nothing : html`<span class="state ${run.state}">${run.state}</span>`}
        <span class="loss">${loss === undefined ? nothing : formatNumber(loss, 3)}</span>
      </label>
    </li>`;
  };
  const hiddenCount = runs.length - shown.length;
  return html`<ul class="choices" aria-label="Runs">
    ${repeat(shown, ({ folder }) => folder, renderEntry)}
    ${runs.length === 0 ? html`<li class="muted">No run matches the filter.</li>` : nothing}
    ${hiddenCount > 0 ? html`<li class="muted">and ${formatCount(hiddenCount)} older runs; filter to find them</li>` : nothing}
  </ul>`;
}
