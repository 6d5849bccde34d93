/** Runs as lines over parallel axes. A brush on an axis is a range of the filter; the line under the pointer is read below. */
import { html, nothing, svg, type TemplateResult } from "lit";
import { guard } from "lit/directives/guard.js";
import { type AxisScale, createAxisScale, formatTick } from "../../src/pictures/axisScale";
import { createParallelPicture, type ParallelPicture } from "../../src/pictures/parallelPicture";
import { readRange } from "../../src/protocol/filterRange";
import { missingText } from "../../src/protocol/quantities";
import type { RunSummary } from "../../src/protocol/service/runs";
import { findExtremes } from "../../src/statistics/extremes";
import { Memo } from "../kit/memo";
import { renderPicture, renderSaveButtons } from "../kit/pictureView";
import { AxisBar } from "./axisBar";
import { findRangeBetween } from "./brush";
import { renderRangeEditor, setRange } from "./rangeEditor";
import { chooseAxes, findHeadline, getAxisValue, getValues, type ViewField } from "./viewFields";
import { describeMissing, describeProtocols } from "./viewNotes";
import type { ViewPage } from "./viewPage";
import { computePictureHeight, listDrawingInputs, renderFieldChoice, renderNotes } from "./viewParts";

const minAxisGap = 84;
/** Pixels from a line within which the pointer is on it. */
const reach = 12;
const brushWidth = 22;

interface Drawn {
  readonly picture: ParallelPicture;
  readonly axes: readonly ViewField[];
  readonly scales: readonly AxisScale[];
}

export class ParallelView {
  private readonly bar = new AxisBar();
  private hovered: string | undefined;
  private press:
    { readonly axis: number; readonly y: number; readonly top: number; moved: boolean } | undefined;
  private readonly memo = new Memo<Drawn>();

  /** The fields whose ranges are brushes here. */
  static getAxes({ fields, state }: Pick<ViewPage, "fields" | "state">): readonly ViewField[] {
    const metric = ParallelView.getMetric({ fields, state });
    const ids = state.axes ?? chooseAxes(fields, metric);
    return ids.flatMap((id) => fields.find((field) => field.id === id) ?? []);
  }

  static getMetric({ fields, state }: Pick<ViewPage, "fields" | "state">): ViewField | undefined {
    return fields.find(({ id, kind }) => kind === "metric" && id === state.metric) ?? findHeadline(fields);
  }

  draw(given: ViewPage): TemplateResult {
    const axes = ParallelView.getAxes(given);
    const metric = ParallelView.getMetric(given);
    const active = axes.findIndex(({ id }) => id === given.state.axis);
    const notes = [
      ...(metric === undefined ? [] : describeMissing(metric, given.runs, given.names, "Drawn in gray")),
      ...describeProtocols([...axes, ...(metric === undefined ? [] : [metric])], given),
    ];
    const height = computePictureHeight(given.height, active >= 0, notes);
    const page = { ...keepAxes(given, axes), height };
    const drawn = this.prepare(page, axes, metric);
    return html`<div class="view-bar">
        ${renderFieldChoice(
          "Color",
          metric,
          page.fields.filter(({ kind }) => kind === "metric"),
          (id) => page.change({ metric: id }),
        )}
        ${this.bar.draw(page, axes)}
        <span class="spring"></span>
        ${renderSaveButtons(page, page.stage, {
          name: "parallel-coordinates",
          title: "the parallel coordinates",
          picture: drawn.picture,
          lines: () => createRows(page, axes),
        })}
      </div>
      ${active < 0 ? nothing : renderRangeEditor(page, axes[active]!, drawn.scales[active]!)}
      <div class="plot" tabindex="0" role="region" aria-label="Parallel coordinates">
        ${
          axes.length === 0
            ? html`<p class="muted">No setting differs among these runs. Add an axis.</p>`
            : this.renderPlot(page, drawn)
        }
      </div>
      <p class="reading" aria-live="polite">${this.describeHovered(page, axes)}</p>
      ${renderNotes(notes)}`;
  }

  afterDraw(root: ParentNode): void {
    this.bar.afterDraw(root);
  }

  private prepare(page: ViewPage, axes: readonly ViewField[], metric: ViewField | undefined): Drawn {
    return this.memo.get(listDrawingInputs(page), () => createDrawn(page, axes, metric));
  }

