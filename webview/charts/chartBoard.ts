/**
 * Charts with a common axis, zoom, feed and pointer. It reports when there is something new to draw; its owner draws the
 * elements around the charts first, then the charts.
 */
import type { TemplateResult } from "lit";
import type { Unsubscribe } from "../../src/protocol/connection";
import { toWorkbenchError } from "../../src/protocol/errors";
import type { Host } from "../../src/protocol/page";
import { ProtocolMarks } from "../../src/protocol/protocolMarks";
import type { Axis, Series } from "../../src/protocol/service/metrics";
import type { ChartGroup } from "./chartGroups";
import { ChartView, type ShownRun } from "./chartView";
import { renderControls } from "./controls";
import { type CurveName, CurveFeed } from "./curveFeed";
import type { Track, View } from "../kit/drawing";
import {
  averageTracks,
  describeIncomparable,
  describeSplitGroups,
  placeOnMetric,
  subtractBaseline,
  type TrackGroup,
} from "./deriveTracks";
import { exportChart } from "./exportChart";
import { referenceSlot } from "../../src/pictures/palette";
import { type Reference, getReferencePoints } from "./references";
import { onThemeChange } from "../kit/chartColors";

/** What a person has chosen, to be kept. */
export interface BoardState {
  readonly view: View;
  readonly hidden: readonly string[];
}

/** How runs are drawn against each other. */
export interface Comparison {
  /** Each becomes one curve; undefined for a curve of each run. */
  readonly groups?: readonly TrackGroup[] | undefined;
  readonly baseline?: ShownRun | undefined;
  /** All metrics that the runs have, any of which may take the place of the axis. */
  readonly metrics?: readonly string[];
  /** On values that may not all be compared. */
  readonly marks?: ProtocolMarks;
}

export interface BoardListener {
  /** `draw` is wanted before the next frame. */
  redraw(): void;
  onState(state: BoardState): void;
}

export class ChartBoard {
  private readonly feed: CurveFeed;
  private readonly charts = new Map<string, ChartView>();
  private readonly faults = new Map<string, string>();
  private readonly theme: Unsubscribe;
  private view: View;
  private hidden: ReadonlySet<string>;
  private runs: readonly ShownRun[] = [];
  private groups: readonly ChartGroup[] = [];
  private references: readonly Reference[] = [];
  private grouping: readonly TrackGroup[] | undefined;
  private baseline: ShownRun | undefined;
  private axisMetrics: readonly string[] = [];
  private marks = new ProtocolMarks(() => []);
  private width = 0;

  constructor(
    private readonly host: Host | undefined,
    state: BoardState,
    private readonly listener: BoardListener,
  ) {
    this.view = state.view;
    this.hidden = new Set(state.hidden);
    this.feed = new CurveFeed(host, state.view.axis, {
      onChange: () => this.listener.redraw(),
      onFault: (run, message) => {
        if (message === undefined) this.faults.delete(run);
        else this.faults.set(run, message);
        this.listener.redraw();
      },
    });
    this.theme = onThemeChange(() => this.listener.redraw());
    if (state.view.range !== undefined) this.setRange(state.view.range);
  }

  get state(): BoardState {
    return { view: this.view, hidden: [...this.hidden] };
  }

  seed(series: readonly Series[]): void {
    this.feed.seed(series);
  }

  /** The runs and the charts from now on; `elements` then holds a chart for each group. */
  show(
    runs: readonly ShownRun[],
    groups: readonly ChartGroup[],
    references: readonly Reference[] = [],
    comparison: Comparison = {},
  ): void {
    this.runs = runs;
    this.grouping = comparison.groups;
    this.baseline = comparison.baseline;
    this.axisMetrics = comparison.metrics ?? [];
    this.marks = comparison.marks ?? new ProtocolMarks(() => []);
    this.references = references;
    this.groups = groups;
    const titles = new Set(groups.map(({ title }) => title));
    for (const [title, chart] of this.charts) {
      if (titles.has(title)) continue;
      chart.dispose();
      this.charts.delete(title);
    }
    for (const title of titles) if (!this.charts.has(title)) this.charts.set(title, this.createChart());
    this.updateFeed();
    this.listener.redraw();
  }

  get elements(): readonly HTMLElement[] {
    return this.groups.map(({ title }) => this.charts.get(title)!.element);
  }

  controls(): TemplateResult {
    return renderControls({
      view: this.view,
      width: this.width,
      metrics: this.listMetrics(),
      isGrouped: this.grouping !== undefined,
      hasBaseline: this.runs.some(({ run }) => run === this.baseline?.run),
      axes: this.host === undefined ? [this.view.axis] : (["step", "tokens", "seconds"] satisfies Axis[]),
      onView: (change) => this.change(change),
    });
  }

  /** Looks at all charts in another way. */
  change(change: Partial<View>): void {
    const previous = this.view;
    this.view = { ...previous, ...change };
    if ("range" in change) this.setRange(change.range);
    const { axis, logX, xMetric } = this.view;
    if (axis !== previous.axis || logX !== previous.logX || xMetric !== previous.xMetric) this.updateFeed();
    this.listener.onState(this.state);
    this.listener.redraw();
  }

  /** Metrics that may take the place of the axis. */
  private listMetrics(): readonly string[] {
    const { xMetric } = this.view;
    const metrics = this.groups.flatMap((group) => group.metrics);
    return [...new Set([...metrics, ...this.axisMetrics, ...(xMetric === undefined ? [] : [xMetric])])];
  }

