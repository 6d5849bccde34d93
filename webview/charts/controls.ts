/** The controls of charts, shared by a cell's chart and the panel. */
import { html, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import type { Axis } from "../../src/protocol/service/metrics";
import type { View } from "../kit/drawing";
import { axisNames, formatSpan } from "../kit/figures";
import { renderSelect } from "../kit/select";

export interface ControlsOptions {
  readonly view: View;
  /** Length of the moving average on the axis, as it came out. */
  readonly width: number;
  /** Axes that can be chosen: without anybody to ask, only the one that is there. */
  readonly axes: readonly Axis[];
  readonly onView: (change: Partial<View>) => void;
}

export function renderControls({ view, width, axes, onView }: ControlsOptions): TemplateResult {
  const smoothing =
    view.smoothing === 0
      ? "off"
      : width === 0
        ? `${Math.round(view.smoothing * 100)} %`
        : `over ${formatSpan(view.axis, width)}`;
  return html`<label class="control">
      <span>Smoothing</span>
      <input
        type="range"
        min="0"
        max="1"
        step="0.02"
        .value=${live(String(view.smoothing))}
        aria-valuetext=${smoothing}
        @input=${(event: Event) => onView({ smoothing: Number((event.target as HTMLInputElement).value) })}
      />
      <span class="value">${smoothing}</span>
    </label>
    <label class="control">
      <span>Axis</span>
      ${renderSelect({
        label: "Axis",
        value: view.axis,
        choices: axes.map((axis) => [axis, axisNames[axis]] as const),
        onSelect: (axis) => onView({ axis, range: undefined }),
      })}
    </label>
    <span class="switches" role="group" aria-label="Logarithmic axes">
      ${renderToggle("log y", view.logY, () => onView({ logY: !view.logY }))}
      ${renderToggle("log x", view.logX, () => onView({ logX: !view.logX, range: undefined }))}
    </span>`;
}

function renderToggle(label: string, isOn: boolean, onToggle: () => void): TemplateResult {
  return html`<button type="button" class="switch" aria-pressed=${String(isOn)} @click=${onToggle}>
    ${label}
  </button>`;
}
