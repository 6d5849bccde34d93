/**
 * The canvas of a chart: lines over an axis, drawn by chart.js, with zoom and pan. Its owner provides the lines; it
 * reports the part of the axis to show, and the position of the pointer.
 */
import {
  Chart,
  Filler,
  type ChartDataset,
  type ChartOptions,
  LinearScale,
  LineController,
  LineElement,
  LogarithmicScale,
  PointElement,
} from "chart.js";
import zoom from "chartjs-plugin-zoom";
import { axisNames } from "../kit/figures";
import type { Points } from "./curve";
import type { Drawing, Line, View } from "../kit/drawing";
import { findTypicalRange } from "./deriveTracks";
import { lineMarks } from "./lineMarks";
import { getColor, getDash } from "../../src/pictures/palette";
import { createHorizontalTicks, createVerticalTicks } from "./ticks";
import type { ChartTheme } from "../../src/pictures/theme";

Chart.register(
  Filler,
  LineController,
  LineElement,
  PointElement,
  LinearScale,
  LogarithmicScale,
  zoom,
  lineMarks,
);

type LineChart = Chart<"line", { x: number; y: number }[]>;

export interface Bounds {
  readonly from: number;
  readonly to: number;
}

export interface ChartListener {
  /** Another part of the axis; undefined for all of it. */
  onRange(range: Bounds | undefined): void;
  /** The vertical part, which belongs to this chart alone. */
  onHeight(range: Bounds | undefined): void;
}

export class LossChart {
  readonly canvas = document.createElement("canvas");
  private readonly chart: LineChart;
  private height: Bounds | undefined;
  private appliedOptions = "";

  constructor(
    parent: HTMLElement,
    private readonly listener: ChartListener,
  ) {
    parent.append(this.canvas);
    this.chart = new Chart(this.canvas, {
      type: "line",
      data: { datasets: [] },
      options: { animation: false },
    });
  }

  draw(drawing: Drawing, view: View, theme: ChartTheme, emphasizedRun: string | undefined): void {
    const typical = view.clip === true ? findTypicalRange(drawing.lines.map(({ bold }) => bold)) : undefined;
    const options = JSON.stringify([view, theme, this.height, typical]);
    if (options !== this.appliedOptions) this.chart.options = this.createOptions(view, theme, typical);
    this.appliedOptions = options;
    this.chart.data.datasets = drawing.lines.flatMap((line) => createDatasets(line, theme, emphasizedRun));
    this.chart.update("none");
  }

  get scales(): { readonly x: Chart["scales"][string]; readonly y: Chart["scales"][string] } {
    return this.chart.scales as never;
  }

  get area(): Chart["chartArea"] {
    return this.chart.chartArea;
  }

  showAll(): void {
    this.height = undefined;
    this.listener.onHeight(undefined);
    this.listener.onRange(undefined);
  }

  /** Around the middle, or around a place on the axis. */
  zoomBy(factor: number, at?: number): void {
    const x = at === undefined ? (this.area.left + this.area.right) / 2 : this.scales.x.getPixelForValue(at);
    this.chart.zoom({ x: factor, y: 1, focalPoint: { x, y: (this.area.top + this.area.bottom) / 2 } });
  }

  resize(): void {
    this.chart.resize();
  }

  destroy(): void {
    this.chart.destroy();
    this.canvas.remove();
  }

  private notifyListener(): void {
    const { x, y } = this.scales;
    if (x.options.min !== undefined && x.options.max !== undefined)
      this.listener.onRange({ from: x.min, to: x.max });
    const { min, max } = y.options as { min?: unknown; max?: unknown };
    if (min === undefined || max === undefined) return;
    this.height = { from: y.min, to: y.max };
    this.listener.onHeight(this.height);
  }

