/**
 * Keeps the curves of a page current: requests each series once, appends its increments, and requests more detail of the
 * visible part. It does not draw.
 */
import type { Unsubscribe } from "../../src/protocol/connection";
import { toWorkbenchError } from "../../src/protocol/errors";
import type { Axis, MetricEvents, Series, SeriesQuery } from "../../src/protocol/service/metrics";
import type { Host } from "../../src/protocol/page";
import { append, type Points, mergeDetail } from "./curve";

export interface CurveName {
  readonly run: string;
  readonly metric: string;
}

/** A part of the axis, both ends included. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

export interface FeedListener {
  /** Some curves are not what they were: draw when it suits. */
  onChange(): void;
  /** Undefined when all is well again. */
  onFault(run: string, message: string | undefined): void;
}

type Increment = MetricEvents["metricsAppended"];

interface Entry extends CurveName {
  curve: Series | undefined;
  /** The curve was given by somebody who may have thinned it more. */
  seeded: boolean;
  detail: { readonly points: Points; readonly range: Range } | undefined;
}

/** Points of a whole curve: two for each pixel of a wide screen, so that a short history is never thinned. */
const maxPoints = 4000;

export class CurveFeed {
  private readonly entries = new Map<string, Entry>();
  private readonly subscriptions: Unsubscribe[];
  /** Increments that arrive while a series is on its way: they may belong behind it. */
  private readonly pending = new Map<string, { flights: number; increments: Increment[] }>();
  private readonly watcher = `page-${Math.random().toString(36).slice(2)}`;
  private curveRequest = new AbortController();
  private detailRequest = new AbortController();
  private detailTimer: ReturnType<typeof setTimeout> | undefined;
  private watched = "";
  private range: Range | undefined;
  private logarithmic = false;

  /** Without a host it shows what it was seeded with, and nothing moves. */
  constructor(
    private readonly host: Host | undefined,
    private axis: Axis,
    private readonly listener: FeedListener,
  ) {
    this.subscriptions =
      host === undefined
        ? []
        : [
            host.on("metricsAppended", (increment) => this.receiveIncrement(increment)),
            host.on("backendRestarted", () => this.reload()),
          ];
  }

  /** Curves that somebody else has read already. */
  seed(series: readonly Series[]): void {
    for (const each of series) {
      if (each.axis !== this.axis) continue;
      const entry = this.getOrCreateEntry(each);
      // What has been asked for is finer, and has been followed since.
      if (entry.curve !== undefined && (this.host !== undefined || each.lines <= entry.curve.lines)) continue;
      entry.curve = each;
      entry.seeded = true;
    }
  }

  /** Follows these curves and forgets all others. */
  follow(names: readonly CurveName[], axis: Axis, logarithmic: boolean): void {
    if (axis !== this.axis) this.reset(axis);
    const isScaleChanged = logarithmic !== this.logarithmic;
    this.logarithmic = logarithmic;
    const keys = new Set(names.map(getKey));
    for (const key of this.entries.keys()) if (!keys.has(key)) this.entries.delete(key);
    const added = names.filter((name) => !this.entries.has(getKey(name)));
    for (const name of added) this.getOrCreateEntry(name);
    if (this.host === undefined) return;
    void this.watch();
    const isMissing = (entry: Entry) => entry.curve === undefined && !this.pending.has(entry.run);
    const isThinnedDifferently = ({ curve, seeded }: Entry) =>
      (isScaleChanged || seeded) && curve !== undefined && isThinned(curve);
    const addedKeys = new Set(added.map(getKey));
    const outdated = [...this.entries.values()].filter(
      (entry) => !addedKeys.has(getKey(entry)) && (isMissing(entry) || isThinnedDifferently(entry)),
    );
    this.requestCurves([...added, ...outdated]);
  }

  /** The points to draw, in detail where the detail is there. */
  points(name: CurveName): (Points & { readonly total: number }) | undefined {
    const entry = this.entries.get(getKey(name));
    if (entry?.curve === undefined) return undefined;
    const { curve, detail } = entry;
    if (detail === undefined) return curve;
    return { ...mergeDetail(curve, detail.points, detail.range.from, detail.range.to), total: curve.total };
  }

  /** Asks, after a pause, for the detail of what is looked at, with two points for each of the pixels. */
  setRange(range: Range | undefined, pixels: number): void {
    this.range = range;
    clearTimeout(this.detailTimer);
    this.detailRequest.abort();
    if (range === undefined) {
      for (const entry of this.entries.values()) entry.detail = undefined;
      return;
    }
    this.detailTimer = setTimeout(() => void this.requestDetail(range, pixels), 120);
  }

  /** Every point of the curve, for an export. */
  async readAllPoints({ run, metric }: CurveName): Promise<Points> {
    const { curve } = this.entries.get(getKey({ run, metric })) ?? {};
    if (curve === undefined) return { x: [], y: [] };
    if (this.host === undefined || !isThinned(curve)) return curve;
    const [series] = await this.request(run, [metric], curve.total + 1000);
    return series ?? curve;
  }

  dispose(): void {
    for (const each of this.subscriptions) each.dispose();
    clearTimeout(this.detailTimer);
    this.curveRequest.abort();
    this.detailRequest.abort();
    this.entries.clear();
    if (this.host !== undefined && this.watched !== "") void this.watch();
  }

  private reset(axis: Axis): void {
    this.axis = axis;
    this.curveRequest.abort();
    this.curveRequest = new AbortController();
    this.setRange(undefined, 0);
    this.entries.clear();
  }

  private getOrCreateEntry(name: CurveName): Entry {
    const key = getKey(name);
    const entry = this.entries.get(key) ?? {
      run: name.run,
      metric: name.metric,
      curve: undefined,
      seeded: false,
      detail: undefined,
    };
    this.entries.set(key, entry);
    return entry;
  }

