/** The rows of the table of runs: of a run, and of a group of them. */
import { html, nothing, type TemplateResult } from "lit";
import { formatNumber, pluralize } from "../../src/protocol/quantities";
import { areComparable, type ProtocolMarks } from "../../src/protocol/protocolMarks";
import type { RunSummary } from "../../src/protocol/service/runs";
import { computeEstimate } from "../../src/statistics/studentT";
import { icons } from "../kit/icons";
import { renderLongName } from "../kit/longName";
import { findOldest } from "../kit/runGroups";
import { renderSample } from "../kit/sample";
import type { CellEditor } from "./cellEditor";
import { type CellLook, getCellTitle, renderCell } from "./cellViews";
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
  readonly look: CellLook;
}

export interface GroupRowPlace extends RowPlace {
  /** What the rows are grouped by. */
  readonly groupTitle: string;
  readonly look: CellLook;
}

export function renderRunRow(
  { key, run }: TableRow & { readonly kind: "run" },
  { index, start, columns, activeColumn, level, isSelected, editor, look }: RunRowPlace,
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
        title=${isEditing ? nothing : getCellTitle(run, column, look.marks)}
      >
        ${isEditing ? editor.render() : renderCell(run, column, look)}
      </div>`;
    })}
  </div>`;
}

export function renderGroupRow(
  { label, runs, expanded }: TableRow & { readonly kind: "group" },
  { index, start, columns, activeColumn, groupTitle, look }: GroupRowPlace,
): TemplateResult {
  const slot = look.getSlot(findOldest(runs).folder);
  return html`<div
    class="row group"
    role="row"
    aria-rowindex=${index + 2}
    aria-level="1"
    aria-expanded=${expanded}
    style="transform:translateY(${start}px)"
  >
    ${columns.map((column, i) => {
      const isName = column.id === "name";
      return html`<div
        role="gridcell"
        class="cell ${column.numeric ? "number" : ""} ${getPinnedClass(column)}"
        style=${getCellStyle(columns, i)}
        aria-colindex=${i + 1}
        data-row=${index + 1}
        data-column=${i}
        tabindex=${activeColumn === i ? 0 : -1}
        title=${isName ? `${groupTitle}: ${label}` : nothing}
      >
        ${
          isName
            ? html`${expanded ? icons.down : icons.right}${slot === undefined ? nothing : renderSample(slot, 0, look.theme)}
                ${renderLongName(label)} <span class="muted count">${pluralize(runs.length, "run")}</span>`
            : column.numeric
              ? renderEstimate(runs, column, look.marks)
              : nothing
        }
      </div>`;
    })}
  </div>`;
}

/** The mean with the half width of its 95 % interval, of the runs that have a value. */
function renderEstimate(
  runs: readonly RunSummary[],
  { value, metric, format = String }: ShownColumn,
  marks: ProtocolMarks,
): TemplateResult | typeof nothing {
  if (metric !== undefined && !areComparable(runs, metric))
    return html`<span class="text muted" title=${marks.explain(metric) ?? nothing}>not comparable</span>`;
  const values = runs.flatMap((run) => {
    const each = value(run);
    return typeof each === "number" ? [each] : [];
  });
  if (values.length === 0) return nothing;
  const { mean, half, count } = computeEstimate(values);
  const title = `Mean of ${pluralize(count, "run")}${half === undefined ? "" : ", with its 95 % interval"}: ${values.map((each) => format(each)).join(", ")}`;
  const isSame = values.every((each) => each === values[0]);
  return html`<span class="text" title=${title}
    >${format(mean)}${
      half === undefined || isSame ? nothing : html` <span class="muted">± ${formatNumber(half, 2)}</span>`
    }</span
  >`;
}