  private createOptions(view: View, theme: ChartTheme, typical: Bounds | undefined): ChartOptions<"line"> {
    const [yMin, yMax] = [
      this.height?.from ?? view.yFrom ?? typical?.from,
      this.height?.to ?? view.yTo ?? typical?.to,
    ];
    const common = {
      border: { color: theme.highContrast ? theme.foreground : theme.grid },
      grid: { color: theme.grid, drawTicks: false },
    };
    const ticks = {
      color: theme.muted,
      padding: 7,
      font: { family: theme.font, size: 11 },
      maxRotation: 0,
      autoSkipPadding: 16,
    };
    return {
      animation: false,
      parsing: false,
      normalized: true,
      responsive: true,
      maintainAspectRatio: false,
      events: [],
      layout: { padding: { top: 8, right: 14 } },
      scales: {
        x: {
          ...common,
          type: view.logX ? "logarithmic" : "linear",
          bounds: "data",
          ...(view.range === undefined ? {} : { min: view.range.from, max: view.range.to }),
          title: {
            display: true,
            text: view.xMetric ?? axisNames[view.axis],
            color: theme.muted,
            font: { family: theme.font, size: 11 },
            padding: { top: 2, bottom: 0 },
          },
          ...createHorizontalTicks(view, ticks),
        },
        y: {
          ...common,
          type: view.logY ? "logarithmic" : "linear",
          beginAtZero: false,
          ...(yMin === undefined || (view.logY && yMin <= 0) ? {} : { min: yMin }),
          ...(yMax === undefined ? {} : { max: yMax }),
          ...createVerticalTicks(view, ticks),
        },
      },
      plugins: {
        zoom: {
          zoom: {
            mode: "x",
            // Over the vertical axis the wheel takes hold of that axis.
            scaleMode: "y",
            wheel: { enabled: true, modifierKey: "ctrl" },
            pinch: { enabled: true },
            drag: {
              enabled: true,
              threshold: 5,
              backgroundColor: theme.highContrast ? "#80808066" : "#80808033",
              borderColor: theme.accent,
              borderWidth: 1,
            },
            onZoom: () => this.notifyListener(),
          },
          pan: {
            enabled: true,
            mode: "x",
            scaleMode: "y",
            modifierKey: "shift",
            onPan: () => this.notifyListener(),
          },
        },
      },
    };
  }
}

function createDatasets(
  line: Line,
  theme: ChartTheme,
  emphasizedRun: string | undefined,
): ChartDataset<"line", { x: number; y: number }[]>[] {
  const color = getColor(line.slot, theme);
  const [isDimmed, isEmphasized] = [
    emphasizedRun !== undefined && emphasizedRun !== line.run,
    emphasizedRun === line.run,
  ];
  const base = { pointRadius: 0, pointHitRadius: 0, spanGaps: false, borderJoinStyle: "round" as const };
  const isSubdued = line.isSubdued === true && !isEmphasized;
  const width = isSubdued ? 1 : (theme.highContrast ? 2.2 : 1.6) + (isEmphasized ? 1 : 0);
  return [
    {
      ...base,
      data: toPairs(line.bold),
      borderColor: isDimmed ? `${color}${isSubdued ? "20" : "40"}` : isSubdued ? `${color}70` : color,
      borderWidth: width,
      borderDash: [...getDash(line.place)],
      order: isEmphasized ? 0 : 1,
      // A point between two gaps has no line to show it.
      pointRadius: getPointRadius(line.bold),
      pointBackgroundColor: color,
      pointBorderWidth: 0,
      ...(isSubdued ? {} : { slot: line.slot }),
    },
    ...(line.members ?? []).map((points) => ({
      ...base,
      data: toPairs(points),
      borderColor: `${color}${isDimmed ? "20" : "70"}`,
      borderWidth: 0.8,
      order: 2,
    })),
    // The upper edge is filled down to the lower one, which comes before it.
    ...(line.band === undefined
      ? []
      : [line.band.low, line.band.high].map((edge, i) => ({
          ...base,
          data: toPairs(edge),
          borderColor: `${color}30`,
          borderWidth: 1,
          order: 3,
          ...(i === 0 ? {} : { fill: "-1", backgroundColor: `${color}${isDimmed ? "0c" : "26"}` }),
        }))),
    ...(line.faint === undefined || isSubdued
      ? []
      : [
          {
            ...base,
            data: toPairs(line.faint),
            borderColor: `${color}${isDimmed ? "14" : "38"}`,
            borderWidth: 1,
            order: 2,
          },
        ]),
  ];
}

const pairCache = new WeakMap<Points, { x: number; y: number }[]>();

/** A gap is a number that is none. */
function toPairs(points: Points): { x: number; y: number }[] {
  const cached = pairCache.get(points);
  if (cached !== undefined) return cached;
  const created = points.x.map((x, i) => ({ x, y: points.y[i] ?? NaN }));
  pairCache.set(points, created);
  return created;
}

function getPointRadius({ y }: Points): number | number[] {
  const isIsolated = (i: number) =>
    y[i] !== null && (y[i - 1] ?? null) === null && (y[i + 1] ?? null) === null;
  const hasIsolated = y.some((_, i) => isIsolated(i));
  return hasIsolated ? y.map((_, i) => (isIsolated(i) ? 2.5 : 0)) : 0;
}
