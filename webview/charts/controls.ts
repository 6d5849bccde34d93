/** The controls of charts, shared by a cell's chart and the panel. */
import { html, nothing, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import type { Axis } from "../../src/protocol/service/metrics";
import type { Band, View } from "../kit/drawing";
import { axisNames, formatSpan } from "../kit/figures";
import { getUsualSmoothing } from "../kit/look";
import { renderSelect } from "../kit/select";

export interface ControlsOptions {
  readonly view: View;
  /** Length of the moving average on the axis, as it came out. */
  readonly width: number;
  /** Axes that can be chosen: without anybody to ask, only the one that is there. */
  readonly axes: readonly Axis[];
  /** Metrics that can take the place of the axis. */
  readonly metrics: readonly string[];
  readonly isGrouped: boolean;
  readonly hasBaseline: boolean;
  readonly onView: (change: Partial<View>) => void;
}

const bands: readonly (readonly [Band, string])[] = [
  ["interval", "95 % of the mean"],
  ["range", "lowest to highest"],
  ["runs", "each run"],
];

export function renderControls(options: ControlsOptions): TemplateResult {
  const { view, width, axes, metrics, isGrouped, hasBaseline, onView } = options;
  const amount = view.smoothing ?? getUsualSmoothing();
  const smoothing =
    amount === 0
      ? "off"
      : width === 0 || view.xMetric !== undefined
        ? `${Math.round(amount * 100)} %`
        : `over ${formatSpan(view.axis, width)}`;
  const choices = [
    ...axes.map((axis) => [axis, axisNames[axis]] as const),
    ...(axes.length > 1 ? metrics.map((metric) => [`metric:${metric}`, metric] as const) : []),
  ];
  return html`<label class="control">
      <span>Smoothing</span>
      <input
        type="range"
        min="0"
        max="1"
        step="0.02"
        .value=${live(String(amount))}
        aria-valuetext=${smoothing}
        title="Smooths training metrics; evaluations are shown as measured"
        @input=${(event: Event) => onView({ smoothing: Number((event.target as HTMLInputElement).value) })}
      />
      <span class="value">${smoothing}</span>
    </label>
    <label class="control">
      <span>Axis</span>
      ${renderSelect<string>({
        label: "Axis",
        value: view.xMetric === undefined ? view.axis : `metric:${view.xMetric}`,
        choices,
        onSelect: (chosen) => onView({ ...parseAxis(chosen), range: undefined }),
      })}
    </label>
    <span class="switches" role="group" aria-label="Logarithmic axes">
      ${renderToggle("log y", view.logY, () => onView({ logY: !view.logY }))}
      ${renderToggle("log x", view.logX, () => onView({ logX: !view.logX, range: undefined }))}
    </span>
    <span class="switches" role="group" aria-label="Heights">
      ${renderToggle("no outliers", view.clip === true, () => onView({ clip: view.clip !== true }))}
      ${hasBaseline ? renderToggle("− baseline", view.relative === true, () => onView({ relative: view.relative !== true })) : nothing}
      ${renderLimit("y from", view.yFrom, (yFrom) => onView({ yFrom }))}
      ${renderLimit("to", view.yTo, (yTo) => onView({ yTo }))}
    </span>
    ${
      isGrouped
        ? html`<label class="control"
            ><span>Band</span> ${renderSelect({
              label: "Band",
              value: view.band ?? "interval",
              choices: bands,
              onSelect: (band) => onView({ band }),
            })}</label
          >`
        : nothing
    }`;
}

function parseAxis(chosen: string): Partial<View> {
  const [, metric] = /^metric:(.*)$/s.exec(chosen) ?? [];
  // Metrics are matched step by step.
  return metric === undefined
    ? { axis: chosen as Axis, xMetric: undefined }
    : { axis: "step", xMetric: metric };
}

function renderLimit(
  label: string,
  value: number | undefined,
  onLimit: (value: number | undefined) => void,
): TemplateResult {
  return html`<label class="limit"
    >${label}
    <input
      type="text"
      inputmode="decimal"
      aria-label=${label === "to" ? "y to" : label}
      placeholder="auto"
      size="4"
      .value=${live(value === undefined ? "" : String(value))}
      @change=${(event: Event) => {
        const { value: text } = event.target as HTMLInputElement;
        const number = Number(text.replace(",", "."));
        onLimit(text.trim() === "" || !Number.isFinite(number) ? undefined : number);
      }}
    />
  </label>`;
}

function renderToggle(label: string, isOn: boolean, onToggle: () => void): TemplateResult {
  return html`<button type="button" class="switch" aria-pressed=${String(isOn)} @click=${onToggle}>
    ${label}
  </button>`;
}
