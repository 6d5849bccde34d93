/** Converts curves to the lines to draw: smoothing, gaps, and notes about values that a logarithmic axis cannot show. */
import type { Axis } from "../../src/protocol/service/metrics";
import type { LossProtocol } from "../../src/protocol/lossProtocol";
import { type Points } from "../charts/curve";
import { pluralize } from "../../src/protocol/quantities";
import { referenceSlot } from "../../src/pictures/palette";
import { getUsualSmoothing } from "./look";
import { smooth, computeSmoothingWidth } from "../charts/smoothing";

/** How all charts of a page are looked at. */
export interface View {
  readonly axis: Axis;
  readonly logX: boolean;
  readonly logY: boolean;
  /** From 0, none, to 1; undefined for what the settings name. */
  readonly smoothing?: number | undefined;
  /** The part of the axis that is shown; all of it when left out. */
  readonly range?: { readonly from: number; readonly to: number } | undefined;
  /** A metric in the place of the axis. */
  readonly xMetric?: string | undefined;
  /** Limits of the vertical axis, where a person set them. */
  readonly yFrom?: number | undefined;
  readonly yTo?: number | undefined;
  /** The vertical axis leaves out the most extreme values. */
  readonly clip?: boolean;
  /** What makes one curve of several runs of a cell, as `runGroups.ts` names it; empty for a curve of each. */
  readonly grouping?: string;
  /** Around the mean of a group. */
  readonly band?: Band;
  /** Curves are differences to the baseline. */
  readonly relative?: boolean;
}

/** The 95 % interval of the mean, from the lowest to the highest, or each run as a thin line. */
export type Band = "interval" | "range" | "runs";

export const defaultView: View = { axis: "step", logX: false, logY: false };

/** A curve with its legend entry. */
export interface Track {
  readonly run: string;
  readonly metric: string;
  readonly name: string;
  readonly slot: number;
  /** The metric's place among those of the chart. */
  readonly place: number;
  readonly points: Points;
  /** How the values were measured, where that is known. */
  readonly protocol?: LossProtocol | undefined;
  /** Computed from curves of runs, so that no history has its points. */
  readonly isDerived?: boolean;
  readonly band?: { readonly low: Points; readonly high: Points };
  /** The runs of a mean, to be drawn thin. */
  readonly members?: readonly Points[];
  /** The runs may not be compared, so they have no mean. */
  readonly isSplit?: boolean;
}

export interface Line extends Track {
  /** What is drawn boldly: the true points, or their moving average. */
  readonly bold: Points;
  /** Undefined where the bold line is the truth itself. */
  readonly faint: Points | undefined;
  /** Among so many lines that only those of the chart's first metric are drawn in full. */
  readonly isSubdued?: boolean;
}

export interface Drawing {
  readonly lines: readonly Line[];
  /** What the picture does not show, in words. */
  readonly remarks: readonly string[];
  /** Length of the moving average on the axis; 0 without one. */
  readonly width: number;
}

/**
 * Not smoothed: what a schedule sets has no noise, and what is evaluated is read as it was measured, at few places. Training
 * losses are those of single batches.
 */
const exactMetric = /\/learning_rate$|^eval\//;

/** More lines than this are a tangle if all are drawn alike. */
const tangle = 24;

export function createDrawing(tracks: readonly Track[], view: View): Drawing {
  const measured = tracks.filter(({ slot }) => slot !== referenceSlot);
  const width = computeSmoothingWidth(view.smoothing ?? getUsualSmoothing(), computeExtent(measured));
  let [below, before] = [0, 0];
  const lines = tracks.map((track): Line => {
    const { x, y } = track.points;
    const toDrawable = (values: readonly (number | null)[]): Points => {
      if (!view.logX && !view.logY) return { x, y: values };
      const drawableValues = values.map((value, i) =>
        (view.logX && x[i]! <= 0) || (view.logY && value !== null && value <= 0) ? null : value,
      );
      return { x, y: drawableValues };
    };
    y.forEach((value, i) => {
      if (value === null) return;
      if (view.logX && x[i]! <= 0) before++;
      else if (view.logY && value <= 0) below++;
    });
    const measuredPoints = toDrawable(y);
    // What was published is shown as it was published.
    if (width === 0 || exactMetric.test(track.metric) || track.slot === referenceSlot)
      return { ...track, bold: measuredPoints, faint: undefined };
    const bold = toDrawable(smooth(x, y, width));
    if (track.band === undefined)
      return { ...track, bold, faint: track.isDerived ? undefined : measuredPoints };
    const smoothEdge = (edge: Points): Points => toDrawable(smooth(edge.x, edge.y, width));
    const band = { low: smoothEdge(track.band.low), high: smoothEdge(track.band.high) };
    return { ...track, bold, faint: undefined, band };
  });
  const isTangled = lines.length > tangle && lines.some(({ place }) => place === 0);
  const remarks = [
    ...(below > 0
      ? [`${pluralize(below, "value")} at or below zero cannot be shown on a logarithmic axis.`]
      : []),
    ...(before > 0 ? [`${pluralize(before, "point")} at zero cannot be shown on a logarithmic axis.`] : []),
  ];
  return {
    lines: isTangled
      ? lines.map((line) =>
          line.place > 0 && line.slot !== referenceSlot ? { ...line, isSubdued: true } : line,
        )
      : lines,
    remarks,
    width,
  };
}

/** Length of the axis that the tracks take up together. */
export function computeExtent(tracks: readonly Pick<Track, "points">[]): number {
  let [from, to] = [Infinity, -Infinity];
  for (const { points } of tracks) {
    if (points.x.length === 0) continue;
    from = Math.min(from, points.x[0]!);
    to = Math.max(to, points.x.at(-1)!);
  }
  return Math.max(0, to - from);
}

/** The lowest and the last number of a line. */
export function computeExtremes({
  y,
}: Points): { readonly last: number; readonly lowest: number; readonly highest: number } | undefined {
  let [last, lowest, highest] = [NaN, Infinity, -Infinity];
  for (const value of y) {
    if (value === null) continue;
    last = value;
    if (value < lowest) lowest = value;
    if (value > highest) highest = value;
  }
  return Number.isNaN(last) ? undefined : { last, lowest, highest };
}
