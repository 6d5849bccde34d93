/** The legend: a button for each run and each metric, which takes it out of the chart and puts it back. */
import { html, nothing, type TemplateResult } from "lit";
import type { ProtocolMark } from "../../src/protocol/protocolMarks";
import { formatReading } from "../kit/figures";
import { renderLongName } from "../kit/longName";
import { renderProtocolMark } from "../kit/protocolMark";
import { renderSample, renderStrokeSample } from "../kit/sample";
import type { ChartTheme } from "../../src/pictures/theme";

export interface LegendRun {
  readonly run: string;
  readonly name: string;
  readonly slot: number;
  readonly hidden: boolean;
  /** Why a search ended it, where it did. */
  readonly pruned?: string | undefined;
  /** The last value of the chart's first metric. */
  readonly last?: number | undefined;
  /** On that value, if the others may not all be compared with it. */
  readonly mark?: ProtocolMark | undefined;
}

export interface LegendMetric {
  readonly metric: string;
  readonly place: number;
  readonly hidden: boolean;
}

export interface LegendListener {
  onToggle(what: string): void;
  /** The one run to look at, or none. */
  onEmphasis(run: string | undefined): void;
}

export function renderLegend(
  runs: readonly LegendRun[],
  metrics: readonly LegendMetric[],
  theme: ChartTheme,
  listener: LegendListener,
): TemplateResult {
  return html`<div class="legend" role="group" aria-label="Legend: press to hide or show">
    ${
      metrics.length < 2
        ? nothing
        : metrics.map(
            ({ metric, place, hidden }) =>
              html`<button
                type="button"
                class="entry"
                aria-pressed=${String(!hidden)}
                @click=${() => listener.onToggle(metric)}
              >
                ${renderStrokeSample(place)}<span class="name">${metric}</span>
              </button>`,
          )
    }
    ${metrics.length < 2 ? nothing : html`<span class="divider" aria-hidden="true"></span>`}
    ${runs.map(
      ({ run, name, slot, hidden, pruned, last, mark }) =>
        html`<button
          type="button"
          class="entry"
          title=${[name, pruned, mark?.title].filter((line) => line !== undefined).join("\n")}
          aria-pressed=${String(!hidden)}
          @click=${() => listener.onToggle(run)}
          @pointerenter=${() => listener.onEmphasis(hidden ? undefined : run)}
          @pointerleave=${() => listener.onEmphasis(undefined)}
          @focus=${() => listener.onEmphasis(hidden ? undefined : run)}
          @blur=${() => listener.onEmphasis(undefined)}
        >
          ${renderSample(slot, 0, theme)}${renderLongName(name)}${
            pruned === undefined ? nothing : html`<span class="value">pruned</span>`
          }${
            last === undefined
              ? nothing
              : html`<span class="value">${formatReading(last)}</span
                  >${mark === undefined ? nothing : renderProtocolMark(mark)}`
          }
        </button>`,
    )}
  </div>`;
}
