/** Metric histories, thinned where they are read so that a page never gets more points than it has pixels. */

export type Axis = "step" | "tokens" | "seconds";

export interface SeriesName {
  readonly run: string;
  /** `train/loss`, `eval/loss`, … */
  readonly metric: string;
  readonly axis: Axis;
}

export interface SeriesQuery extends SeriesName {
  /** Part of the axis to look at, both ends included; all of it when left out. */
  readonly from?: number;
  readonly to?: number;
  /** Most points that may come back, at least 8. The lowest and the highest of every stretch are always among them. */
  readonly points: number;
  /** The axis is drawn logarithmically: stretches are equally long on that drawing. */
  readonly logarithmic?: boolean;
}

/** Points in the order of the axis, as columns. A value that is not a number is null and shows as a gap. */
export interface Series extends SeriesName {
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
  /** How many points there are in that part of the history; more than `x.length` where it was thinned. */
  readonly total: number;
  /** Lines of the history that this series includes: `metricsAppended` continues from here. */
  readonly lines: number;
}

export interface MetricRequests {
  "metrics.series": {
    params: { readonly queries: readonly SeriesQuery[] };
    result: { readonly series: readonly Series[] };
  };
  /**
   * Replaces the series that one watcher follows; an empty list ends it. Their new points arrive as `metricsAppended`.
   * The result counts the lines of each run that have been reported so far; request a series that includes fewer again.
   */
  "metrics.watch": {
    params: { readonly watcher: string; readonly series: readonly SeriesName[] };
    result: { readonly lines: Readonly<Record<string, number>> };
  };
}

export interface MetricEvents {
  metricsAppended: {
    readonly run: string;
    /** Lines of the history before the new ones. A series continues here if it includes this many. */
    readonly from: number;
    /** The new points of each watched series, not thinned. `total` counts only these. */
    readonly series: readonly Series[];
    /** The history was truncated, as a resumed run does: discard what was read and ask again. No series come with it. */
    readonly restarted: boolean;
  };
}
