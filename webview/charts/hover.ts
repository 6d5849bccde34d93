/** What a chart shows at the pointer: a vertical line, and a mark with the value at the nearest measured point of each curve. */
import { html, nothing, render, svg, type TemplateResult } from "lit";
import type { Axis } from "../../src/protocol/service/metrics";
import { nearest } from "./curve";
import type { Line } from "../kit/drawing";
import { exact, place, reading } from "../kit/figures";
import type { LossChart } from "./lossChart";
import { colorOf, markOf } from "../../src/pictures/palette";
import { sample } from "../kit/sample";
import type { ChartTheme } from "../../src/pictures/theme";

/** Readings in the box; more of them would hide the chart. */
const mostReadings = 12;

interface Reading {
  readonly line: Line;
  readonly at: number;
  readonly value: number;
  readonly smoothed: number | undefined;
  readonly x: number;
  readonly y: number;
}

export class Hover {
  readonly element = document.createElement("div");

  constructor() {
    this.element.className = "hover";
  }

  hide(): void {
    render(nothing, this.element);
  }

  /** `speaking` if the pointer or the keyboard is in this chart; the other charts only draw the line. */
  show(
    at: number,
    lines: readonly Line[],
    chart: LossChart,
    axis: Axis,
    theme: ChartTheme,
    speaking: boolean,
  ): void {
    const { area } = chart;
    const readings = readingsOf(at, lines, chart);
    const leader = readings.reduce<Reading | undefined>(
      (best, each) => (best === undefined || Math.abs(each.at - at) < Math.abs(best.at - at) ? each : best),
      undefined,
    );
    const where = leader === undefined ? NaN : chart.scales.x.getPixelForValue(leader.at);
    if (leader === undefined || where < area.left - 1 || where > area.right + 1) {
      this.hide();
      return;
    }
    const marks = readings
      .filter(({ x, y }) => x >= area.left - 1 && x <= area.right + 1 && y >= area.top && y <= area.bottom)
      .map(
        ({ line, x, y }) =>
          svg`<path transform="translate(${x} ${y}) scale(4.6)" d=${markOf(line.slot)} fill=${colorOf(line.slot, theme.ground)} stroke=${theme.background} stroke-width=".35" />`,
      );
    const right = where > (area.left + area.right) / 2;
    const offset = right ? `right: ${chart.canvas.clientWidth - where + 12}px` : `left: ${where + 12}px`;
    render(
      html`<svg aria-hidden="true">
          <line x1=${where} x2=${where} y1=${area.top} y2=${area.bottom} />
          ${marks}
        </svg>
        ${speaking ? html`<div class="reading" style="${offset}; top: ${area.top}px">${this.table(leader.at, readings, axis, theme)}</div>` : nothing}`,
      this.element,
    );
  }

  /** The same in a sentence, for those who hear it. */
  spoken(at: number, lines: readonly Line[], chart: LossChart, axis: Axis): string {
    const readings = readingsOf(at, lines, chart);
    return `${place(axis, at)}: ${readings.map(({ line, value }) => `${line.name} ${line.metric} ${exact(value)}`).join("; ")}`;
  }

  private table(at: number, readings: readonly Reading[], axis: Axis, theme: ChartTheme): TemplateResult {
    const several = new Set(readings.map(({ line }) => line.metric)).size > 1;
    const shown = readings.slice(0, mostReadings);
    return html`<div class="where">${place(axis, at)}</div>
      <table role="presentation">
        ${shown.map(
          ({ line, at: own, value, smoothed }) =>
            html`<tr>
              <td>${sample(line.slot, line.place, theme)}</td>
              <td class="name">${line.name}</td>
              ${several ? html`<td class="muted">${line.metric}</td>` : nothing}
              <td class="number">${exact(value)}</td>
              ${smoothed === undefined ? nothing : html`<td class="number muted">≈ ${reading(smoothed)}</td>`}
              <td class="muted">${own === at ? nothing : html`at ${place(axis, own)}`}</td>
            </tr>`,
        )}
      </table>
      ${readings.length > shown.length ? html`<div class="muted">and ${readings.length - shown.length} more</div>` : nothing}`;
  }
}

/** The nearest true point of each line, from the top of the chart to its bottom. */
function readingsOf(at: number, lines: readonly Line[], chart: LossChart): Reading[] {
  const { x, y } = chart.scales;
  return lines
    .flatMap((line): Reading[] => {
      const truth = line.faint ?? line.bold;
      const index = nearest(truth, at);
      const value = index === undefined ? null : (truth.y[index] ?? null);
      if (index === undefined || value === null) return [];
      const own = truth.x[index]!;
      const smoothed = line.faint === undefined ? undefined : (line.bold.y[index] ?? undefined);
      return [{ line, at: own, value, smoothed, x: x.getPixelForValue(own), y: y.getPixelForValue(value) }];
    })
    .sort((a, b) => b.value - a.value);
}

/** The true point that follows, or precedes, among all lines; for the arrow keys. */
export function neighbour(
  at: number | undefined,
  lines: readonly Line[],
  forward: boolean,
): number | undefined {
  let found: number | undefined;
  for (const { bold } of lines)
    bold.x.forEach((x, i) => {
      if (bold.y[i] === null) return;
      const beyond = at === undefined || (forward ? x > at : x < at);
      if (beyond && (found === undefined || (forward ? x < found : x > found))) found = x;
    });
  return found;
}
