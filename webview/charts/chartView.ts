/** A chart with all that belongs to it: title, legend, readings, keyboard, exports, and the same as a table for readers. */
import { html, nothing, render, type TemplateResult } from "lit";
import type { LossProtocols } from "../../src/protocol/lossProtocol";
import type { ProtocolMarks } from "../../src/protocol/protocolMarks";
import { formatNumber } from "../../src/protocol/quantities";
import { type Drawing, createDrawing, computeExtremes, type Track, type View } from "../kit/drawing";
import { formatExact, formatPosition } from "../kit/figures";
import { Hover, findNeighbor } from "./hover";
import { renderLegend } from "./legend";
import { type Bounds, LossChart } from "./lossChart";
import { readTheme } from "../kit/chartColors";

export interface ShownRun {
  readonly run: string;
  readonly name: string;
  readonly slot: number;
  /** How its losses were measured. */
  readonly losses?: LossProtocols | undefined;
  /** Why a search ended it, where it did. */
  readonly pruned?: string | undefined;
}

export interface ChartContent {
  readonly title: string;
  readonly runs: readonly ShownRun[];
  /** The metrics of this chart; the place in the list is the style of the line. */
  readonly metrics: readonly string[];
  /** Runs and metrics that the legend has taken out. */
  readonly hidden: ReadonlySet<string>;
  readonly tracks: readonly Track[];
  readonly view: View;
  /** What the curves are, where they are not what was measured, or not comparable. */
  readonly remarks: readonly string[];
  readonly marks: ProtocolMarks;
  /** Something is on its way still. */
  readonly loading: boolean;
  /** What went wrong with a curve. */
  readonly faults: readonly string[];
}

export type PictureFormat = "png" | "svg" | "csv";

export interface ChartViewListener {
  onRange(range: Bounds | undefined): void;
  onToggle(what: string): void;
  /** Where on the axis the person looks, for the other charts to follow. */
  onHover(at: number | undefined): void;
  onExport(chart: ChartView, format: PictureFormat): void;
}

const exportTitles: Readonly<Record<PictureFormat, string>> = {
  png: "Save as PNG",
  svg: "Save as SVG",
  csv: "Save points as CSV",
};

/** With more runs than this, the curve at the pointer is drawn before the others. */
const crowd = 8;

export class ChartView {
  readonly element = document.createElement("section");
  content: ChartContent | undefined;
  drawing: Drawing = { lines: [], remarks: [], width: 0 };
  private readonly plot = document.createElement("div");
  private readonly hover = new Hover();
  private position: number | undefined;
  /** Undefined where the keyboard moves along the curves. */
  private pointerY: number | undefined;
  private isActive = false;
  private emphasizedRun: string | undefined;
  /** The nearest at the pointer, where there are so many that it has to be picked out. */
  private pointedRun: string | undefined;
  private isHeightZoomed = false;
  private announcement = "";
  private lossChart: LossChart | undefined;

  constructor(private readonly listener: ChartViewListener) {
    this.element.className = "chart";
    this.plot.className = "plot";
    this.plot.tabIndex = 0;
    this.plot.setAttribute("role", "group");
    this.plot.append(this.hover.element);
    this.plot.addEventListener("pointermove", (event) => this.onPointerMove(event));
    this.plot.addEventListener("pointerleave", () => this.setPosition(undefined));
    this.plot.addEventListener("blur", () => this.setPosition(undefined));
    this.plot.addEventListener("dblclick", () => this.chart.showAll());
    this.plot.addEventListener("keydown", (event) => this.onKeyDown(event));
  }

  /** Created when it is first drawn: the canvas must be in the document, because it takes its size from there. */
  get chart(): LossChart {
    return (this.lossChart ??= this.createChart());
  }

  /** The element has to be in the document. */
  show(content: ChartContent): void {
    this.content = content;
    this.draw();
  }

