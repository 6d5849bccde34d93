/** What a saved view of Charts contains: how the runs are looked at, not which of them. */
import type { ChartsView } from "../../src/schema/savedViews";
import type { ViewContent } from "../kit/viewMenu";
import { defaultView, type View } from "../kit/drawing";

export type ChartsContent = ViewContent<ChartsView>;

/** The parts of the page's state that a view sets. */
export interface ChartsLook {
  readonly filter: string;
  readonly metrics: readonly string[];
  readonly grouping: string;
  readonly view: View;
}

export const usualMetrics = ["eval/loss", "train/loss"];

export function captureCharts({ filter, metrics, grouping, view }: ChartsLook): ChartsContent {
  const { axis, xMetric, logX, logY, yFrom, yTo, clip, smoothing, band, relative } = view;
  const sorted = [...metrics].sort();
  return {
    ...(filter === "" ? {} : { filter }),
    ...(sorted.join("\n") === usualMetrics.join("\n") ? {} : { metrics: sorted }),
    ...(grouping === "" ? {} : { group: grouping }),
    ...(axis === defaultView.axis ? {} : { axis }),
    ...(xMetric === undefined ? {} : { x: xMetric }),
    ...(logX ? { log_x: true } : {}),
    ...(logY ? { log_y: true } : {}),
    ...(yFrom === undefined ? {} : { y_from: yFrom }),
    ...(yTo === undefined ? {} : { y_to: yTo }),
    ...(clip === true ? { no_outliers: true } : {}),
    ...(smoothing === undefined ? {} : { smoothing }),
    ...(band === undefined || band === "interval" ? {} : { band }),
    ...(relative === true ? { minus_baseline: true } : {}),
  };
}

/** Without a part of the axis that was zoomed to: that is of the runs that were shown. */
export function restoreCharts(content: ChartsContent): ChartsLook {
  return {
    filter: content.filter ?? "",
    metrics: [...new Set(content.metrics ?? usualMetrics)],
    grouping: content.group ?? "",
    view: {
      axis: content.axis ?? defaultView.axis,
      logX: content.log_x ?? false,
      logY: content.log_y ?? false,
      xMetric: content.x,
      yFrom: content.y_from,
      yTo: content.y_to,
      clip: content.no_outliers ?? false,
      smoothing: content.smoothing,
      band: content.band ?? "interval",
      relative: content.minus_baseline ?? false,
      range: undefined,
    },
  };
}