  private renderPlot(page: ViewPage, drawn: Drawn): TemplateResult {
    return html`<div
      class="drawing"
      @pointerdown=${(event: PointerEvent) => this.onPress(event, page, drawn)}
      @pointermove=${(event: PointerEvent) => this.onMove(event, page, drawn)}
      @pointerup=${(event: PointerEvent) => this.onRelease(event, page, drawn)}
      @pointerleave=${() => this.hover(undefined, page)}
    >
      ${guard([drawn], () => renderPicture(drawn.picture, this.renderBrushes(page, drawn)))}
      ${this.renderHovered(page, drawn)}
    </div>`;
  }

  /** Over the picture, which thousands of runs make slow to draw again. */
  private renderHovered(page: ViewPage, { picture, axes, scales }: Drawn): TemplateResult | typeof nothing {
    const run = page.runs.find(({ folder }) => folder === this.hovered);
    if (run === undefined) return nothing;
    const { top, bottom } = getEnds(picture);
    const points = axes.map((field, i) => {
      const share = scales[i]!.toShare(getAxisValue(field, run));
      return `${picture.places[i]!.toFixed(1)},${(bottom - share * (bottom - top)).toFixed(1)}`;
    });
    return html`<svg class="hovered" width=${picture.width} height=${picture.height} aria-hidden="true">
      <polyline points=${points.join(" ")} />
    </svg>`;
  }

  private renderBrushes(page: ViewPage, { picture, axes, scales }: Drawn): TemplateResult[] {
    const { top, bottom } = getEnds(picture);
    const toY = (share: number) => bottom - share * (bottom - top);
    return axes.flatMap((field, i) => {
      const scale = scales[i]!;
      const x = picture.places[i]!;
      const range = readRange(page.filter, field.column, page.columns);
      const target = svg`<rect class="axis-target" x=${x - brushWidth / 2} y=${top - 8} width=${brushWidth} height=${bottom - top + 16} />`;
      const brush = ([from, to]: readonly [number, number]) =>
        svg`<rect class="brush" x=${x - 7} y=${toY(to)} width="14" height=${Math.max(3, toY(from) - toY(to))} />`;
      if (range.values !== undefined) {
        const chosen = range.values.map((each) => each.toLowerCase());
        const places = scale.domain
          .filter((value) => chosen.includes(String(value).replaceAll('"', "").toLowerCase()))
          .map((value) => scale.toShare(value));
        return [target, ...places.map((share) => brush([share - 0.02, share + 0.02]))];
      }
      if (range.from === undefined && range.to === undefined) return [target];
      const clamp = (share: number) => Math.max(scale.start, Math.min(1, share));
      const from = range.from === undefined ? scale.start : clamp(scale.toShare(range.from));
      const to = range.to === undefined ? 1 : clamp(scale.toShare(range.to));
      return [target, brush([from, Math.max(from, to)])];
    });
  }

  private onPress(event: PointerEvent, page: ViewPage, { picture }: Drawn): void {
    if (event.button !== 0) return;
    const { x, y } = locate(event);
    const axis = picture.places.findIndex((place) => Math.abs(place - x) <= brushWidth / 2);
    if (axis < 0) {
      const run = this.hovered;
      if (run !== undefined) page.select(run, event.ctrlKey || event.metaKey);
      return;
    }
    event.preventDefault();
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
    // What is above may change its height while the runs change.
    this.press = { axis, y, top: event.clientY - y, moved: false };
  }

  private onMove(event: PointerEvent, page: ViewPage, drawn: Drawn): void {
    const { press } = this;
    if (press === undefined) {
      const { x, y } = locate(event);
      this.hover(findNearest(x, y, page, drawn), page);
      return;
    }
    const y = event.clientY - press.top;
    if (Math.abs(y - press.y) < 4 && !press.moved) return;
    press.moved = true;
    const { top, bottom } = getEnds(drawn.picture);
    const toShare = (at: number) => (bottom - at) / (bottom - top);
    const field = drawn.axes[press.axis]!;
    setRange(page, field, findRangeBetween(drawn.scales[press.axis]!, toShare(press.y), toShare(y)));
  }

  private onRelease(_: PointerEvent, page: ViewPage, { axes }: Drawn): void {
    const { press } = this;
    this.press = undefined;
    if (press === undefined) return;
    const field = axes[press.axis]!;
    page.change({ axis: field.id });
    // A press without a movement lifts the brush.
    if (!press.moved) setRange(page, field, {});
  }

