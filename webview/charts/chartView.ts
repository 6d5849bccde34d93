/** A chart with all that belongs to it: title, legend, readings, keyboard, exports, and the same as a table for readers. */
import { html, nothing, render, type TemplateResult } from "lit";
import { figure } from "../../src/protocol/quantities";
import { type Drawing, drawingOf, ends, type Track, type View } from "../kit/drawing";
import { exact, place } from "../kit/figures";
import { Hover, neighbour } from "./hover";
import { legend } from "./legend";
import { type Bounds, LossChart } from "./lossChart";
import { readTheme } from "../kit/chartColors";

export interface ShownRun {
  readonly run: string;
  readonly name: string;
  readonly slot: number;
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

const names: Readonly<Record<PictureFormat, string>> = {
  png: "Save as PNG",
  svg: "Save as SVG",
  csv: "Save points as CSV",
};

export class ChartView {
  readonly element = document.createElement("section");
  content: ChartContent | undefined;
  drawing: Drawing = { lines: [], remarks: [], width: 0 };
  private readonly plot = document.createElement("div");
  private readonly hover = new Hover();
  private at: number | undefined;
  private speaking = false;
  private emphasised: string | undefined;
  private heightZoomed = false;
  private said = "";
  private made: LossChart | undefined;

  constructor(private readonly listener: ChartViewListener) {
    this.element.className = "chart";
    this.plot.className = "plot";
    this.plot.tabIndex = 0;
    this.plot.setAttribute("role", "group");
    this.plot.append(this.hover.element);
    this.plot.addEventListener("pointermove", (event) => this.point(event));
    this.plot.addEventListener("pointerleave", () => this.look(undefined));
    this.plot.addEventListener("blur", () => this.look(undefined));
    this.plot.addEventListener("dblclick", () => this.chart.showAll());
    this.plot.addEventListener("keydown", (event) => this.press(event));
  }

  /** Created when it is first drawn: the canvas must be in the document, because it takes its size from there. */
  get chart(): LossChart {
    return (this.made ??= this.make());
  }

  /** The element has to be in the document. */
  show(content: ChartContent): void {
    this.content = content;
    this.draw();
  }

  /** The place that somebody looks at in another chart. */
  follow(at: number | undefined): void {
    if (this.speaking) return;
    this.at = at;
    this.drawHover();
  }

  dispose(): void {
    this.made?.destroy();
    this.element.remove();
  }

  private make(): LossChart {
    const chart = new LossChart(this.plot, {
      onRange: (range) => this.listener.onRange(range),
      onHeight: (height) => {
        this.heightZoomed = height !== undefined;
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
    const theme = readTheme();
    const visible = tracks.filter(({ run, metric }) => !hidden.has(run) && !hidden.has(metric));
    this.drawing = drawingOf(visible, view);
    render(this.frame(content), this.element);
    this.chart.canvas.setAttribute("aria-label", this.summary(content));
    this.plot.setAttribute(
      "aria-label",
      `${content.title}: use the arrow keys to move between points, plus and minus to zoom, 0 to show all`,
    );
    this.chart.draw(this.drawing, view, theme, this.emphasised);
    this.drawHover();
  }

  private frame(content: ChartContent): TemplateResult {
    const { title, runs, metrics, hidden, tracks, view, loading, faults } = content;
    const empty = this.drawing.lines.every(({ bold }) => bold.x.length === 0);
    const zoomed = view.range !== undefined || this.heightZoomed;
    const last = (run: string) => {
      const points = tracks.find((track) => track.run === run)?.points;
      return points === undefined ? undefined : ends(points)?.last;
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
                title=${names[format]}
                aria-label=${names[format]}
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
      ${this.drawing.remarks.map((remark) => html`<p class="note">${remark}</p>`)}
      ${faults.map((fault) => html`<p class="note fault" role="alert">${fault}</p>`)}
      ${legend(
        runs.map((run) => ({ ...run, hidden: hidden.has(run.run), last: last(run.run) })),
        metrics.map((metric, i) => ({ metric, place: i, hidden: hidden.has(metric) })),
        readTheme(),
        {
          onToggle: (what) => {
            this.emphasised = undefined;
            this.listener.onToggle(what);
          },
          onEmphasis: (run) => {
            if (run === this.emphasised) return;
            this.emphasised = run;
            this.draw();
          },
        },
      )}
      <div class="unseen" role="status">${this.said}</div>
      <div class="unseen">${this.table(content)}</div>`;
  }

  /** The picture in a sentence. */
  private summary({ title, view }: ChartContent): string {
    const lines = this.drawing.lines.slice(0, 8).flatMap(({ name, metric, points }) => {
      const found = ends(points);
      return found === undefined
        ? []
        : [`${name} ${metric} ends at ${figure(found.last)}, lowest ${figure(found.lowest)}`];
    });
    const more = this.drawing.lines.length > 8 ? `; and ${this.drawing.lines.length - 8} more` : "";
    const scale = [view.logX ? "x" : "", view.logY ? "y" : ""].filter((each) => each !== "").join(" and ");
    return `${title}, ${this.drawing.lines.length} lines${scale === "" ? "" : `, logarithmic ${scale}`}. ${lines.join("; ")}${more}.`;
  }

  private table({ title, view }: ChartContent): TemplateResult {
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
          const found = ends(points);
          const [first, last] = [points.x[0], points.x.at(-1)];
          return html`<tr>
            <th scope="row">${name}</th>
            <td>${metric}</td>
            <td>${first === undefined ? "" : place(view.axis, first)}</td>
            <td>${last === undefined ? "" : place(view.axis, last)}</td>
            ${[found?.last, found?.lowest, found?.highest].map((value) => html`<td>${value === undefined ? "" : exact(value)}</td>`)}
          </tr>`;
        })}
      </tbody>
    </table>`;
  }

  private point(event: PointerEvent): void {
    const { left } = this.plot.getBoundingClientRect();
    const { area, scales } = this.chart;
    const x = event.clientX - left;
    this.look(x < area.left - 4 || x > area.right + 4 ? undefined : scales.x.getValueForPixel(x));
  }

  private press(event: KeyboardEvent): void {
    const forward = event.key === "ArrowRight";
    if (forward || event.key === "ArrowLeft") {
      const at = neighbour(this.at, this.drawing.lines, forward);
      if (at === undefined) return;
      this.look(at);
      this.said = this.hover.spoken(at, this.drawing.lines, this.chart, this.content!.view.axis);
      render(this.frame(this.content!), this.element);
    } else if (event.key === "+" || event.key === "=") this.chart.zoomBy(1.5, this.at);
    else if (event.key === "-") this.chart.zoomBy(1 / 1.5, this.at);
    else if (event.key === "0") this.chart.showAll();
    else if (event.key === "Escape") this.look(undefined);
    else return;
    event.preventDefault();
  }

  private look(at: number | undefined): void {
    this.at = at;
    this.speaking = at !== undefined;
    this.drawHover();
    this.listener.onHover(at);
  }

  private drawHover(): void {
    const axis = this.content?.view.axis;
    if (this.at === undefined || axis === undefined) this.hover.hide();
    else this.hover.show(this.at, this.drawing.lines, this.chart, axis, readTheme(), this.speaking);
  }
}
