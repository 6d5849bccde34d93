/** The view Over steps: what `train.watch` recorded of a run, as ridgelines of one tensor and as a map of layers and steps. */
import { html, nothing, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import type { Host } from "../../src/protocol/page";
import { formatCount, formatNumber, formatPercent } from "../../src/protocol/quantities";
import type { GroupHistory } from "../../src/protocol/service/histograms";
import {
  getBinEdges,
  getStatistic,
  type Spread,
  type Statistic,
  statistics,
  type WatchedTensor,
} from "../../src/protocol/watch";
import { type WatchedKind, watchedKinds } from "../../src/schema/watch";
import { createRidgesPicture } from "../../src/pictures/ridgesPicture";
import { createStepMapPicture } from "../../src/pictures/stepMapPicture";
import type { Picture } from "../../src/pictures/picture";
import type { ChartTheme } from "../../src/pictures/theme";
import { renderPicture, renderSaveButtons } from "../kit/pictureView";
import { renderSelect } from "../kit/select";
import type { Stage } from "../kit/stage";
import { renderEmptyState } from "../kit/states";

export interface OverStepsState {
  readonly what: WatchedKind;
  readonly group?: string | undefined;
  readonly name?: string | undefined;
  readonly statistic: Statistic;
  /** The newest if left out. */
  readonly step?: number | undefined;
}

const kindTitles: Readonly<Record<WatchedKind, string>> = {
  weights: "Weights",
  gradients: "Gradients",
  activations: "Activations",
};
const statisticTitles: Readonly<Record<Statistic, string>> = {
  deviation: "Standard deviation",
  mean: "Mean",
  largest: "Largest magnitude",
  zeros: "Share of zeros",
  notFinite: "Share of values that are not finite",
};
/** Between two readings of a run that trains. */
const refreshMilliseconds = 2000;

export class OverSteps {
  private tensors: readonly WatchedTensor[] | undefined;
  private history: GroupHistory | undefined;
  /** The tensor whose histograms are in the history. */
  private shown: WatchedTensor | undefined;
  private request: AbortController | undefined;
  private refresh: ReturnType<typeof setTimeout> | undefined;
  private run: string | undefined;
  state: OverStepsState;

  constructor(
    private readonly host: Host,
    private readonly stage: Stage,
    state: OverStepsState | undefined,
    private readonly changed: () => void,
  ) {
    this.state = state ?? { what: "weights", statistic: "deviation" };
    host.on("runsChanged", ({ changed: runs }) => {
      // A run that trains changes several times a second.
      if (!runs.some(({ folder }) => folder === this.run) || this.refresh !== undefined) return;
      this.refresh = setTimeout(() => {
        this.refresh = undefined;
        this.read();
      }, refreshMilliseconds);
    });
    host.on("backendRestarted", () => this.read());
  }

  /** Reads the records of this run; without one, stops following. */
  follow(run: string | undefined): void {
    if (run === this.run) return;
    [this.run, this.tensors, this.history] = [run, undefined, undefined];
    clearTimeout(this.refresh);
    this.refresh = undefined;
    this.read();
  }

  /** What is shown stays until its successor is there. */
  private read(): void {
    this.request?.abort();
    const { run } = this;
    if (run === undefined) return;
    const { signal } = (this.request = new AbortController());
    this.stage.attempt(async () => {
      // Each request reads the whole file: the list is asked for only while no tensor of the run is known.
      const known = this.tensors ?? [];
      const tensors =
        known.length > 0 ? known : (await this.host.request("histograms.list", { run }, signal)).tensors;
      const chosen = chooseTensor(tensors, this.state);
      const history =
        chosen && (await this.host.request("histograms.read", { run, ...pickRequest(chosen) }, signal));
      if (signal.aborted) return;
      [this.tensors, this.history, this.shown] = [history?.recorded ?? tensors, history, chosen];
      this.stage.redraw();
    });
  }

  private set(change: Partial<OverStepsState>): void {
    const before = chooseTensor(this.tensors ?? [], this.state);
    this.state = { ...this.state, ...change };
    const after = chooseTensor(this.tensors ?? [], this.state);
    if (before !== after) this.read();
    this.changed();
  }

  draw(theme: ChartTheme): TemplateResult {
    if (this.run === undefined)
      return renderEmptyState(
        "Select a run",
        "Histograms over steps belong to a run, not to a single model.",
      );
    const { tensors, history } = this;
    if (tensors === undefined)
      return html`<p class="muted waiting" role="status">Reading the histograms…</p>`;
    const chosen = chooseTensor(tensors, this.state);
    if (chosen === undefined || history === undefined || history.steps.length === 0)
      return renderEmptyState(
        "No histograms yet",
        "Add watch: {every: 50} to the train cell and run it. The first record appears before the first step.",
      );
    const kinds = watchedKinds.filter((kind) => tensors.some(({ what }) => what === kind));
    const groups = [...new Set(tensors.filter(({ what }) => what === chosen.what).map(({ group }) => group))];
    const layers = tensors.filter(({ what, group }) => what === chosen.what && group === chosen.group);
    return html`<div class="toolbar">
        ${renderLabeledSelect(
          "Values",
          chosen.what,
          kinds.map((kind) => [kind, kindTitles[kind]] as const),
          (what) => this.chooseLike(chosen, (tensor) => tensor.what === what, { what }),
        )}
        ${renderLabeledSelect(
          "Of",
          chosen.group,
          groups.map((group) => [group, group] as const),
          (group) =>
            this.chooseLike(chosen, (each) => each.what === chosen.what && each.group === group, { group }),
        )}
        ${
          layers.length < 2
            ? nothing
            : renderLabeledSelect(
                "Layer",
                chosen.name,
                layers.toSorted(byLayer).map((tensor) => [tensor.name, titleOfLayer(tensor)] as const),
                (name) => this.set({ group: chosen.group, name }),
              )
        }
      </div>
      <div class="shown" tabindex="0" role="region" aria-label="Histograms over steps">
        ${this.renderFigures(chosen, history, theme)}
      </div>`;
  }

  /** Stays at the same role, else in the same layer. */
  private chooseLike(
    before: WatchedTensor,
    matches: (tensor: WatchedTensor) => boolean,
    change: Partial<OverStepsState>,
  ): void {
    const candidates = (this.tensors ?? []).filter(matches);
    const like =
      candidates.find(({ role, group }) => role === before.role && group === before.group) ??
      candidates.find(({ role }) => role === before.role) ??
      candidates.find(({ layer }) => layer === before.layer);
    this.set({ ...change, ...(like && { group: like.group, name: like.name }) });
  }

  private renderFigures(chosen: WatchedTensor, history: GroupHistory, theme: ChartTheme): TemplateResult {
    const { tensors, steps, spreads, statistics: columns } = history;
    const { statistic } = this.state;
    const places = steps.flatMap((_, place) => (spreads[place] === null ? [] : [place]));
    const wanted = this.state.step === undefined ? -1 : steps.indexOf(this.state.step);
    const place = places.includes(wanted) ? wanted : places.at(-1);
    // Until the records of another tensor are there, those of the previous one are shown.
    const shown = this.shown ?? chosen;
    const inHistory = chosen.what === shown.what ? tensors.findIndex(({ name }) => name === chosen.name) : -1;
    const row = inHistory >= 0 ? inHistory : tensors.findIndex(({ name }) => name === shown.name);
    const ridges = createRidgesPicture({
      title: `${kindTitles[shown.what]} of ${shown.name}`,
      ridges: places.map((at) => ({ step: steps[at]!, spread: spreads[at]! })),
      chosen: place === undefined ? undefined : steps[place],
      theme,
      width: 560,
    });
    const map = createStepMapPicture({
      title: `${statisticTitles[statistic]}, ${shown.what} of ${shown.group}`,
      rows: tensors.map((tensor) => String(tensor.layer ?? "–")),
      steps,
      values: columns[statistic],
      chosen: place === undefined ? undefined : { row, column: place },
      theme,
      width: 560,
    });
    const choosePlace = (at: number) => this.set({ step: at === places.at(-1) ? undefined : steps[at] });
    const slider = place === undefined ? -1 : places.indexOf(place);
    const spread = place === undefined ? undefined : spreads[place];
    return html`<div class="pair">
      <figure class="over-steps">
        ${this.renderSave(ridges, `histograms-${shown.what}-${shown.name}`, () => createSpreadRows(steps, spreads))}
        ${renderPicture(ridges)}
        <label class="labeled step-slider"
          >Step
          <input
            type="range"
            min="0"
            max=${places.length - 1}
            .value=${live(String(slider))}
            aria-valuetext=${place === undefined ? "" : `step ${steps[place]!}`}
            @input=${(event: Event) => choosePlace(places[Number((event.target as HTMLInputElement).value)]!)}
        /></label>
        <p class="hint" aria-live="polite">${describeSpread(steps[place ?? 0]!, spread)}</p>
        <p class="muted">Each line is scaled to its own peak. Zeros are left out of the lines.</p>
      </figure>
      <figure class="over-steps">
        ${this.renderSave(map, `map-${shown.what}-${shown.group}`, () => createMapRows(history))}
        <div
          class="step-map"
          tabindex="0"
          role="group"
          aria-label="Map of layers and steps; the arrow keys select a cell"
          @click=${(event: MouseEvent) => {
            const cell = findCell(event, map, tensors.length, steps.length);
            if (cell !== undefined) this.chooseCell(history, cell.row, cell.column);
          }}
          @keydown=${(event: KeyboardEvent) => {
            const move = moves[event.key];
            if (move === undefined) return;
            event.preventDefault();
            const limit = (value: number, count: number) => Math.max(0, Math.min(count - 1, value));
            this.chooseCell(
              history,
              limit(row + move[0], tensors.length),
              limit((place ?? 0) + move[1], steps.length),
            );
          }}
        >
          ${renderPicture(map)}
        </div>
        ${renderLabeledSelect(
          "Number",
          statistic,
          statistics.map((each) => [each, statisticTitles[each]] as const),
          (each) => this.set({ statistic: each }),
        )}
        <p class="hint" aria-live="polite">
          ${titleOfLayer(tensors[row]!)}, step ${formatCount(steps[place ?? 0]!)}:
          ${formatStatistic(statistic, columns[statistic][row]?.[place ?? 0] ?? null)}
        </p>
      </figure>
    </div>`;
  }

  private chooseCell({ tensors, steps }: GroupHistory, row: number, column: number): void {
    const { what, group, name } = tensors[row]!;
    this.set({ what, group, name, step: column === steps.length - 1 ? undefined : steps[column] });
  }

  private renderSave(
    picture: Picture,
    name: string,
    lines: () => readonly (readonly string[])[],
  ): TemplateResult {
    return renderSaveButtons({ host: this.host }, this.stage, {
      name: name.replace(/[^\w.-]+/g, "-"),
      title: picture.title,
      picture,
      lines,
    });
  }
}

/** The choice between one model and the steps of its training. */
export function renderModes(isOverSteps: boolean, set: (isOverSteps: boolean) => void): TemplateResult {
  return html`<span class="modes" role="group" aria-label="What is shown">
    ${([false, true] as const).map(
      (mode) =>
        html`<button class="quiet" aria-pressed=${mode === isOverSteps} @click=${() => set(mode)}>
          ${mode ? "Over steps" : "One checkpoint"}
        </button>`,
    )}
  </span>`;
}

const moves: Readonly<Record<string, readonly [row: number, column: number]>> = {
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
};

function pickRequest({ what, group, name }: WatchedTensor) {
  return { what, group, name };
}

/** The tensor of this name, else one of its group, else of its kind; a matrix in a layer shows more than an embedding. */
function chooseTensor(
  tensors: readonly WatchedTensor[],
  { what, group, name }: OverStepsState,
): WatchedTensor | undefined {
  const ofKind = tensors.filter((tensor) => tensor.what === what);
  const candidates = ofKind.length > 0 ? ofKind : tensors;
  const ofGroup = candidates.filter((tensor) => tensor.group === group);
  return (
    ofGroup.find((tensor) => tensor.name === name) ??
    ofGroup.toSorted(byLayer)[0] ??
    candidates
      .toSorted(byLayer)
      .find(({ layer, group: each }) => layer !== undefined && /_proj|attn|mlp/.test(each)) ??
    candidates[0]
  );
}

const byLayer = (a: WatchedTensor, b: WatchedTensor) => (a.layer ?? 0) - (b.layer ?? 0);
const titleOfLayer = ({ layer, name }: WatchedTensor) => (layer === undefined ? name : `Layer ${layer}`);

function renderLabeledSelect<T extends string>(
  label: string,
  value: T,
  choices: readonly (readonly [T, string])[],
  onSelect: (value: T) => void,
): TemplateResult {
  return html`<label class="label labeled"
    >${label} ${renderSelect({ label, value, choices, onSelect })}</label
  >`;
}

function formatStatistic(statistic: Statistic, value: number | null): string {
  if (value === null) return "not recorded";
  return statistic === "zeros" || statistic === "notFinite" ? formatPercent(value) : formatNumber(value, 4);
}

function describeSpread(step: number, spread: Spread | null | undefined): string {
  if (spread === null || spread === undefined) return `Step ${formatCount(step)}: not recorded`;
  const { mean, deviation, min, max } = spread;
  const shares = (["zeros", "notFinite"] as const).map((each) => formatPercent(getStatistic(spread, each)));
  return `Step ${formatCount(step)}: mean ${formatNumber(mean)}, standard deviation ${formatNumber(deviation)}, from ${formatNumber(min)} to ${formatNumber(max)}, ${shares[0]!} zeros, ${shares[1]!} not finite`;
}

function findCell(
  event: MouseEvent,
  { area, width, height }: Picture,
  rows: number,
  columns: number,
): { readonly row: number; readonly column: number } | undefined {
  const svg = (event.currentTarget as Element).querySelector("svg")!.getBoundingClientRect();
  const x = ((event.clientX - svg.left) / svg.width) * width;
  const y = ((event.clientY - svg.top) / svg.height) * height;
  const column = Math.floor(((x - area.left) / (area.right - area.left)) * columns);
  const row = Math.floor(((y - area.top) / (area.bottom - area.top)) * rows);
  return row >= 0 && row < rows && column >= 0 && column < columns ? { row, column } : undefined;
}

function createSpreadRows(
  steps: readonly number[],
  spreads: readonly (Spread | null)[],
): readonly (readonly string[])[] {
  const rows = spreads.flatMap((spread, place) =>
    (spread?.counts ?? []).flatMap((count, i) =>
      count === 0 ? [] : [[steps[place]!, ...getBinEdges(spread!.first + i), count].map(String)],
    ),
  );
  return [["step", "from", "to", "count"], ...rows];
}

function createMapRows({
  tensors,
  steps,
  statistics: columns,
}: GroupHistory): readonly (readonly string[])[] {
  const rows = tensors.flatMap(({ name, layer }, row) =>
    steps.map((step, place) => [
      name,
      String(layer ?? ""),
      String(step),
      ...statistics.map((each) => String(columns[each][row]![place] ?? "")),
    ]),
  );
  return [["tensor", "layer", "step", ...statistics], ...rows];
}
