/** The panel Shrink: two measures of the runs of an experiment against how much smaller their models are. */
import { html, nothing, svg, type TemplateResult } from "lit";
import { csvOf } from "../../src/protocol/csv";
import { fileName } from "../../src/protocol/fileName";
import { figure } from "../../src/protocol/quantities";
import type { RunSummary } from "../../src/protocol/service/runs";
import { markSize } from "../charts/markPlaces";
import type { Stroke } from "../charts/picture";
import { pngOf } from "../charts/picturePng";
import { svgOf } from "../charts/pictureSvg";
import { onThemeChange, readTheme } from "../charts/theme";
import type { Panel, Stage } from "../kit/stage";
import { emptyState } from "../kit/states";
import type { Page } from "../page";
import { type PlacedPoint, shrinkPicture } from "./shrinkPicture";
import {
  isHigherBetter,
  type Measure,
  measures,
  measureTitles,
  metricsOf,
  paretoFront,
  shrinkingOf,
  shrinkLines,
} from "./shrinkSeries";

export interface ShrinkState {
  readonly experiment: string | undefined;
  readonly measure: Measure;
  readonly metrics: readonly string[];
  readonly front: boolean;
}

const mostCharts = 2;

export class ShrinkPage implements Panel {
  private readonly runs = new Map<string, RunSummary>();
  private loaded = false;
  private experiment: string | undefined;
  private measure: Measure;
  private metrics: readonly string[];
  private front: boolean;
  private pointed: PlacedPoint | undefined;

  constructor(
    private readonly page: Page<"shrink", ShrinkState>,
    private readonly stage: Stage,
  ) {
    const { state, input, host } = page;
    this.experiment = state?.experiment ?? input.experiment;
    this.measure = state?.measure ?? "rate";
    this.metrics = state?.metrics ?? [];
    this.front = state?.front ?? false;
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
    const chosen = this.experiment ?? this.newest(all);
    const runs = all.filter(({ experiment }) => experiment === chosen);
    const metrics = metricsOf(runs.filter(({ state }) => state === "done"));
    if (!this.loaded || metrics.length === 0)
      return emptyState(
        this.loaded ? "No finished run to show" : "Looking for runs…",
        "Run an experiment whose variants compress a model, with a sweep over the rate of the method, such as compress.irc.rate: each point is the mean over its seeds.",
      );
    const shown = this.metrics.filter((metric) => metrics.includes(metric));
    const drawn = shown.length > 0 ? shown : metrics.slice(0, mostCharts);
    return html`<div class="toolbar">
        ${this.choice(
          "Experiment",
          chosen,
          experiments.map((each) => [each, fileName(each)] as const),
          (value) => (this.experiment = value),
        )}
        ${this.choice(
          "Along",
          this.measure,
          measures.map((each) => [each, measureTitles[each]] as const),
          (value) => (this.measure = value as Measure),
        )}
        ${Array.from({ length: mostCharts }, (_, i) =>
          this.choice(
            i === 0 ? "Measure" : "and",
            drawn[i] ?? "",
            [
              ...(i === 0 ? [] : [["", "nothing else"] as const]),
              ...metrics.map((each) => [each, each] as const),
            ],
            (value) => {
              const next = [...drawn];
              if (value === "") next.splice(i, 1);
              else next[i] = value;
              this.metrics = next;
            },
          ),
        )}
        <label class="check"
          ><input
            type="checkbox"
            .checked=${this.front}
            @change=${(event: Event) => {
              this.front = (event.target as HTMLInputElement).checked;
              this.changed();
            }}
          />Pareto front</label
        >
      </div>
      <div class="scroll" tabindex="0" role="region" aria-label="Charts">
        ${drawn.map((metric) => this.chart(runs, metric))}
        <p class="hint" aria-live="polite">
          ${this.pointed === undefined ? "Point at a mark, or go to one with the Tab key, to read it; Enter opens its runs in Charts." : words(this.pointed)}
        </p>
      </div>`;
  }