  private getEntries(run: string): Entry[] {
    return [...this.entries.values()].filter((entry) => entry.run === run);
  }

  private reload(): void {
    this.watched = "";
    for (const entry of this.entries.values()) entry.detail = undefined;
    void this.watch();
    this.requestCurves([...this.entries.values()]);
  }

  private async watch(): Promise<void> {
    const { axis } = this;
    const series = [...this.entries.values()].map(({ run, metric }) => ({ run, metric, axis }));
    const watched = series.map((each) => `${axis}\n${getKey(each)}`).join("\n");
    if (watched === this.watched) return;
    this.watched = watched;
    try {
      const { lines } = await this.host!.request("metrics.watch", { watcher: this.watcher, series });
      // Lines appended between the answer with a series and the start of the watch are not reported.
      this.requestCurves(
        [...this.entries.values()].filter(({ curve, run }) => (curve?.lines ?? Infinity) < (lines[run] ?? 0)),
      );
    } catch (thrown) {
      this.watched = "";
      for (const run of new Set(series.map((each) => each.run))) this.reportFault(run, thrown);
    }
  }

  private requestCurves(names: readonly CurveName[]): void {
    if (this.host === undefined) return;
    for (const [run, metrics] of groupByRun(names)) void this.requestRun(run, metrics);
  }

  /** A request for each run, so that one that can't be read leaves the others alone. */
  private async requestRun(run: string, metrics: readonly string[]): Promise<void> {
    const { axis } = this;
    const pendingRequests = this.pending.get(run) ?? { flights: 0, increments: [] };
    this.pending.set(run, pendingRequests);
    pendingRequests.flights++;
    try {
      const series = await this.request(run, metrics, maxPoints, this.curveRequest.signal);
      if (axis !== this.axis) return;
      for (const each of series) {
        const entry = this.entries.get(getKey(each));
        if (entry === undefined) continue;
        entry.curve = each;
        entry.seeded = false;
      }
      for (const increment of pendingRequests.increments) this.appendIncrement(increment);
      this.listener.onFault(run, undefined);
      this.listener.onChange();
    } catch (thrown) {
      this.reportFault(run, thrown);
    } finally {
      if (--pendingRequests.flights === 0) this.pending.delete(run);
    }
  }

  private async request(
    run: string,
    metrics: readonly string[],
    points: number,
    signal?: AbortSignal,
    range?: Range,
  ): Promise<readonly Series[]> {
    const { axis, logarithmic } = this;
    const queries = metrics.map((metric): SeriesQuery => ({
      run,
      metric,
      axis,
      points,
      logarithmic,
      ...range,
    }));
    const { series } = await this.host!.request("metrics.series", { queries }, signal);
    return series;
  }

  private receiveIncrement(increment: Increment): void {
    if (increment.restarted) {
      this.restart(increment.run);
      return;
    }
    this.pending.get(increment.run)?.increments.push(increment);
    this.appendIncrement(increment);
  }

  private appendIncrement({ run, from, series }: Increment): void {
    const outdated: CurveName[] = [];
    let changed = false;
    for (const increment of series) {
      const entry = this.entries.get(getKey(increment));
      if (entry?.curve === undefined || increment.axis !== this.axis) continue;
      const appended = append(entry.curve, from, increment);
      if (appended === "known") continue;
      changed = true;
      if (appended === "mismatch") outdated.push(entry);
      else {
        entry.curve = appended;
        // A live curve that has grown to twice its size is asked for again, so that the service alone thins.
        if (appended.x.length > 2 * maxPoints && !this.pending.has(run)) outdated.push(entry);
      }
    }
    this.requestCurves(outdated);
    if (changed) this.listener.onChange();
  }

  private restart(run: string): void {
    const entries = this.getEntries(run);
    if (entries.length === 0) return;
    for (const each of entries) each.detail = undefined;
    // Earlier increments are void. A series on its way may be too, so it is asked for again as well.
    this.pending.get(run)?.increments.splice(0);
    this.requestCurves(entries);
    this.listener.onChange();
  }

  private async requestDetail(range: Range, pixels: number): Promise<void> {
    if (this.host === undefined) return;
    const request = (this.detailRequest = new AbortController());
    const thinned = [...this.entries.values()].filter(({ curve }) => curve !== undefined && isThinned(curve));
    // As much again on both sides, so that a move to the side shows something at once.
    const margin = (range.to - range.from) / 2;
    const paddedRange = { from: range.from - margin, to: range.to + margin };
    const points = Math.max(400, Math.round(pixels * 4));
    await Promise.all(
      groupByRun(thinned).map(async ([run, metrics]) => {
        try {
          const series = await this.request(run, metrics, points, request.signal, paddedRange);
          if (request.signal.aborted || this.range !== range) return;
          for (const each of series) {
            const entry = this.entries.get(getKey(each));
            if (entry !== undefined) entry.detail = { points: each, range: paddedRange };
          }
          this.listener.onChange();
        } catch (thrown) {
          this.reportFault(run, thrown);
        }
      }),
    );
  }

  private reportFault(run: string, thrown: unknown): void {
    const error = toWorkbenchError(thrown);
    if (error.code !== "cancelled") this.listener.onFault(run, error.message);
  }
}

function isThinned({ total, x }: Series): boolean {
  return total > x.length;
}

function groupByRun(names: readonly CurveName[]): [run: string, metrics: string[]][] {
  const metrics = new Map<string, string[]>();
  for (const { run, metric } of names) metrics.set(run, [...(metrics.get(run) ?? []), metric]);
  return [...metrics];
}

function getKey({ run, metric }: CurveName): string {
  return `${metric}\n${run}`;
}