  /** After the elements are in the document; at most once a frame. */
  draw(): void {
    for (const { title, metrics } of this.groups) {
      const chart = this.charts.get(title)!;
      if (!chart.element.isConnected) continue;
      const { measured, derived, remarks } = this.createTracks(metrics);
      const { view } = this;
      const published =
        view.xMetric === undefined && !this.isRelative ? this.createReferenceTracks(metrics) : [];
      const runs = this.grouping?.map(({ key, name, slot }) => ({ run: key, name, slot })) ?? this.runs;
      // A metric that no run has reported yet has no style to explain.
      const reportedMetrics = metrics.filter((metric) =>
        measured.some((track) => track.metric === metric && track.points.x.length > 0),
      );
      chart.show({
        // A chart of a metric that only one of its two sources reports is named after that one.
        title: reportedMetrics.length === 1 ? reportedMetrics[0]! : title,
        remarks: [...remarks, ...reportedMetrics.flatMap((metric) => this.marks.explain(metric) ?? [])],
        marks: this.marks,
        runs: [...runs, ...published],
        metrics: reportedMetrics.length < 2 ? reportedMetrics : metrics,
        hidden: this.getHidden(),
        tracks: [...derived, ...published],
        view,
        loading: measured.length < this.runs.length * metrics.length && this.faults.size === 0,
        faults: [...new Set(this.faults.values())],
      });
    }
    const width = Math.max(0, ...[...this.charts.values()].map(({ drawing }) => drawing.width));
    // The controls show how wide the average is, and were drawn before it was known.
    if (width !== this.width) this.listener.redraw();
    this.width = width;
  }

  /** Curves as they were measured, and those that are drawn. */
  private createTracks(metrics: readonly string[]): {
    readonly measured: readonly Track[];
    readonly derived: readonly Track[];
    /** What the curves are, where they are not what was measured. */
    readonly remarks: readonly string[];
  } {
    const { xMetric, band = "interval" } = this.view;
    const measured = this.runs.flatMap(({ run, name, slot, losses }) =>
      metrics.flatMap((metric, place): Track[] => {
        const points = this.feed.points({ run, metric });
        return points === undefined
          ? []
          : [{ run, metric, name, slot, place, points, protocol: losses?.[metric] }];
      }),
    );
    const placed =
      xMetric === undefined
        ? measured
        : measured.flatMap((track): Track[] => {
            const other = this.feed.points({ run: track.run, metric: xMetric });
            const { metric } = track;
            if (other === undefined || metric === xMetric) return [];
            return [{ ...track, isDerived: true, points: placeOnMetric(track.points, other) }];
          });
    const grouped = this.grouping === undefined ? placed : averageTracks(placed, this.grouping, band);
    const baseline = this.getBaselineGroup()?.key ?? this.baseline?.run;
    const remarks = describeSplitGroups(grouped);
    if (!this.isRelative) return { measured, derived: grouped, remarks };
    const { tracks, incomparable } = subtractBaseline(grouped, baseline!);
    const name = this.getBaselineGroup()?.name ?? this.baseline!.name;
    return {
      measured,
      derived: tracks,
      remarks: [`Differences to ${name}.`, ...describeIncomparable(incomparable), ...remarks],
    };
  }

  private getBaselineGroup(): TrackGroup | undefined {
    return this.grouping?.find(({ runs }) => runs.includes(this.baseline?.run ?? ""));
  }

  private get isRelative(): boolean {
    const { baseline } = this;
    return this.view.relative === true && this.runs.some(({ run }) => run === baseline?.run);
  }

  dispose(): void {
    this.theme.dispose();
    this.feed.dispose();
    for (const chart of this.charts.values()) chart.dispose();
    this.charts.clear();
  }

  private createReferenceTracks(metrics: readonly string[]): Track[] {
    return this.references.flatMap((reference): Track[] => {
      const { run, name, metric } = reference;
      const metricIndex = metrics.indexOf(metric);
      const points = metricIndex < 0 ? undefined : getReferencePoints(reference, this.view.axis);
      return points === undefined
        ? []
        : [{ run, metric, name, slot: referenceSlot, place: metricIndex, points }];
    });
  }

  /** What has to be asked for is hidden until it is pressed, everything else after. */
  private getHidden(): ReadonlySet<string> {
    const hidden = new Set(this.hidden);
    for (const { run, asked } of this.references) if (asked && !hidden.delete(run)) hidden.add(run);
    return hidden;
  }

  private createChart(): ChartView {
    return new ChartView({
      onRange: (range) => this.change({ range }),
      onToggle: (key) => {
        const hidden = new Set(this.hidden);
        if (!hidden.delete(key)) hidden.add(key);
        this.hidden = hidden;
        this.listener.onState(this.state);
        this.listener.redraw();
      },
      onHover: (at) => {
        for (const chart of this.charts.values()) chart.follow(at);
      },
      onExport: (chart, format) => {
        if (this.host === undefined) return;
        exportChart(this.host, chart, this.feed, format).catch((thrown: unknown) => {
          this.faults.set("", toWorkbenchError(thrown).message);
          this.listener.redraw();
        });
      },
    });
  }

  private updateFeed(): void {
    const names = this.runs.flatMap(({ run }) =>
      [...new Set(this.groups.flatMap(({ metrics }) => metrics).concat(this.view.xMetric ?? []))].map(
        (metric): CurveName => ({ run, metric }),
      ),
    );
    this.feed.follow(names, this.view.axis, this.view.logX && this.view.xMetric === undefined);
  }

  private setRange(range: View["range"]): void {
    const width = [...this.charts.values()].find(({ element }) => element.isConnected)?.element.clientWidth;
    // The range of another metric is none of the steps.
    const feedRange = this.view.xMetric === undefined ? range : undefined;
    this.feed.setRange(feedRange, (width ?? 1000) * devicePixelRatio);
  }
}