  private chart(runs: readonly RunSummary[], metric: string): TemplateResult {
    const shrinking = shrinkingOf(runs, this.measure, metric);
    if (shrinking.series.length === 0)
      return html`<p class="hint">No run has ${metric} and ${measureTitles[this.measure].toLowerCase()}.</p>`;
    const front = this.front ? paretoFront(shrinking, isHigherBetter(metric)) : [];
    const width = Math.max(420, Math.min(980, document.body.clientWidth - 40));
    const picture = shrinkPicture({
      shrinking,
      measure: this.measure,
      metric,
      front,
      theme: readTheme(),
      width,
    });
    const { area } = picture;
    const save = (format: "png" | "svg" | "csv") =>
      this.stage.attempt(() =>
        this.page.host.request("page.save", {
          name: `${metric.replaceAll("/", "-")}-${this.measure}.${format}`,
          content:
            format === "png"
              ? { base64: pngOf(picture) }
              : {
                  text:
                    format === "svg" ? svgOf(picture) : csvOf(shrinkLines(shrinking, this.measure, metric)),
                },
        }),
      );
    return html`<section>
      <div class="exports">
        ${(["png", "svg", "csv"] as const).map(
          (format) =>
            html`<button
              class="quiet"
              aria-label="Save ${metric} as ${format.toUpperCase()}"
              @click=${() => save(format)}
            >
              ${format.toUpperCase()}
            </button>`,
        )}
      </div>
      <svg
        class="chart"
        width=${picture.width}
        height=${picture.height}
        viewBox="0 0 ${picture.width} ${picture.height}"
        role="group"
        aria-label=${picture.title}
      >
        ${picture.grid.map(stroke)}
        <svg
          x=${area.left}
          y=${area.top}
          width=${area.right - area.left}
          height=${area.bottom - area.top}
          viewBox="${area.left} ${area.top} ${area.right - area.left} ${area.bottom - area.top}"
          overflow="visible"
        >
          ${picture.strokes.map(stroke)}
        </svg>
        ${picture.marks.map(({ x, y, shape, color }) => svg`<path transform="translate(${x} ${y}) scale(${markSize})" d=${shape} fill=${color} />`)}
        ${picture.labels.map(({ x, y, text, color, anchor, size, bold }) => svg`<text x=${x} y=${y} font-size=${size} text-anchor=${anchor} fill=${color} font-weight=${bold === true ? "600" : "400"}>${text}</text>`)}
        ${picture.places.map((place) => this.target(place))}
      </svg>
    </section>`;
  }

  /** What the pointer and the keyboard reach: larger than its mark. */
  private target(place: PlacedPoint): TemplateResult {
    const point = () => {
      this.pointed = place;
      this.stage.redraw();
    };
    const open = () =>
      this.stage.attempt(() =>
        this.page.host.request("page.openPanel", { panel: "charts", input: { runs: place.point.runs } }),
      );
    return svg`<circle class="target" cx=${place.x} cy=${place.y} r="9" tabindex="0" role="button" aria-label=${words(place)}
      @pointerenter=${point} @focus=${point} @click=${open}
      @keydown=${(event: KeyboardEvent) => event.key === "Enter" && open()} />`;
  }

  private choice(
    label: string,
    value: string | undefined,
    all: readonly (readonly [string, string])[],
    set: (value: string) => void,
  ): TemplateResult {
    return html`<label class="label"
      >${label}
      <select
        aria-label=${label}
        @change=${(event: Event) => {
          set((event.target as HTMLSelectElement).value);
          this.changed();
        }}
      >
        ${all.map(([id, title]) => html`<option value=${id} ?selected=${id === value}>${title}</option>`)}
      </select></label
    >`;
  }

  private newest(runs: readonly RunSummary[]): string | undefined {
    const known = runs.filter(({ experiment }) => experiment !== undefined);
    return known.sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))[0]?.experiment;
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
    this.pointed = undefined;
    this.stage.redraw();
    const { experiment, measure, metrics, front } = this;
    this.page.keep({ experiment, measure, metrics, front });
  }
}

function stroke({ pieces, color, opacity, width, dash }: Stroke): TemplateResult | typeof nothing {
  const d = pieces
    .map((piece) => `M${piece.map(({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`)
    .join("");
  return svg`<path d=${d} fill="none" stroke=${color} stroke-width=${width} stroke-opacity=${opacity} stroke-dasharray=${dash.join(" ")} />`;
}

function words({ series, point: { x, y, runs } }: PlacedPoint): string {
  const { mean, half } = y;
  const seeds = runs.length === 1 ? "1 run" : `${runs.length} runs`;
  return `${series}, ${figure(x, 4)}: ${figure(mean, 5)}${half === undefined ? "" : ` ± ${figure(half, 3)}`} (${seeds})`;
}
