/** The panel Shrink: two measures of the runs of an experiment against how much smaller their models are. */
import { html, nothing, svg, type TemplateResult } from "lit";
import { getFileName } from "../../src/protocol/fileName";
import { formatNumber } from "../../src/protocol/quantities";
import type { RunSummary } from "../../src/protocol/service/runs";
import { onThemeChange, readTheme } from "../kit/chartColors";
import { findOldest } from "../kit/runGroups";
import { RunSlots } from "../kit/runSlots";
import type { Panel, Stage } from "../kit/stage";
import { renderPicture, renderSaveButtons } from "../kit/pictureView";
import { renderSelect } from "../kit/select";
import { renderEmptyState } from "../kit/states";
import { renderTick } from "../kit/tick";
import type { Page } from "../page";
import { SampleComparison } from "./sampleComparison";
import { createBarsPicture } from "../../src/pictures/barsPicture";
import { type PlacedPoint, createShrinkPicture } from "../../src/pictures/shrinkPicture";
import { findGoal } from "../../src/schema/goal";
import {
  formatBars,
  createBars,
  type Measure,
  type ShrinkData,
  measures,
  measureTitles,
  listMetrics,
  findParetoFront,
  collectShrinkData,
  formatShrinkData,
  selectRepresentatives,
} from "../../src/statistics/shrinkSeries";

export interface ShrinkState {
  readonly experiment: string | undefined;
  readonly measure: Measure;
  readonly metrics: readonly string[];
  readonly front: boolean;
}

const maxCharts = 2;

export class ShrinkPage implements Panel {
  private readonly runs = new Map<string, RunSummary>();
  private loaded = false;
  private experiment: string | undefined;
  private measure: Measure;
  private metrics: readonly string[];
  private front: boolean;
  private hoveredPoint: PlacedPoint | undefined;
  private readonly texts: SampleComparison;
  private readonly slots: RunSlots;

  constructor(
    private readonly page: Page<"shrink", ShrinkState>,
    private readonly stage: Stage,
  ) {
    const { state, input, host } = page;
    this.experiment = state?.experiment ?? input.experiment;
    this.measure = state?.measure ?? "rate";
    this.metrics = state?.metrics ?? [];
    this.front = state?.front ?? false;
    this.slots = new RunSlots(
      host,
      () => stage.redraw(),
      (work) => stage.attempt(work),
    );
    this.texts = new SampleComparison(host, stage);
    host.on("inputChanged", ({ input: next }) => {
      this.experiment = (next as { readonly experiment?: string }).experiment;
      this.changed();
    });
    host.on("runsChanged", ({ changed, removed }) => {
      for (const folder of removed) this.runs.delete(folder);
      for (const run of changed) this.runs.set(run.folder, run);
      stage.redraw();
    });
    host.on("backendRestarted", () => this.load());
    onThemeChange(() => stage.redraw());
    addEventListener("resize", () => stage.redraw());
    this.load();
  }

  draw(): TemplateResult {
    const all = [...this.runs.values()];
    const experiments = [...new Set(all.flatMap(({ experiment }) => experiment ?? []))].sort();
    const chosen = this.experiment ?? this.findNewestExperiment(all);
    const runs = all
      .filter(({ experiment }) => experiment === chosen)
      // In the order in which they were begun: a baseline usually comes first.
      .sort((a, b) => (a.createdAt < b.createdAt ? -1 : a.createdAt > b.createdAt ? 1 : 0));
    const metrics = listMetrics(runs.filter(({ state }) => state === "done"));
    if (!this.loaded || metrics.length === 0)
      return renderEmptyState(
        this.loaded ? "No finished run to show" : "Looking for runs…",
        "Run an experiment whose variants compress a model, with a sweep over the rate of the method, such as compress.irc.rate. Each point is the mean over its seeds.",
      );
    const selectedMetrics = this.metrics.filter((metric) => metrics.includes(metric));
    const chartMetrics = selectedMetrics.length > 0 ? selectedMetrics : metrics.slice(0, maxCharts);
    return html`<div class="toolbar">
        ${this.renderChoice(
          "Experiment",
          chosen,
          experiments.map((each) => [each, getFileName(each)] as const),
          (value) => (this.experiment = value),
        )}
        ${this.renderChoice(
          "Along",
          this.measure,
          measures.map((each) => [each, measureTitles[each]] as const),
          (value) => (this.measure = value as Measure),
        )}
        ${Array.from({ length: maxCharts }, (_, i) =>
          this.renderChoice(
            i === 0 ? "Measure" : "and",
            chartMetrics[i] ?? "",
            [
              ...(i === 0 ? [] : [["", "nothing else"] as const]),
              ...metrics.map((each) => [each, each] as const),
            ],
            (value) => {
              const next = [...chartMetrics];
              if (value === "") next.splice(i, 1);
              else next[i] = value;
              this.metrics = next;
            },
          ),
        )}
        <label class="check"
          >${renderTick(this.front, (isTicked) => {
            this.front = isTicked;
            this.changed();
          })}Pareto
          front</label
        >
      </div>
      <div class="scroll" tabindex="0" role="region" aria-label="Charts">
        ${chartMetrics.map((metric) => this.renderChart(runs, metric))} ${this.renderBars(runs)}
        ${this.texts.draw(chosen, selectRepresentatives(runs))}
        <p class="hint" aria-live="polite">
          ${this.hoveredPoint === undefined ? "Point at a mark or move to it with the Tab key to read it. Enter opens its runs in Charts." : describePoint(this.hoveredPoint)}
        </p>
      </div>`;
  }

