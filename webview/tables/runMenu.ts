/** The menus of the table of runs: of a column's heading, and of the runs under the pointer. */
import type { PageCommand, PageRequests } from "../../src/protocol/page";
import { isActive, isResumable } from "../../src/protocol/run";
import type { RunSummary } from "../../src/protocol/service/runs";
import { missingText } from "../../src/protocol/quantities";
import { createFilterTerm } from "../../src/protocol/runFilter";
import type { ContextMenu, MenuSections } from "../kit/contextMenu";
import type { MenuTarget } from "./runGrid";
import type { EditableField } from "./runColumns";
import type { ShownColumn } from "./runTable";

export interface RunMenuPage {
  readonly baseline: string | undefined;
  setBaseline(run: string | undefined): void;
  sort(id: string, descending: boolean): void;
  hideColumn(id: string): void;
  filterBy(term: string): void;
  compare(runs: readonly string[]): void;
  openPanel(opened: PageRequests["page.openPanel"]["params"]): void;
  command(command: PageCommand, runs: readonly string[]): void;
  edit(run: RunSummary, field: EditableField): void;
  star(run: RunSummary): void;
  copy(what: "cell" | "rows", cell: string): void;
}

/** What is under the pointer: a run, or else the heading of a column. */
export function openRunMenu(
  menu: ContextMenu,
  event: MouseEvent,
  { run, runs, column }: MenuTarget,
  selected: readonly RunSummary[],
  page: RunMenuPage & { focusGrid(): void },
): void {
  const focusGrid = () => page.focusGrid();
  if (run !== undefined) {
    const target = { run, column, ...(runs === undefined ? {} : { runs }) };
    menu.open(event, run.name, createRunMenu(target, selected, page), focusGrid);
  } else if (column !== undefined) menu.open(event, column.title, createColumnMenu(column, page), focusGrid);
}

function createColumnMenu(column: ShownColumn, page: RunMenuPage): MenuSections {
  return [
    [
      { label: "Sort Ascending", run: () => page.sort(column.id, false) },
      { label: "Sort Descending", run: () => page.sort(column.id, true) },
    ],
    column.id === "name" ? [] : [{ label: "Hide Column", run: () => page.hideColumn(column.id) }],
  ];
}

function createRunMenu(
  { run, runs: keys = [], column }: MenuTarget & { readonly run: RunSummary },
  selected: readonly RunSummary[],
  page: RunMenuPage,
): MenuSections {
  const subjects = keys.map((each) => ({ kind: "run", run: each }) as const);
  const hasOne = keys.length === 1;
  const [active, resumable] = [selected.filter(isActive), selected.filter(isResumable)];
  const getFolders = (runs: readonly RunSummary[]) => runs.map(({ folder }) => folder);
  return [
    [
      { label: "Open in Charts", run: () => page.openPanel({ panel: "charts", input: { runs: keys } }) },
      ...(hasOne ? [] : [{ label: "Compare", run: () => page.compare(keys) }]),
      {
        label: "Show Parameters",
        run: () => page.openPanel({ panel: "parameters", input: { subjects } }),
      },
      ...(keys.length > 2
        ? []
        : [{ label: "Show Weights", run: () => page.openPanel({ panel: "weights", input: { subjects } }) }]),
      ...(hasOne ? [{ label: "Show Log", run: () => page.command("lathe.showRunLog", keys) }] : []),
    ],
    hasOne
      ? [
          { label: "Rename", key: "F2", run: () => page.edit(run, "name") },
          { label: run.star ? "Unstar" : "Star", run: () => page.star(run) },
          page.baseline === run.folder
            ? { label: "Clear Baseline", run: () => page.setBaseline(undefined) }
            : { label: "Set as Baseline", run: () => page.setBaseline(run.folder) },
        ]
      : [],
    createFilterItems(run, column, page),
    [
      {
        label: "Copy",
        key: "Ctrl+C",
        run: () => page.copy(hasOne ? "cell" : "rows", column?.text(run) ?? ""),
      },
      ...(hasOne ? [{ label: "Copy Row", run: () => page.copy("rows", "") }] : []),
    ],
    [
      ...(active.length === 0
        ? []
        : [{ label: "Stop", run: () => page.command("lathe.stopRun", getFolders(active)) }]),
      ...(resumable.length === 0
        ? []
        : [{ label: "Resume", run: () => page.command("lathe.resumeRun", getFolders(resumable)) }]),
      ...(hasOne
        ? [{ label: "Run Again with Changes…", run: () => page.command("lathe.runAgain", keys) }]
        : []),
      ...(active.length > 0
        ? []
        : [{ label: "Delete", key: "Del", run: () => page.command("lathe.deleteRuns", keys) }]),
    ],
  ];
}

function createFilterItems(
  run: RunSummary,
  column: ShownColumn | undefined,
  page: RunMenuPage,
): MenuSections[number] {
  if (column === undefined || column.numeric || column.edits === "notes" || column.id === "star") return [];
  const text = column.text(run);
  if (text === missingText || /["\n]/.test(text)) return [];
  const key = column.id.replace(/^\w+:/, "");
  const values = column.list?.(run) ?? [String(column.value(run))];
  return [
    { label: "Show Only This Value", run: () => page.filterBy(createFilterTerm(key, values)) },
    { label: "Leave Out This Value", run: () => page.filterBy(createFilterTerm(key, values, true)) },
  ];
}
