/** A picture whose cells are read with the pointer or the arrow keys: the cell is outlined, and its reading is below. */
import { css, html, nothing, svg, type TemplateResult } from "lit";
import { guard } from "lit/directives/guard.js";
import type { Picture, Readings } from "../../src/pictures/picture";
import type { ChartTheme } from "../../src/pictures/theme";
import { renderPicture } from "./pictureView";

export const pictureReaderStyles = css`
  .reader {
    position: relative;
    width: fit-content;
    max-width: 100%;
    border-radius: 3px;
    cursor: crosshair;
  }
  .reader:focus-visible {
    outline: 1px solid var(--vscode-focusBorder);
    outline-offset: 2px;
  }
  .reader svg.picture {
    display: block;
    max-width: 100%;
    height: auto;
  }
  .reader svg.outline {
    position: absolute;
    inset: 0;
    width: 100%;
    height: 100%;
    overflow: visible;
    pointer-events: none;
  }
  /* Room for a reading, so that nothing below moves. */
  .picture-reading {
    min-height: 1.4em;
    margin: 4px 0 0;
    color: var(--vscode-descriptionForeground);
    font-size: 0.92em;
    overflow-wrap: anywhere;
  }
  @container (max-width: 500px) {
    .picture-reading {
      min-height: 2.8em;
    }
  }
`;

interface Cell {
  readonly row: number;
  /** In its row. */
  readonly column: number;
}

/** A page of cells is a tenth of a row. */
const pages = 10;
/** The outline of a cell that is smaller is this large. */
const minOutline = 5;

export class PictureReader {
  private cell: Cell | undefined;

  constructor(private readonly redraw: () => void) {}

  render(picture: Picture, theme: ChartTheme): TemplateResult {
    const { readings, title } = picture;
    if (readings === undefined) return renderPicture(picture);
    const cell = this.cell && limitCell(this.cell, readings);
    return html`<div
        class="reader"
        tabindex="0"
        role="group"
        aria-label="${title}; the arrow keys read its values"
        @pointermove=${(event: PointerEvent) => this.read(findCell(event, picture, readings))}
        @pointerleave=${() => this.read(undefined)}
        @blur=${() => this.read(undefined)}
        @keydown=${(event: KeyboardEvent) => this.onKeyDown(event, readings)}
      >
        ${guard([picture], () => renderPicture(picture))}
        ${cell === undefined ? nothing : renderOutline(cell, picture, readings, theme)}
      </div>
      <p class="picture-reading" aria-live="polite">
        ${cell === undefined ? nothing : readings.describe(cell.row, cell.column)}
      </p>`;
  }

  private read(cell: Cell | undefined): void {
    if (cell?.row === this.cell?.row && cell?.column === this.cell?.column) return;
    this.cell = cell;
    this.redraw();
  }

  private onKeyDown(event: KeyboardEvent, readings: Readings): void {
    if (event.key === "Escape") {
      this.read(undefined);
      return;
    }
    const { row, column } = this.cell ?? { row: 0, column: 0 };
    const last = countCells(readings, row) - 1;
    const page = Math.ceil((last + 1) / pages);
    const targets: Readonly<Record<string, Cell>> = {
      ArrowLeft: { row, column: column - 1 },
      ArrowRight: { row, column: column + 1 },
      ArrowUp: { row: row - 1, column },
      ArrowDown: { row: row + 1, column },
      PageUp: { row, column: column - page },
      PageDown: { row, column: column + page },
      Home: { row, column: 0 },
      End: { row, column: last },
    };
    const target = targets[event.key];
    if (target === undefined) return;
    event.preventDefault();
    // The first arrow shows where reading begins.
    const isBeginning = this.cell === undefined && event.key.startsWith("Arrow");
    this.read(isBeginning ? { row, column } : limitCell(target, readings));
  }
}

function countCells({ x }: Readings, row: number): number {
  return x[row]!.length - 1;
}

function limitCell({ row: wantedRow, column }: Cell, readings: Readings): Cell {
  const row = Math.max(0, Math.min(readings.x.length - 1, wantedRow));
  return { row, column: Math.max(0, Math.min(countCells(readings, row) - 1, column)) };
}

function findCell(event: PointerEvent, { width, height }: Picture, { x, y }: Readings): Cell | undefined {
  const bounds = (event.currentTarget as Element).querySelector("svg")!.getBoundingClientRect();
  const row = findInterval(((event.clientY - bounds.top) / bounds.height) * height, y);
  if (row === undefined) return undefined;
  const column = findInterval(((event.clientX - bounds.left) / bounds.width) * width, x[row]!);
  return column === undefined ? undefined : { row, column };
}

/** The interval of ascending `edges` that contains a value. */
function findInterval(value: number, edges: readonly number[]): number | undefined {
  const index = edges.findIndex((edge) => edge > value) - 1;
  return index < 0 ? undefined : index;
}

function renderOutline(
  { row, column }: Cell,
  { width, height }: Picture,
  { x, y }: Readings,
  theme: ChartTheme,
): TemplateResult {
  const [left, across] = widen(x[row]![column]!, x[row]![column + 1]!);
  const [top, down] = widen(y[row]!, y[row + 1]!);
  const outline = (color: string, thickness: number) =>
    svg`<rect x=${left} y=${top} width=${across} height=${down} fill="none" stroke=${color} stroke-width=${thickness} />`;
  // Two colors are visible on every fill.
  return html`<svg class="outline" viewBox="0 0 ${width} ${height}" aria-hidden="true">
    ${outline(theme.background, 4)}${outline(theme.foreground, 2)}
  </svg>`;
}

function widen(from: number, to: number): readonly [from: number, size: number] {
  const size = Math.max(minOutline, to - from);
  return [(from + to - size) / 2, size];
}