  private hover(run: string | undefined, page: ViewPage): void {
    if (run === this.hovered) return;
    this.hovered = run;
    page.stage.redraw();
  }

  private describeHovered(page: ViewPage, axes: readonly ViewField[]): string {
    const run = page.runs.find(({ folder }) => folder === this.hovered);
    if (run === undefined)
      return "Drag along an axis to filter the runs, press it once to lift the range. Press a line to select its run.";
    return describeRun(page, run, axes);
  }
}

function createDrawn(page: ViewPage, axes: readonly ViewField[], metric: ViewField | undefined): Drawn {
  const { runs, selected, theme, width, height, state } = page;
  const scales = axes.map((field) =>
    createAxisScale(getValues(field, runs), {
      logarithmic: state.logarithmic[field.id],
      maxTicks: Math.max(4, Math.floor(height / 32)),
    }),
  );
  const shades = metric === undefined ? [] : getValues(metric, runs);
  const known = shades.filter((value) => typeof value === "number");
  const { min, max } = findExtremes(known);
  const picture = createParallelPicture({
    title: `${runs.filter((run) => page.matching.has(run)).length} runs over ${axes.length} axes`,
    axes: axes.map(({ title }, i) => ({ title, scale: scales[i]! })),
    lines: runs.map((run, i) => {
      const shade = shades[i];
      const isStrong = selected.has(run.folder);
      return {
        values: axes.map((field) => getAxisValue(field, run)),
        shade: typeof shade !== "number" ? undefined : max > min ? (shade - min) / (max - min) : 0.5,
        emphasis: !page.matching.has(run) ? "faint" : isStrong ? "strong" : "normal",
      };
    }),
    ...(metric === undefined || known.length === 0
      ? {}
      : { shading: { title: metric.title, from: formatTick(min), to: formatTick(max) } }),
    theme,
    width: Math.max(width, 96 + (axes.length - 1) * minAxisGap),
    height,
  });
  return { picture, axes, scales };
}

/** With the first range, the usual axes become chosen ones: a range may leave no difference on another. */
function keepAxes(page: ViewPage, axes: readonly ViewField[]): ViewPage {
  if (page.state.axes !== undefined) return page;
  const setFilter = (text: string) => {
    page.change({ axes: axes.map(({ id }) => id) });
    page.setFilter(text);
  };
  return { ...page, setFilter };
}

export function describeRun(page: ViewPage, run: RunSummary, fields: readonly ViewField[]): string {
  const values = fields.map((field) => {
    const text = field.column.text(run);
    return `${field.title} ${text === missingText ? "none" : text}`;
  });
  return `${page.names.get(run.folder) ?? run.name}: ${values.join(", ")}`;
}

function locate(event: PointerEvent): { x: number; y: number } {
  const box = (event.currentTarget as HTMLElement).querySelector("svg")!.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

/** The axes from end to end; the area around them has room for the width of the lines. */
function getEnds({ area }: ParallelPicture): { readonly top: number; readonly bottom: number } {
  return { top: area.top + 8, bottom: area.bottom - 8 };
}

function findNearest(
  x: number,
  y: number,
  page: ViewPage,
  { picture, axes, scales }: Drawn,
): string | undefined {
  const { places } = picture;
  const left = Math.max(
    0,
    Math.min(
      places.length - 2,
      places.findLastIndex((place) => place <= x),
    ),
  );
  const right = Math.min(places.length - 1, left + 1);
  const share = right === left ? 0 : (x - places[left]!) / (places[right]! - places[left]!);
  if (share < -0.1 || share > 1.1) return undefined;
  const { top, bottom } = getEnds(picture);
  let best = { run: undefined as string | undefined, distance: reach };
  for (const run of page.runs) {
    if (!page.matching.has(run)) continue;
    const [a, b] = [left, right].map((i) => scales[i]!.toShare(getAxisValue(axes[i]!, run)));
    const distance = Math.abs(bottom - (a! + (b! - a!) * share) * (bottom - top) - y);
    if (distance < best.distance) best = { run: run.folder, distance };
  }
  return best.run;
}

function createRows(page: ViewPage, axes: readonly ViewField[]): string[][] {
  return [
    ["run", ...axes.map(({ column }) => column.title)],
    ...page.runs
      .filter((run) => page.matching.has(run))
      .map((run) => [run.name, ...axes.map((field) => String(getAxisValue(field, run) ?? ""))]),
  ];
}
