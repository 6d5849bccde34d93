/** Runs as points: any setting, count or metric across, any number up. A rectangle over points is two ranges of the filter. */
import { html, nothing, svg, type TemplateResult } from "lit";
import { guard } from "lit/directives/guard.js";
import { type AxisScale, createAxisScale } from "../../src/pictures/axisScale";
import { createScatterPicture, type ScatterPicture } from "../../src/pictures/scatterPicture";
import { readRange, replaceRange } from "../../src/protocol/filterRange";
import type { RunSummary } from "../../src/protocol/service/runs";
import { Memo } from "../kit/memo";
import { renderPicture, renderSaveButtons } from "../kit/pictureView";
import { findRangeBetween } from "./brush";
import { describeRun } from "./parallelView";
import { renderRangeEditor } from "./rangeEditor";
import { chooseAxes, findHeadline, getAxisValue, getValues, type ViewField } from "./viewFields";
import { describeMissing, describeProtocols } from "./viewNotes";
import type { ViewPage } from "./viewPage";
import { computePictureHeight, listDrawingInputs, renderFieldChoice, renderNotes } from "./viewParts";

interface Drawn {
  readonly picture: ScatterPicture;
  readonly across: ViewField;
  readonly up: ViewField;
  readonly scales: readonly [across: AxisScale, up: AxisScale];
  /** Those with both values. */
  readonly runs: readonly RunSummary[];
}

interface Corner {
  readonly x: number;
  readonly y: number;
}

export class ScatterView {
  /** The run that is read, by the pointer or the keyboard. */
  private current: string | undefined;
  private isFocusRequested = false;
  private press: { readonly from: Corner; to: Corner } | undefined;
  private readonly memo = new Memo<Drawn>();

  static getAxes({ fields, state }: Pick<ViewPage, "fields" | "state">): readonly ViewField[] {
    const find = (id: string | undefined) => fields.find((field) => field.id === id);
    const up = find(state.up) ?? findHeadline(fields);
    const across =
      find(state.across) ?? find(chooseAxes(fields, undefined)[0]) ?? fields.find((each) => each !== up);
    return up === undefined || across === undefined ? [] : [across, up];
  }

  draw(given: ViewPage): TemplateResult {
    const [across, up] = ScatterView.getAxes(given);
    if (across === undefined || up === undefined)
      return html`<p class="muted">No run has a metric to show yet.</p>`;
    const active = [across, up].findIndex(({ id }) => id === given.state.axis);
    const notes = [
      ...[...new Set([across, up])].flatMap((field) =>
        describeMissing(field, given.runs, given.names, "Not drawn"),
      ),
      ...describeProtocols([across, up], given),
    ];
    const height = computePictureHeight(given.height, active >= 0, notes);
    const page = { ...given, height };
    const drawn = this.prepare(page, across, up);
    return html`<div class="view-bar">
        ${renderFieldChoice("Across", across, page.fields, (id) => page.change({ across: id }))}
        ${renderFieldChoice(
          "Up",
          up,
          page.fields.filter(({ kind }) => kind !== "setting"),
          (id) => page.change({ up: id }),
        )}
        ${[across, up].map(
          ({ id, title }, i) =>
            html`<button
              class="toggle"
              aria-pressed=${String(active === i)}
              @click=${() => page.change({ axis: active === i ? undefined : id })}
            >
              Range of ${title}
            </button>`,
        )}
        <span class="spring"></span>
        ${renderSaveButtons(page, page.stage, {
          name: "scatter",
          title: "the scatter plot",
          picture: drawn.picture,
          lines: () => createRows(drawn),
        })}
      </div>
      ${active < 0 ? nothing : renderRangeEditor(page, [across, up][active]!, drawn.scales[active]!)}
      <div class="plot" tabindex="0" role="region" aria-label="Scatter plot">
        ${guard([drawn, this.press?.to], () => this.renderPlot(page, drawn))}
      </div>
      <p class="reading" aria-live="polite">${this.describeCurrent(page, drawn)}</p>
      ${renderNotes(notes)}`;
  }

