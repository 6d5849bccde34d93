/** The figures of a role side by side: its map, its landscape, and the correlations of its inputs or outputs. */
import { html, nothing, type TemplateResult } from "lit";
import { downsampleMatrix, computeLimit, createMatrixRows } from "../../src/pictures/matrix";
import { createMatrixPicture } from "../../src/pictures/matrixPicture";
import { createSurfacePicture } from "../../src/pictures/surfacePicture";
import type { ChartTheme } from "../../src/pictures/theme";
import type { HeatMap } from "../../src/protocol/service/models";
import { renderPicture, renderSaveButtons } from "../kit/pictureView";
import type { Stage } from "../kit/stage";
import type { Host } from "../../src/protocol/page";
import { type HeatMapView, renderHeatMap, renderLegend } from "./heatMapView";

export const looks = ["map", "surface", "inputs", "outputs"] as const;
export type Look = (typeof looks)[number];

export const lookTitles: Readonly<Record<Look, string>> = {
  map: "Heat map",
  surface: "Surface",
  inputs: "Correlation of inputs",
  outputs: "Correlation of outputs",
};

/** Rows and columns of a landscape; more of them hide each other. */
const maxSurfaceCells = 44;
/** Of a saved map of correlations. */
const maxCells = 128;

export interface View {
  readonly turn: number;
  readonly tilt: number;
}

export interface WeightFiguresOptions {
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

export function renderWeightFigures(options: WeightFiguresOptions): TemplateResult {
  const { maps, look, heatMaps, theme } = options;
  if (maps.length === 0) return html``;
  if (look === "surface")
    return html`<p class="hint">Drag a landscape or use the arrow keys to rotate it.</p>
      <div class="pair">${maps.map((map, i) => renderSurface(options, map, i))}</div>`;
  return html`${renderLegend(heatMaps[0]!.limit, theme.ground)}
    <div class="pair">
      ${heatMaps.map((view, i) => html`<div class="heat">${renderSave(options, i)}${renderHeatMap(view)}</div>`)}
    </div>`;
}

function renderSurface(options: WeightFiguresOptions, map: HeatMap, i: number): TemplateResult {
  const { view, setView } = options;
  const rotateBy = (across: number, down: number) =>
    setView({ turn: view.turn + across, tilt: Math.max(5, Math.min(88, view.tilt + down)) });
  const drag = (event: PointerEvent) => {
    if (event.buttons === 1) rotateBy(event.movementX * 0.6, event.movementY * 0.4);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowLeft: [-8, 0], ArrowRight: [8, 0], ArrowUp: [0, -5], ArrowDown: [0, 5] }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    rotateBy(step[0]!, step[1]!);
  };
  const picture = createPicture(options, map, i);
  return html`<div
    class="surface"
    tabindex="0"
    role="group"
    aria-label="Landscape of ${options.titles[i]!}; use the arrow keys to rotate it"
    @pointermove=${drag}
    @keydown=${onKeyDown}
  >
    ${renderSave(options, i)}${renderPicture(picture)}
  </div>`;
}

function renderSave(options: WeightFiguresOptions, i: number): TemplateResult | typeof nothing {
  const { role, look, titles, maps, host, stage } = options;
  const map = maps[i];
  if (map === undefined) return nothing;
  return renderSaveButtons({ host }, stage, {
    name: `${role}-${look}-${titles[i]!}`.replace(/[^\w.-]+/g, "-"),
    title: `${lookTitles[look]} of ${titles[i]!}`,
    picture: createPicture(options, map, i),
    lines: () => createMatrixRows(map),
  });
}

function createPicture(
  { role, look, titles, maps, heatMaps, view, theme }: WeightFiguresOptions,
  map: HeatMap,
  i: number,
) {
  const title = `${role}, ${titles[i]!}`;
  const width = 440;
  if (look === "surface") {
    const matrix = downsampleMatrix(map, maxSurfaceCells, maxSurfaceCells);
    return createSurfacePicture({ title, matrix, limit: computeLimit(maps), theme, width, ...view });
  }
  const axes = look === "map" ? (["inputs", "outputs"] as const) : ([look, look] as const);
  const matrix = downsampleMatrix(map, maxCells, maxCells);
  return createMatrixPicture({ title, matrix, limit: heatMaps[i]!.limit, theme, width, axes });
}
