/** Metric histories, thinned where they are read so that a page never gets more points than it has pixels. */

export type Axis = "step" | "tokens" | "seconds";

export interface SeriesQuery {
  readonly run: string;
  /** `train/loss`, `eval/loss`, … */
  readonly metric: string;
  readonly axis: Axis;
  /** Part of the axis to look at, both ends included; all of it when left out. */
  readonly from?: number;
  readonly to?: number;
  /** Most points that may come back, at least 8. The lowest and the highest of every stretch are always among them. */
  readonly points: number;
  /** The axis is drawn logarithmically: stretches are equally long on that drawing. */
  readonly logarithmic?: boolean;
}

/** Points in the order of the axis. A value that is not a number is null and shows as a gap. */
export interface Series {
  readonly run: string;
  readonly metric: string;
  readonly axis: Axis;
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
  /** How many points there are in that part of the history; more than `x.length` where it was thinned. */
  readonly total: number;
  /** Lines of the history that this series includes: `metricsAppended` continues from here. */
  readonly lines: number;
}

/** A line of the history as it is sent: a value that is not a number is null. */
export interface AppendedLine {
  readonly step: number;
  readonly tokens?: number;
  readonly seconds: number;
  readonly [metric: `${string}/${string}`]: number | null;
}

export interface MetricRequests {
  "metrics.series": {
    params: { readonly queries: readonly SeriesQuery[] };
    result: { readonly series: readonly Series[] };
  };
  /**
   * Replaces what one watcher follows; an empty list ends it. New lines come as `metricsAppended`, from the line count on
   * that the answer names, so that nothing is lost or sent twice between a series and its increments. Watch first, then
   * ask for series: of lines that come with a `from` below a series' `lines`, it already knows that many.
   */
  "metrics.watch": {
    params: { readonly watcher: string; readonly runs: readonly string[] };
    result: { readonly lines: Readonly<Record<string, number>> };
  };
}

export interface MetricEvents {
  metricsAppended: {
    readonly run: string;
    /** Lines of the history before these. */
    readonly from: number;
    readonly lines: readonly AppendedLine[];
    /** The history was cut back, as a resumed run does: forget what was read and ask again. No lines come with it. */
    readonly restarted: boolean;
  };
}