  afterDraw(root: ParentNode): void {
    if (!this.isFocusRequested) return;
    this.isFocusRequested = false;
    root.querySelector<SVGElement>(".point[tabindex='0']")?.focus();
  }

  private prepare(page: ViewPage, across: ViewField, up: ViewField): Drawn {
    const slots = JSON.stringify(page.runs.map(({ folder }) => page.getSlot(folder)));
    const inputs = [...listDrawingInputs(page), this.current, slots];
    return this.memo.get(inputs, () => createDrawn(page, across, up, this.current));
  }

  private renderPlot(page: ViewPage, drawn: Drawn): TemplateResult {
    const { picture, runs } = drawn;
    const matching = runs.filter((run) => page.matching.has(run));
    const first = matching.some(({ folder }) => folder === this.current) ? this.current : matching[0]?.folder;
    const overlays = [
      this.renderBrush(page, drawn),
      ...runs.flatMap((run, i) => {
        if (!page.matching.has(run)) return [];
        const { x, y } = picture.places[i]!;
        // One stop of the Tab key for all points; the arrows move between them.
        return [
          svg`<circle class="point" cx=${x} cy=${y} r="9" role="button" tabindex=${run.folder === first ? 0 : -1}
            aria-label=${describeRun(page, run, [drawn.across, drawn.up])}
            @pointerenter=${() => this.read(run.folder, page)} @focus=${() => this.read(run.folder, page)}
            @keydown=${(event: KeyboardEvent) => this.onKey(event, run, page, drawn)} />`,
        ];
      }),
    ];
    return html`<div
      class="drawing"
      @pointerdown=${(event: PointerEvent) => this.onPress(event, page)}
      @pointermove=${(event: PointerEvent) => this.onMove(event, page)}
      @pointerup=${(event: PointerEvent) => this.onRelease(event, page, drawn)}
    >
      ${renderPicture(picture, overlays)}
    </div>`;
  }

  /** The rectangle that is being drawn, or the ranges of the filter. */
  private renderBrush(page: ViewPage, { picture, across, up, scales }: Drawn): TemplateResult {
    const { area } = picture;
    const corners = this.press === undefined ? undefined : [this.press.from, this.press.to];
    const ranges = [across, up].map((field) => readRange(page.filter, field.column, page.columns));
    const stretch = (i: 0 | 1, low: number, high: number, size: number): readonly [number, number] => {
      const { from, to } = ranges[i]!;
      const place = (value: number) => low + scales[i].toShare(value) * size;
      return [from === undefined ? low : place(from), to === undefined ? high : place(to)];
    };
    const isSet = ranges.some(({ from, to }) => from !== undefined || to !== undefined);
    if (corners === undefined && !isSet) return svg``;
    const inset = 10;
    const [left, right] = [area.left + inset, area.right - inset];
    const [bottom, top] = [area.bottom - inset, area.top + inset];
    const xs = corners?.map(({ x }) => x) ?? stretch(0, left, right, right - left);
    const ys = corners?.map(({ y }) => y) ?? stretch(1, bottom, top, top - bottom);
    const [x, y] = [Math.min(...xs), Math.min(...ys)];
    return svg`<rect class="brush" x=${x} y=${y} width=${Math.max(1, Math.max(...xs) - x)} height=${Math.max(1, Math.max(...ys) - y)} />`;
  }

  private onPress(event: PointerEvent, page: ViewPage): void {
    if (event.button !== 0) return;
    const point = (event.target as Element).closest(".point");
    if (point !== null) {
      if (this.current !== undefined) page.select(this.current, event.ctrlKey || event.metaKey);
      return;
    }
    event.preventDefault();
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
    const at = locate(event);
    this.press = { from: at, to: at };
  }