  /** The place that somebody looks at in another chart. */
  follow(position: number | undefined): void {
    if (this.isActive) return;
    this.position = position;
    this.drawHover();
  }

  dispose(): void {
    this.lossChart?.destroy();
    this.element.remove();
  }

  private createChart(): LossChart {
    const chart = new LossChart(this.plot, {
      onRange: (range) => this.listener.onRange(range),
      onHeight: (height) => {
        this.isHeightZoomed = height !== undefined;
        this.draw();
      },
    });
    chart.canvas.setAttribute("role", "img");
    return chart;
  }

  private draw(): void {
    const { content } = this;
    if (content === undefined) return;
    const { tracks, hidden, view } = content;
    const visible = tracks.filter(({ run, metric }) => !hidden.has(run) && !hidden.has(metric));
    this.drawing = createDrawing(visible, view);
    render(this.renderFrame(content), this.element);
    this.chart.canvas.setAttribute("aria-label", this.describe(content));
    this.plot.setAttribute(
      "aria-label",
      `${content.title}: use the arrow keys to move between points, plus and minus to zoom, 0 to show all`,
    );
    this.drawCurves();
    this.drawHover();
  }

  private renderFrame(content: ChartContent): TemplateResult {
    const { title, runs, metrics, hidden, tracks, view, loading, faults, marks } = content;
    const empty = this.drawing.lines.every(
      ({ bold, members = [] }) => bold.x.length === 0 && members.every(({ x }) => x.length === 0),
    );
    const zoomed = view.range !== undefined || this.isHeightZoomed;
    const getLast = (run: string) => {
      const track = tracks.find((each) => each.run === run);
      // Over another metric, the end of the curve is not the end of the run.
      if (track === undefined || view.xMetric !== undefined) return {};
      const last = computeExtremes(track.points)?.last;
      return { last, mark: marks.find(track.metric, track.protocol) };
    };
    return html`<header>
        <h3>${title}</h3>
        <span class="spring"></span>
        <button type="button" class="plain" ?hidden=${!zoomed} @click=${() => this.chart.showAll()}>
          Show all
        </button>
        <span class="exports" role="group" aria-label="Save ${title}">
          ${(["png", "svg", "csv"] as const).map(
            (format) =>
              html`<button
                type="button"
                class="plain"
                title=${exportTitles[format]}
                aria-label=${exportTitles[format]}
                ?disabled=${empty}
                @click=${() => this.listener.onExport(this, format)}
              >
                ${format.toUpperCase()}
              </button>`,
          )}
        </span>
      </header>
      ${this.plot}
      ${
        empty
          ? html`<p class="note" role="status">
              ${loading ? "Reading the curves…" : "No values yet. The curve starts with the first logged step."}
            </p>`
          : nothing
      }
      ${[...content.remarks, ...this.drawing.remarks].map((remark) => html`<p class="note">${remark}</p>`)}
      ${faults.map((fault) => html`<p class="note fault" role="alert">${fault}</p>`)}
      ${renderLegend(
        runs.map((run) => ({ ...run, hidden: hidden.has(run.run), ...getLast(run.run) })),
        metrics.map((metric, i) => ({ metric, place: i, hidden: hidden.has(metric) })),
        readTheme(),
        {
          onToggle: (key) => {
            this.emphasizedRun = undefined;
            this.listener.onToggle(key);
          },
          onEmphasis: (run) => {
            if (run === this.emphasizedRun) return;
            this.emphasizedRun = run;
            this.draw();
          },
        },
      )}
      <div class="unseen" role="status">${this.announcement}</div>
      <div class="unseen">${this.renderTable(content)}</div>`;
  }

