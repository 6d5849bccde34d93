/** The row of column names: a click sorts, with Shift as a further criterion; the edge at the right sets the width. */
import { html, nothing, type TemplateResult } from "lit";
import { icons } from "../kit/icons";
import { getCellStyle, getPinnedClass } from "./columnStyle";
import type { ShownColumn } from "./runTable";

export interface HeaderPage {
  readonly width: number;
  /** The column that the keyboard is on, if it is here. */
  readonly active: number | undefined;
  sort(id: string, add: boolean): void;
  resize(id: string, pixels: number): void;
}

export function renderHeader(columns: readonly ShownColumn[], page: HeaderPage): TemplateResult {
  return html`<div class="head" role="row" aria-rowindex="1" style="width:${page.width}px">
    ${columns.map(
      (column, i) =>
        html`<div
          role="columnheader"
          class="cell ${column.numeric ? "number" : ""} ${getPinnedClass(column)}"
          style=${getCellStyle(columns, i)}
          aria-colindex=${i + 1}
          aria-sort=${column.sorted === undefined ? nothing : column.sorted === "asc" ? "ascending" : "descending"}
          data-row="0"
          data-column=${i}
          tabindex=${page.active === i ? 0 : -1}
          title="${column.title}: click to sort, with Shift after the others"
          @click=${(event: MouseEvent) => page.sort(column.id, event.shiftKey)}
        >
          ${
            column.id === "star"
              ? html`<span class="star">${icons.starOutline}</span><span class="hidden">Star</span>`
              : html`<span class="text">${column.heading ?? column.title}</span>`
          }
          ${
            column.sorted === undefined
              ? nothing
              : html`<span class="sort" aria-hidden="true"
                  >${column.sorted === "asc" ? icons.up : icons.down}${column.sortRank}</span
                >`
          }
          <span
            class="resizer"
            @click=${(event: Event) => event.stopPropagation()}
            @pointerdown=${(event: PointerEvent) => startResize(event, column, page)}
          ></span>
        </div>`,
    )}
  </div>`;
}

function startResize(event: PointerEvent, column: ShownColumn, page: HeaderPage): void {
  event.preventDefault();
  const handle = event.currentTarget as HTMLElement;
  const from = event.clientX;
  handle.setPointerCapture(event.pointerId);
  const move = ({ clientX }: PointerEvent) => page.resize(column.id, column.pixels + clientX - from);
  const end = () => {
    handle.removeEventListener("pointermove", move);
    handle.removeEventListener("lostpointercapture", end);
  };
  handle.addEventListener("pointermove", move);
  handle.addEventListener("lostpointercapture", end);
}
