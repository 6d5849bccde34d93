/**
 * Keeps the curves of a page current: requests each series once, appends new lines of the histories, and requests more
 * detail of the visible part. It does not draw.
 */
import type { Unsubscribe } from "../../src/protocol/connection";
import { toWorkbenchError } from "../../src/protocol/errors";
import type { Axis, MetricEvents, Series, SeriesQuery } from "../../src/protocol/service/metrics";
import type { Host } from "../page";
import { append, type Curve, type Points, withDetail } from "./curve";

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
  curve: Curve | undefined;
  /** The curve was given by somebody who may have thinned it more. */
  seeded: boolean;
  detail: { readonly points: Points; readonly range: Range } | undefined;
}

/** Points of a whole curve: two for each pixel of a wide screen, so that a short history is never thinned. */
const wholePoints = 4000;

export class CurveFeed {
  private readonly entries = new Map<string, Entry>();
  private readonly subscriptions: Unsubscribe[];
  /** Increments that arrive while a series is on its way: they may belong behind it. */
  private readonly pending = new Map<string, { flights: number; increments: Increment[] }>();
  private readonly watcher = `page-${Math.random().toString(36).slice(2)}`;
  private asked = new AbortController();
  private detailAsked = new AbortController();
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
            host.on("metricsAppended", (increment) => this.take(increment)),
            host.on("backendRestarted", () => this.renew()),
          ];
  }

  /** Curves that somebody else has read already. */
  seed(series: readonly Series[]): void {
    for (const each of series) {
      if (each.axis !== this.axis) continue;
      const entry = this.entryOf(each);
      // What has been asked for is finer, and has been followed since.
      if (entry.curve !== undefined && (this.host !== undefined || each.lines <= entry.curve.lines)) continue;
      entry.curve = each;
      entry.seeded = true;
    }
  }

  /** Follows these curves and forgets all others. */
  follow(names: readonly CurveName[], axis: Axis, logarithmic: boolean): void {
    if (axis !== this.axis) this.forget(axis);
    const turned = logarithmic !== this.logarithmic;
    this.logarithmic = logarithmic;
    const wanted = new Set(names.map(keyOf));
    for (const key of this.entries.keys()) if (!wanted.has(key)) this.entries.delete(key);
    const fresh = names.filter((name) => !this.entries.has(keyOf(name)));
    for (const name of fresh) this.entryOf(name);
    if (this.host === undefined) return;
    void this.watch();
    const missing = (entry: Entry) => entry.curve === undefined && !this.pending.has(entry.run);
    const thinnedOtherwise = ({ curve, seeded }: Entry) =>
      (turned || seeded) && curve !== undefined && isThinned(curve);
    const asked = new Set(fresh.map(keyOf));
    const again = [...this.entries.values()].filter(
      (entry) => !asked.has(keyOf(entry)) && (missing(entry) || thinnedOtherwise(entry)),
    );
    this.ask([...fresh, ...again]);
  }

  /** The points to draw, in detail where the detail is there. */
  points(name: CurveName): (Points & { readonly total: number }) | undefined {
    const entry = this.entries.get(keyOf(name));
    if (entry?.curve === undefined) return undefined;
    const { curve, detail } = entry;
    if (detail === undefined) return curve;
    return { ...withDetail(curve, detail.points, detail.range.from, detail.range.to), total: curve.total };
  }

  /** Asks, after a pause, for the detail of what is looked at, with two points for each of the pixels. */
  look(range: Range | undefined, pixels: number): void {
    this.range = range;
    clearTimeout(this.detailTimer);
    this.detailAsked.abort();
    if (range === undefined) {
      for (const entry of this.entries.values()) entry.detail = undefined;
      return;
    }
    this.detailTimer = setTimeout(() => void this.askDetail(range, pixels), 120);
  }

  /** Every point of the curve, for an export. */
  async everyPoint({ run, metric }: CurveName): Promise<Points> {
    const { curve } = this.entries.get(keyOf({ run, metric })) ?? {};
    if (curve === undefined) return { x: [], y: [] };
    if (this.host === undefined || !isThinned(curve)) return curve;
    const [series] = await this.request(run, [metric], curve.total + 1000);
    return series ?? curve;
  }

  dispose(): void {
    for (const each of this.subscriptions) each.dispose();
    clearTimeout(this.detailTimer);
    this.asked.abort();
    this.detailAsked.abort();
    this.entries.clear();
    if (this.host !== undefined && this.watched !== "") void this.watch();
  }

  private forget(axis: Axis): void {
    this.axis = axis;
    this.asked.abort();
    this.asked = new AbortController();
    this.look(undefined, 0);
    this.entries.clear();
  }

  private entryOf(name: CurveName): Entry {
    const key = keyOf(name);
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

  private entriesOf(run: string): Entry[] {
    return [...this.entries.values()].filter((entry) => entry.run === run);
  }

  private renew(): void {
    this.watched = "";
    for (const entry of this.entries.values()) entry.detail = undefined;
    void this.watch();
    this.ask([...this.entries.values()]);
  }

  private async watch(): Promise<void> {
    const runs = [...new Set([...this.entries.values()].map(({ run }) => run))];
    const watched = runs.join("\n");
    if (watched === this.watched) return;
    this.watched = watched;
    try {
      const { lines } = await this.host!.request("metrics.watch", { watcher: this.watcher, runs });
      // Lines appended between the answer with a series and the start of the watch are not reported.
      this.ask(
        [...this.entries.values()].filter(({ curve, run }) => (curve?.lines ?? Infinity) < (lines[run] ?? 0)),
      );
    } catch (thrown) {
      this.watched = "";
      for (const run of runs) this.fault(run, thrown);
    }
  }

  private ask(names: readonly CurveName[]): void {
    if (this.host === undefined) return;
    for (const [run, metrics] of metricsByRun(names)) void this.askRun(run, metrics);
  }

  /** A request for each run, so that one that can't be read leaves the others alone. */
  private async askRun(run: string, metrics: readonly string[]): Promise<void> {
    const { axis } = this;
    const flight = this.pending.get(run) ?? { flights: 0, increments: [] };
    this.pending.set(run, flight);
    flight.flights++;
    try {
      const series = await this.request(run, metrics, wholePoints, this.asked.signal);
      if (axis !== this.axis) return;
      for (const each of series) {
        const entry = this.entries.get(keyOf(each));
        if (entry === undefined) continue;
        entry.curve = each;
        entry.seeded = false;
      }
      for (const increment of flight.increments) this.grow(increment);
      this.listener.onFault(run, undefined);
      this.listener.onChange();
    } catch (thrown) {
      this.fault(run, thrown);
    } finally {
      if (--flight.flights === 0) this.pending.delete(run);
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

  private take(increment: Increment): void {
    this.pending.get(increment.run)?.increments.push(increment);
    this.grow(increment);
  }

  private grow({ run, from, lines, restarted }: Increment): void {
    const torn: CurveName[] = [];
    // A live curve that has grown to twice its size is asked for again, so that the service alone thins.
    const overgrown: CurveName[] = [];
    let changed = false;
    for (const entry of this.entriesOf(run)) {
      if (entry.curve === undefined) continue;
      const grown = restarted ? "gap" : append(entry.curve, from, lines);
      if (grown === "known") continue;
      if (grown === "gap") torn.push(entry);
      else entry.curve = grown;
      changed = true;
      if (grown !== "gap" && grown.x.length > 2 * wholePoints && !this.pending.has(run))
        overgrown.push(entry);
    }
    if (torn.length > 0 && restarted) for (const each of this.entriesOf(run)) each.detail = undefined;
    this.ask([...torn, ...overgrown]);
    if (changed) this.listener.onChange();
  }

  private async askDetail(range: Range, pixels: number): Promise<void> {
    if (this.host === undefined) return;
    const asked = (this.detailAsked = new AbortController());
    const thin = [...this.entries.values()].filter(({ curve }) => curve !== undefined && isThinned(curve));
    // As much again on both sides, so that a move to the side shows something at once.
    const margin = (range.to - range.from) / 2;
    const wide = { from: range.from - margin, to: range.to + margin };
    const points = Math.max(400, Math.round(pixels * 4));
    await Promise.all(
      metricsByRun(thin).map(async ([run, metrics]) => {
        try {
          const series = await this.request(run, metrics, points, asked.signal, wide);
          if (asked.signal.aborted || this.range !== range) return;
          for (const each of series) {
            const entry = this.entries.get(keyOf(each));
            if (entry !== undefined) entry.detail = { points: each, range: wide };
          }
          this.listener.onChange();
        } catch (thrown) {
          this.fault(run, thrown);
        }
      }),
    );
  }

  private fault(run: string, thrown: unknown): void {
    const error = toWorkbenchError(thrown);
    if (error.code !== "cancelled") this.listener.onFault(run, error.message);
  }
}

function isThinned({ total, x }: Curve): boolean {
  return total > x.length;
}

function metricsByRun(names: readonly CurveName[]): [run: string, metrics: string[]][] {
  const metrics = new Map<string, string[]>();
  for (const { run, metric } of names) metrics.set(run, [...(metrics.get(run) ?? []), metric]);
  return [...metrics];
}

function keyOf({ run, metric }: CurveName): string {
  return `${metric}\n${run}`;
}