  /** The picture in a sentence. */
  private describe({ title, view }: ChartContent): string {
    const lines = this.drawing.lines.slice(0, 8).flatMap(({ name, metric, points }) => {
      const extremes = computeExtremes(points);
      return extremes === undefined
        ? []
        : [
            `${name} ${metric} ends at ${formatNumber(extremes.last)}, lowest ${formatNumber(extremes.lowest)}`,
          ];
    });
    const remainder = this.drawing.lines.length > 8 ? `; and ${this.drawing.lines.length - 8} more` : "";
    const scale = [view.logX ? "x" : "", view.logY ? "y" : ""].filter((each) => each !== "").join(" and ");
    return `${title}, ${this.drawing.lines.length} lines${scale === "" ? "" : `, logarithmic ${scale}`}. ${lines.join("; ")}${remainder}.`;
  }

  private renderTable({ title, view }: ChartContent): TemplateResult {
    return html`<table>
      <caption>
        ${title}
      </caption>
      <thead>
        <tr>
          ${["Run", "Metric", "From", "To", "Last", "Lowest", "Highest"].map((name) => html`<th scope="col">${name}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${this.drawing.lines.map(({ name, metric, points }) => {
          const extremes = computeExtremes(points);
          const [first, last] = [points.x[0], points.x.at(-1)];
          return html`<tr>
            <th scope="row">${name}</th>
            <td>${metric}</td>
            <td>${first === undefined ? "" : formatPosition(view.axis, first)}</td>
            <td>${last === undefined ? "" : formatPosition(view.axis, last)}</td>
            ${[extremes?.last, extremes?.lowest, extremes?.highest].map((value) => html`<td>${value === undefined ? "" : formatExact(value)}</td>`)}
          </tr>`;
        })}
      </tbody>
    </table>`;
  }

  private onPointerMove(event: PointerEvent): void {
    const { left, top } = this.plot.getBoundingClientRect();
    const { area, scales } = this.chart;
    const x = event.clientX - left;
    this.pointerY = event.clientY - top;
    this.setPosition(x < area.left - 4 || x > area.right + 4 ? undefined : scales.x.getValueForPixel(x));
  }

  private onKeyDown(event: KeyboardEvent): void {
    const forward = event.key === "ArrowRight";
    if (forward || event.key === "ArrowLeft") {
      const position = findNeighbor(this.position, this.drawing.lines, forward);
      if (position === undefined) return;
      this.pointerY = undefined;
      this.setPosition(position);
      this.announcement = this.hover.describe(
        position,
        this.drawing.lines,
        this.chart,
        this.content!.view.axis,
      );
      render(this.renderFrame(this.content!), this.element);
    } else if (event.key === "+" || event.key === "=") this.chart.zoomBy(1.5, this.position);
    else if (event.key === "-") this.chart.zoomBy(1 / 1.5, this.position);
    else if (event.key === "0") this.chart.showAll();
    else if (event.key === "Escape") this.setPosition(undefined);
    else return;
    event.preventDefault();
  }

  private setPosition(position: number | undefined): void {
    this.position = position;
    this.isActive = position !== undefined;
    this.drawHover();
    this.listener.onHover(position);
  }

  private drawHover(): void {
    const axis = this.content?.view.axis;
    if (this.position === undefined || axis === undefined) {
      this.hover.hide();
      this.point(undefined);
    } else {
      const pointerY = this.isActive ? this.pointerY : undefined;
      const xMetric = this.content?.view.xMetric;
      const place = { at: this.position, axis, xMetric, pointerY, isActive: this.isActive };
      const { lines } = this.drawing;
      const nearest = this.hover.show(place, lines, this.chart, readTheme(), this.content!.marks);
      this.point(this.content!.runs.length > crowd ? nearest : undefined);
    }
  }

  private point(run: string | undefined): void {
    if (run === this.pointedRun) return;
    this.pointedRun = run;
    this.drawCurves();
  }

  private drawCurves(): void {
    const emphasized = this.emphasizedRun ?? this.pointedRun;
    if (this.content !== undefined) this.chart.draw(this.drawing, this.content.view, readTheme(), emphasized);
  }
}
