/**
 * A matrix as a picture: each rectangle shows its value of largest magnitude. Drawn pixel by pixel on a canvas that the
 * browser scales without smoothing, so that a thousand by a thousand costs no elements.
 */
import { html, type TemplateResult } from "lit";
import type { HeatMap } from "../../src/protocol/service/models";
import type { Ground } from "../../src/pictures/palette";
import { formatNumber } from "../../src/protocol/quantities";
import { getRampColor, createGradient } from "../../src/pictures/ramp";

export interface HeatMapView {
  readonly title: string;
  readonly map: HeatMap;
  /** The magnitude that has the strongest color: the same for maps that are compared. */
  readonly limit: number;
  readonly ground: Ground;
  readonly hovered: number | undefined;
  readonly hover: (cell: number | undefined) => void;
}

export function renderHeatMap(view: HeatMapView): TemplateResult {
  const { map, title, hovered } = view;
  const [rows, columns] = map.shape;
  const isWhole = rows === map.rows && columns === map.columns;
  return html`<figure>
    <figcaption>
      <b>${title}</b>
      <span class="muted"
        >${rows} × ${columns}${isWhole ? "" : `, drawn as ${map.rows} × ${map.columns}`}</span
      >
    </figcaption>
    <canvas
      width=${map.columns}
      height=${map.rows}
      role="img"
      tabindex="0"
      aria-label="Heat map of ${title}; the arrow keys read its values"
      style="aspect-ratio:${getAspectRatio(map)}"
      @pointermove=${(event: PointerEvent) => view.hover(findCell(event, map))}
      @pointerleave=${() => view.hover(undefined)}
      @keydown=${(event: KeyboardEvent) => onKey(event, view)}
    ></canvas>
    <p class="hint" aria-live="polite">
      ${hovered === undefined ? "Point at the map or use the arrow keys to read its values." : describeCell(map, hovered)}
    </p>
  </figure>`;
}

/** A scale that both pictures share. */
export function renderLegend(limit: number, ground: Ground): TemplateResult {
  return html`<div class="legend">
    <span>${formatNumber(-limit, 3)}</span><i style="background:${createGradient(ground)}"></i
    ><span>${formatNumber(limit, 3)}</span>
    <span class="muted"
      >and beyond; zero is neutral; each rectangle shows its value of largest magnitude</span
    >
  </div>`;
}

/** Fills the canvas; called when it is in the document and when its content has changed. */
export function paintHeatMap(canvas: HTMLCanvasElement, { map, limit, ground, hovered }: HeatMapView): void {
  const context = canvas.getContext("2d");
  if (context === null) return;
  const image = context.createImageData(map.columns, map.rows);
  map.values.forEach((value, i) => image.data.set(getRampColor((value ?? NaN) / limit, ground), i * 4));
  if (hovered !== undefined)
    image.data.set(ground === "dark" ? [255, 255, 255, 255] : [0, 0, 0, 255], hovered * 4);
  context.putImageData(image, 0, 0);
}

/** The picture keeps the shape of the matrix within limits that leave a vector visible. */
function getAspectRatio({ shape: [rows, columns] }: HeatMap): number {
  return Math.max(0.5, Math.min(8, columns / Math.max(1, rows)));
}

function findCell(event: PointerEvent, { rows, columns }: HeatMap): number | undefined {
  const bounds = (event.currentTarget as Element).getBoundingClientRect();
  const column = Math.floor(((event.clientX - bounds.left) / bounds.width) * columns);
  const row = Math.floor(((event.clientY - bounds.top) / bounds.height) * rows);
  return row >= 0 && row < rows && column >= 0 && column < columns ? row * columns + column : undefined;
}

function onKey(event: KeyboardEvent, { map, hovered, hover }: HeatMapView): void {
  const { rows, columns } = map;
  const steps: Readonly<Record<string, readonly [number, number]>> = {
    ArrowLeft: [0, -1],
    ArrowRight: [0, 1],
    ArrowUp: [-1, 0],
    ArrowDown: [1, 0],
  };
  const step = steps[event.key];
  if (event.key === "Escape") hover(undefined);
  if (step === undefined) return;
  event.preventDefault();
  if (hovered === undefined) {
    hover(Math.floor(rows / 2) * columns + Math.floor(columns / 2));
    return;
  }
  const row = Math.max(0, Math.min(rows - 1, Math.floor(hovered / columns) + step[0]));
  const column = Math.max(0, Math.min(columns - 1, (hovered % columns) + step[1]));
  hover(row * columns + column);
}

/** Which part of the matrix a rectangle covers, and its value. */
function describeCell(map: HeatMap, cell: number): string {
  const formatRange = (at: number, cells: number, total: number) => {
    const [from, to] = [
      Math.floor((at * total) / cells),
      Math.max(1, Math.floor(((at + 1) * total) / cells)) - 1,
    ];
    return from >= to ? String(from) : `${from} to ${to}`;
  };
  const row = formatRange(Math.floor(cell / map.columns), map.rows, map.shape[0]);
  const column = formatRange(cell % map.columns, map.columns, map.shape[1]);
  return `Row ${row}, column ${column}: ${formatNumber(map.values[cell] ?? NaN, 5)}`;
}