  /** A line looks like the oldest run of its variant, as a group does in the table and in charts. */
  private findSlots(all: readonly RunSummary[], { series, baselines }: ShrinkData): (number | undefined)[] {
    const byFolder = new Map(all.map((run) => [run.folder, run]));
    const members = [
      ...series.map(({ points }) => points.flatMap(({ runs }) => runs)),
      ...baselines.map(({ runs }) => runs),
    ].map((folders) => folders.flatMap((folder) => byFolder.get(folder) ?? []));
    const variants = members.map((runs) => [...new Set(runs.map(({ variant }) => variant))].join("\n"));
    const folders = members.map((runs, i) => {
      if (runs.length === 0) return undefined;
      const isWhole = variants.filter((variant) => variant === variants[i]).length === 1;
      const sameVariant = all.filter(({ variant }) => variant === variants[i]);
      return findOldest(isWhole && sameVariant.length > 0 ? sameVariant : runs).folder;
    });
    this.slots.request(folders.flatMap((folder) => folder ?? []));
    return folders.map((folder) => (folder === undefined ? undefined : this.slots.get(folder)));
  }

  private renderChart(runs: readonly RunSummary[], metric: string): TemplateResult {
    const shrinking = collectShrinkData(runs, this.measure, metric);
    if (shrinking.series.length === 0)
      return html`<p class="hint">No run has ${metric} and ${measureTitles[this.measure].toLowerCase()}.</p>`;
    const front = this.front ? findParetoFront(shrinking, findGoal(metric)) : [];
    const width = getPageWidth();
    const picture = createShrinkPicture({
      shrinking,
      measure: this.measure,
      metric,
      front,
      theme: readTheme(),
      width,
      slots: this.findSlots(runs, shrinking),
    });
    const unknown = this.front && findGoal(metric) === undefined;
    return html`<section>
      ${renderSaveButtons(this.page, this.stage, {
        name: `${metric.replaceAll("/", "-")}-${this.measure}`,
        title: metric,
        picture,
        lines: () => formatShrinkData(shrinking, this.measure, metric),
      })}
      ${renderPicture(
        picture,
        picture.places.map((place) => this.renderTarget(place)),
      )}
      ${
        unknown
          ? html`<p class="hint">
              No Pareto front: ${metric} does not declare whether it is to be minimized or maximized.
            </p>`
          : nothing
      }
    </section>`;
  }

  /** How much of what the models write is repeated or no word, where that was measured. */
  private renderBars(runs: readonly RunSummary[]): TemplateResult | typeof nothing {
    const bars = createBars(runs, "repetition/");
    if (bars.groups.length === 0) return nothing;
    const title = "Shares of repeated and meaningless tokens";
    const picture = createBarsPicture({ title, ...bars, theme: readTheme(), width: getPageWidth() });
    return html`<section>
      ${renderSaveButtons(this.page, this.stage, { name: "token-rates", title, picture, lines: () => formatBars(bars) })}
      ${renderPicture(picture)}
    </section>`;
  }

  /** What the pointer and the keyboard reach: larger than its mark. */
  private renderTarget(place: PlacedPoint): TemplateResult {
    const point = () => {
      this.hoveredPoint = place;
      this.stage.redraw();
    };
    const open = () =>
      place.point.runs.length > 0 &&
      this.stage.attempt(() =>
        this.page.host.request("page.openPanel", { panel: "charts", input: { runs: place.point.runs } }),
      );
    return svg`<circle class="target" cx=${place.x} cy=${place.y} r="9" tabindex="0" role="button" aria-label=${describePoint(place)}
      @pointerenter=${point} @focus=${point} @click=${open}
      @keydown=${(event: KeyboardEvent) => event.key === "Enter" && open()} />`;
  }

  private renderChoice(
    label: string,
    value: string | undefined,
    all: readonly (readonly [string, string])[],
    set: (value: string) => void,
  ): TemplateResult {
    return html`<label class="label"
      >${label}
      ${renderSelect({
        label,
        value: value ?? "",
        choices: all,
        onSelect: (selected) => {
          set(selected);
          this.changed();
        },
      })}</label
    >`;
  }

  private findNewestExperiment(runs: readonly RunSummary[]): string | undefined {
    const experimentRuns = runs.filter(({ experiment }) => experiment !== undefined);
    return experimentRuns.sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))[0]?.experiment;
  }

  private load(): void {
    this.stage.attempt(async () => {
      const { runs } = await this.page.host.request("runs.list", {});
      this.runs.clear();
      for (const run of runs) this.runs.set(run.folder, run);
      this.loaded = true;
      this.stage.redraw();
    });
  }

  private changed(): void {
    this.hoveredPoint = undefined;
    this.stage.redraw();
    const { experiment, measure, metrics, front } = this;
    this.page.keep({ experiment, measure, metrics, front });
  }
}

function getPageWidth(): number {
  return Math.max(420, Math.min(980, document.body.clientWidth - 40));
}

function describePoint({ series, point: { x, y, runs } }: PlacedPoint): string {
  const { mean, half } = y;
  const seeds = runs.length === 0 ? "no run" : runs.length === 1 ? "1 run" : `${runs.length} runs`;
  return `${series}, ${formatNumber(x, 4)}: ${formatNumber(mean, 5)}${half === undefined ? "" : ` ± ${formatNumber(half, 3)}`} (${seeds})`;
}
