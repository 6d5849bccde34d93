/** The figures of a role side by side: its map, its landscape, and the correlations of its inputs or outputs. */
import { html, nothing, type TemplateResult } from "lit";
import { coarser, limitOf, matrixLines } from "../../src/pictures/matrix";
import { matrixPicture } from "../../src/pictures/matrixPicture";
import { surfacePicture } from "../../src/pictures/surfacePicture";
import type { ChartTheme } from "../../src/pictures/theme";
import type { HeatMap } from "../../src/protocol/service/models";
import { pictureView, saveButtons } from "../kit/pictureView";
import type { Stage } from "../kit/stage";
import type { Host } from "../page";
import { type HeatMapView, heatMapView, legendView } from "./heatMapView";

export const looks = ["map", "surface", "inputs", "outputs"] as const;
export type Look = (typeof looks)[number];

export const lookTitles: Readonly<Record<Look, string>> = {
  map: "Heat map",
  surface: "Surface",
  inputs: "Correlation of inputs",
  outputs: "Correlation of outputs",
};

/** Rows and columns of a landscape; more of them hide each other. */
const mostAlong = 44;
/** Of a saved map of correlations. */
const mostCells = 128;

export interface View {
  readonly turn: number;
  readonly tilt: number;
}

export interface WeightFiguresGiven {
  readonly role: string;
  readonly look: Look;
  readonly titles: readonly string[];
  readonly maps: readonly HeatMap[];
  readonly heatMaps: readonly HeatMapView[];
  readonly view: View;
  readonly theme: ChartTheme;
  readonly host: Host;
  readonly stage: Stage;
  readonly setView: (view: View) => void;
}

export function weightFigures(given: WeightFiguresGiven): TemplateResult {
  const { maps, look, heatMaps, theme } = given;
  if (maps.length === 0) return html``;
  if (look === "surface")
    return html`<p class="hint">Drag a landscape or use the arrow keys to rotate it.</p>
      <div class="pair">${maps.map((map, i) => surface(given, map, i))}</div>`;
  return html`${legendView(heatMaps[0]!.limit, theme.ground)}
    <div class="pair">
      ${heatMaps.map((view, i) => html`<div class="heat">${saved(given, i)}${heatMapView(view)}</div>`)}
    </div>`;
}

function surface(given: WeightFiguresGiven, map: HeatMap, i: number): TemplateResult {
  const { view, setView } = given;
  const moved = (across: number, down: number) =>
    setView({ turn: view.turn + across, tilt: Math.max(5, Math.min(88, view.tilt + down)) });
  const drag = (event: PointerEvent) => {
    if (event.buttons === 1) moved(event.movementX * 0.6, event.movementY * 0.4);
  };
  const key = (event: KeyboardEvent) => {
    const step = { ArrowLeft: [-8, 0], ArrowRight: [8, 0], ArrowUp: [0, -5], ArrowDown: [0, 5] }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    moved(step[0]!, step[1]!);
  };
  const picture = pictureOf(given, map, i);
  return html`<div
    class="surface"
    tabindex="0"
    role="group"
    aria-label="Landscape of ${given.titles[i]!}; use the arrow keys to rotate it"
    @pointermove=${drag}
    @keydown=${key}
  >
    ${saved(given, i)}${pictureView(picture)}
  </div>`;
}

function saved(given: WeightFiguresGiven, i: number): TemplateResult | typeof nothing {
  const { role, look, titles, maps, host, stage } = given;
  const map = maps[i];
  if (map === undefined) return nothing;
  return saveButtons({ host }, stage, {
    name: `${role}-${look}-${titles[i]!}`.replace(/[^\w.-]+/g, "-"),
    title: `${lookTitles[look]} of ${titles[i]!}`,
    picture: pictureOf(given, map, i),
    lines: () => matrixLines(map),
  });
}

function pictureOf(
  { role, look, titles, maps, heatMaps, view, theme }: WeightFiguresGiven,
  map: HeatMap,
  i: number,
) {
  const title = `${role}, ${titles[i]!}`;
  const width = 440;
  if (look === "surface") {
    const matrix = coarser(map, mostAlong, mostAlong);
    return surfacePicture({ title, matrix, limit: limitOf(maps), theme, width, ...view });
  }
  const axes = look === "map" ? (["inputs", "outputs"] as const) : ([look, look] as const);
  const matrix = coarser(map, mostCells, mostCells);
  return matrixPicture({ title, matrix, limit: heatMaps[i]!.limit, theme, width, axes });
}
