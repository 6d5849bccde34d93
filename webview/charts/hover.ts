/** What a chart shows at the pointer: a vertical line, and a mark with the value at the nearest measured point of each curve. */
import { html, nothing, render, svg, type TemplateResult } from "lit";
import type { ProtocolMark, ProtocolMarks } from "../../src/protocol/protocolMarks";
import type { Axis } from "../../src/protocol/service/metrics";
import { findNearest } from "./curve";
import type { Line } from "../kit/drawing";
import { formatExact, formatPosition, formatReading } from "../kit/figures";
import type { LossChart } from "./lossChart";
import { getColor, getMark } from "../../src/pictures/palette";
import { renderLongName } from "../kit/longName";
import { renderProtocolMark } from "../kit/protocolMark";
import { renderSample } from "../kit/sample";
import type { ChartTheme } from "../../src/pictures/theme";

/** Readings in the box; more of them would hide the chart. */
const maxReadings = 12;

export interface HoverPlace {
  /** On the axis. */
  readonly at: number;
  readonly axis: Axis;
  /** The metric in the place of the axis. */
  readonly xMetric: string | undefined;
  /** Height of the pointer: the readings nearest to it come first; without it, from the top of the chart to its bottom. */
  readonly pointerY: number | undefined;
  /** Whether the pointer or the keyboard is in this chart; the other charts only draw the line. */
  readonly isActive: boolean;
}

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

  /** Returns the run of the curve that is nearest to the pointer. */
  show(
    place: HoverPlace,
    lines: readonly Line[],
    chart: LossChart,
    theme: ChartTheme,
    marks: ProtocolMarks,
  ): string | undefined {
    const { at, isActive, pointerY } = place;
    const { area } = chart;
    const readings = getReadings(at, lines, chart);
    if (pointerY !== undefined) readings.sort((a, b) => Math.abs(a.y - pointerY) - Math.abs(b.y - pointerY));
    const nearestReading = readings.reduce<Reading | undefined>(
      (best, each) => (best === undefined || Math.abs(each.at - at) < Math.abs(best.at - at) ? each : best),
      undefined,
    );
    const cursorX = nearestReading === undefined ? NaN : chart.scales.x.getPixelForValue(nearestReading.at);
    if (nearestReading === undefined || cursorX < area.left - 1 || cursorX > area.right + 1) {
      this.hide();
      return undefined;
    }
    const dots = readings
      .filter(({ x, y }) => x >= area.left - 1 && x <= area.right + 1 && y >= area.top && y <= area.bottom)
      .map(
        ({ line, x, y }) =>
          svg`<path transform="translate(${x} ${y}) scale(4.6)" d=${getMark(line.slot)} fill=${getColor(line.slot, theme)} stroke=${theme.background} stroke-width=".35" />`,
      );
    const isRightHalf = cursorX > (area.left + area.right) / 2;
    const offset = isRightHalf
      ? `right: ${chart.canvas.clientWidth - cursorX + 12}px`
      : `left: ${cursorX + 12}px`;
    render(
      html`<svg aria-hidden="true">
          <line x1=${cursorX} x2=${cursorX} y1=${area.top} y2=${area.bottom} />
          ${dots}
        </svg>
        ${isActive ? html`<div class="reading" style="${offset}; top: ${area.top}px">${this.renderTable(nearestReading.at, readings, place, theme, marks)}</div>` : nothing}`,
      this.element,
    );
    return isActive && pointerY !== undefined ? readings[0]?.line.run : undefined;
  }

  /** The same in a sentence, for those who hear it. */
  describe(at: number, lines: readonly Line[], chart: LossChart, axis: Axis): string {
    const readings = getReadings(at, lines, chart);
    return `${formatPosition(axis, at)}: ${readings.map(({ line, value }) => `${line.name} ${line.metric} ${formatExact(value)}`).join("; ")}`;
  }

  private renderTable(
    at: number,
    readings: readonly Reading[],
    { axis, xMetric, pointerY }: HoverPlace,
    theme: ChartTheme,
    marks: ProtocolMarks,
  ): TemplateResult {
    const hasSeveral = new Set(readings.map(({ line }) => line.metric)).size > 1;
    const visible = readings.slice(0, maxReadings);
    const formatPlace = (position: number) =>
      xMetric === undefined ? formatPosition(axis, position) : `${xMetric} ${formatReading(position)}`;
    return html`<div class="where">${formatPlace(at)}</div>
      <table role="presentation">
        ${visible.map(
          ({ line, at: readingPosition, value, smoothed }, i) =>
            html`<tr class=${i === 0 && pointerY !== undefined && visible.length > 1 ? "nearest" : ""}>
              <td>${renderSample(line.slot, line.place, theme)}</td>
              <td>${renderLongName(line.name)}</td>
              ${hasSeveral ? html`<td class="muted">${line.metric}</td>` : nothing}
              <td class="number">
                ${formatExact(value)}${renderMark(marks.find(line.metric, line.protocol))}
              </td>
              ${smoothed === undefined ? nothing : html`<td class="number muted">≈ ${formatReading(smoothed)}</td>`}
              <td class="muted">
                ${readingPosition === at ? nothing : html`at ${formatPlace(readingPosition)}`}
              </td>
            </tr>`,
        )}
      </table>
      ${readings.length > visible.length ? html`<div class="muted">and ${readings.length - visible.length} more</div>` : nothing}`;
  }
}

const renderMark = (mark: ProtocolMark | undefined) =>
  mark === undefined ? nothing : renderProtocolMark(mark);

/** The nearest true point of each line, from the top of the chart to its bottom. */
function getReadings(at: number, lines: readonly Line[], chart: LossChart): Reading[] {
  const { x, y } = chart.scales;
  return lines
    .flatMap((line): Reading[] => {
      const measured = line.faint ?? line.bold;
      const index = findNearest(measured, at);
      const value = index === undefined ? null : (measured.y[index] ?? null);
      if (index === undefined || value === null) return [];
      const measuredAt = measured.x[index]!;
      const smoothed = line.faint === undefined ? undefined : (line.bold.y[index] ?? undefined);
      return [
        {
          line,
          at: measuredAt,
          value,
          smoothed,
          x: x.getPixelForValue(measuredAt),
          y: y.getPixelForValue(value),
        },
      ];
    })
    .sort((a, b) => b.value - a.value);
}

/** The true point that follows, or precedes, among all lines; for the arrow keys. */
export function findNeighbor(
  at: number | undefined,
  lines: readonly Line[],
  forward: boolean,
): number | undefined {
  let neighbor: number | undefined;
  for (const { bold } of lines)
    bold.x.forEach((x, i) => {
      if (bold.y[i] === null) return;
      const isBeyond = at === undefined || (forward ? x > at : x < at);
      if (isBeyond && (neighbor === undefined || (forward ? x < neighbor : x > neighbor))) neighbor = x;
    });
  return neighbor;
}
