/** The rows of the table of runs: of a run, and of a group of them. */
import { html, nothing, type TemplateResult } from "lit";
import { pluralize } from "../../src/protocol/quantities";
import { icons } from "../kit/icons";
import type { CellEditor } from "./cellEditor";
import { getCellTitle, renderCell } from "./cellViews";
import { getCellStyle, getPinnedClass } from "./columnStyle";
import type { ShownColumn, TableRow } from "./runTable";

export interface RowPlace {
  /** Among all rows, from 0. */
  readonly index: number;
  /** Distance from the top, in pixels. */
  readonly start: number;
  readonly columns: readonly ShownColumn[];
  /** The column that the keyboard is on, if it is in this row. */
  readonly activeColumn: number | undefined;
}

export interface RunRowPlace extends RowPlace {
  readonly level: number | undefined;
  readonly isSelected: boolean;
  readonly editor: CellEditor;
}

export function renderRunRow(
  { key, run }: TableRow & { readonly kind: "run" },
  { index, start, columns, activeColumn, level, isSelected, editor }: RunRowPlace,
): TemplateResult {
  const classes = [
    "row",
    ...(isSelected ? ["selected"] : []),
    ...(activeColumn === undefined ? [] : ["current"]),
  ];
  return html`<div
    class=${classes.join(" ")}
    role="row"
    aria-rowindex=${index + 2}
    aria-level=${level ?? nothing}
    aria-selected=${isSelected}
    style="transform:translateY(${start}px)"
  >
    ${columns.map((column, i) => {
      const isEditing = editor.isEditing(key, column.edits);
      return html`<div
        role="gridcell"
        class="cell ${column.numeric ? "number" : ""} ${getPinnedClass(column)} ${isEditing ? "editing" : ""}"
        style=${getCellStyle(columns, i)}
        aria-colindex=${i + 1}
        data-row=${index + 1}
        data-column=${i}
        tabindex=${activeColumn === i ? 0 : -1}
        title=${isEditing ? nothing : getCellTitle(run, column)}
      >
        ${isEditing ? editor.render() : renderCell(run, column)}
      </div>`;
    })}
  </div>`;
}

export function renderGroupRow(
  { label, runs, expanded }: TableRow & { readonly kind: "group" },
  { index, start, columns, activeColumn }: RowPlace,
): TemplateResult {
  return html`<div
    class="row group"
    role="row"
    aria-rowindex=${index + 2}
    aria-level="1"
    aria-expanded=${expanded}
    style="transform:translateY(${start}px)"
  >
    <div
      role="gridcell"
      class="cell"
      aria-colindex="1"
      aria-colspan=${columns.length}
      data-row=${index + 1}
      tabindex=${activeColumn === undefined ? -1 : 0}
    >
      <span class="inside"
        >${expanded ? icons.down : icons.right}<b>${label}</b>
        <span class="muted">${pluralize(runs, "run")}</span></span
      >
    </div>
  </div>`;
}