  private onMove(event: PointerEvent, page: ViewPage): void {
    if (this.press === undefined) return;
    this.press = { ...this.press, to: locate(event) };
    page.stage.redraw();
  }

  private onRelease(_: PointerEvent, page: ViewPage, { picture, across, up, scales }: Drawn): void {
    const { press } = this;
    this.press = undefined;
    if (press === undefined) return;
    const { from, to } = press;
    const isClick = Math.abs(from.x - to.x) < 4 && Math.abs(from.y - to.y) < 4;
    const { toShareAcross, toShareUp } = picture;
    const ranges = [
      [across, findRangeBetween(scales[0], toShareAcross(from.x), toShareAcross(to.x))],
      [up, findRangeBetween(scales[1], toShareUp(from.y), toShareUp(to.y))],
    ] as const;
    let text = page.filter;
    for (const [{ column }, range] of ranges)
      text = replaceRange(text, column, isClick ? {} : range, page.columns);
    page.setFilter(text);
  }

  private onKey(event: KeyboardEvent, run: RunSummary, page: ViewPage, { runs, picture }: Drawn): void {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      const order = runs
        .map((each, i) => ({ each, place: picture.places[i]! }))
        .filter(({ each }) => page.matching.has(each))
        .sort((a, b) => a.place.x - b.place.x || b.place.y - a.place.y);
      const at = order.findIndex(({ each }) => each.folder === run.folder);
      const next = order[Math.max(0, Math.min(order.length - 1, at + step))];
      if (next === undefined) return;
      this.isFocusRequested = true;
      this.read(next.each.folder, page);
    } else if (event.key === " ") {
      event.preventDefault();
      page.select(run.folder, true);
    } else if (event.key === "Enter") page.open([run.folder]);
  }

  private read(run: string, page: ViewPage): void {
    if (run === this.current) return;
    this.current = run;
    page.stage.redraw();
  }

  private describeCurrent(page: ViewPage, { across, up, runs }: Drawn): string {
    const run = runs.find(({ folder }) => folder === this.current);
    return run === undefined
      ? "Drag a rectangle to filter the runs, press outside of the points to lift it. Arrows move between points, Space selects, Enter opens Charts."
      : describeRun(page, run, [across, up]);
  }
}

/** `current` is the run that is read. */
function createDrawn(page: ViewPage, across: ViewField, up: ViewField, current: string | undefined): Drawn {
  const { runs, selected, theme, width, height, state } = page;
  const drawable = runs.filter((run) =>
    [across, up].every((field) => getAxisValue(field, run) !== undefined),
  );
  const createScale = (field: ViewField, pixels: number) =>
    createAxisScale(getValues(field, drawable), {
      logarithmic: state.logarithmic[field.id],
      maxTicks: Math.max(4, Math.floor(pixels / 64)),
    });
  const scales = [createScale(across, width), createScale(up, height)] as const;
  const picture = createScatterPicture({
    title: `${up.title} of ${drawable.filter((run) => page.matching.has(run)).length} runs against ${across.title}`,
    across: { title: across.column.title, scale: scales[0] },
    up: { title: up.column.title, scale: scales[1] },
    points: drawable.map((run) => ({
      x: getAxisValue(across, run),
      y: getAxisValue(up, run),
      slot: page.getSlot(run.folder) ?? 0,
      emphasis: !page.matching.has(run)
        ? "faint"
        : selected.has(run.folder) || run.folder === current
          ? "strong"
          : "normal",
    })),
    theme,
    width,
    height,
  });
  return { picture, across, up, scales, runs: drawable };
}

function locate(event: PointerEvent): Corner {
  const box = (event.currentTarget as HTMLElement).querySelector("svg")!.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

function createRows({ runs, across, up }: Drawn): string[][] {
  return [
    ["run", across.column.title, up.column.title],
    ...runs.map((run) => [run.name, ...[across, up].map((field) => String(getAxisValue(field, run) ?? ""))]),
  ];
}
