/** The toolbar above the table of runs: filter, grouping, export, and actions on the selected runs. */
import { html, nothing, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import type { PageCommand, PageRequests } from "../../src/protocol/page";
import { isActive, isResumable } from "../../src/protocol/run";
import type { ProtocolMarks } from "../../src/protocol/protocolMarks";
import type { RunSummary } from "../../src/protocol/service/runs";
import { formatCount, pluralize } from "../../src/protocol/quantities";
import { icons } from "../kit/icons";
import { renderSelect } from "../kit/select";
import { getValue } from "../kit/toolkit";
import type { RunColumn } from "./runColumns";

export interface FilterBarPage {
  readonly filter: string;
  readonly setFilter: (text: string) => void;
  readonly group: string | undefined;
  readonly columns: readonly RunColumn[];
  readonly groupBy: (id: string | undefined) => void;
  readonly columnMenu: TemplateResult;
  readonly viewMenu: TemplateResult;
  readonly exportCsv: () => void;
}

export interface ActionBarPage {
  /** What is above the table. */
  readonly views: TemplateResult;
  readonly chosen: readonly RunSummary[];
  /** Runs that the filter lets through. */
  readonly matching: number;
  readonly all: number;
  /** What is wrong with the filter. */
  readonly problem: string | undefined;
  readonly columns: readonly RunColumn[];
  /** On values that may not all be compared. */
  readonly marks: ProtocolMarks;
  readonly compare: (runs: readonly string[]) => void;
  readonly copy: () => void;
  readonly openPanel: (opened: PageRequests["page.openPanel"]["params"]) => void;
  readonly command: (command: PageCommand, runs: readonly string[]) => void;
}

const groupings: readonly (readonly [id: string, title: string])[] = [
  ["", "No groups"],
  ["experiment", "Experiment"],
  ["variant", "Variant"],
  ["state", "State"],
  ["tags", "Tags"],
];

export function renderFilterBar(page: FilterBarPage): TemplateResult {
  return html`<div class="toolbar">
    <vscode-textfield
      class="filter"
      placeholder="Filter: words, state:done, eval/loss<2, parameters<10M, -tag:old"
      .label=${"Filter the runs"}
      .value=${live(page.filter)}
      @input=${(event: Event) => page.setFilter(getValue(event))}
      ><span slot="content-before">${icons.search}</span></vscode-textfield
    >
    <span class="labeled"
      ><span class="label" aria-hidden="true">Group by</span> ${renderSelect({
        label: "Group by",
        value: page.group ?? "",
        choices: [...groupings, ...listSettings(page.columns)],
        onSelect: (id) => page.groupBy(id || undefined),
      })}</span
    >
    <span class="spring"></span>
    ${page.viewMenu} ${page.columnMenu}
    <button class="quiet" title="Export the shown runs to a file" @click=${page.exportCsv}>
      ${icons.export} Export CSV
    </button>
  </div>`;
}

/** Settings that a sweep assigns, or that were added as columns. */
function listSettings(columns: readonly RunColumn[]): (readonly [id: string, title: string])[] {
  return columns
    .filter(({ section }) => section === "Sweep" || section === "Settings")
    .map(({ id, title }) => [id, title]);
}

export function renderActionBar(page: ActionBarPage): TemplateResult {
  const { chosen, matching, all } = page;
  const keys = chosen.map(({ folder }) => folder);
  const active = getKeys(chosen, isActive);
  const resumable = getKeys(chosen, isResumable);
  const subjects = keys.map((run) => ({ kind: "run", run }) as const);
  const renderAction = (label: string, icon: TemplateResult, enabled: boolean, act: () => void) =>
    html`<button class="quiet" ?disabled=${!enabled} @click=${act}>${icon} ${label}</button>`;
  const countText =
    matching === all ? pluralize(all, "run") : `${formatCount(matching)} of ${pluralize(all, "run")}`;
  const hasSelection = chosen.length > 0;
  return html`<div class="actions" role="toolbar" aria-label="Selected runs">
    ${page.views}
    <span class="divider"></span>
    ${renderAction("Compare", icons.compare, chosen.length > 1, () => page.compare(keys))}
    ${renderAction("Charts", icons.chart, hasSelection, () => page.openPanel({ panel: "charts", input: { runs: keys } }))}
    ${renderAction("Parameters", icons.sizes, hasSelection, () =>
      page.openPanel({ panel: "parameters", input: { subjects } }),
    )}
    ${renderAction("Weights", icons.histogram, hasSelection && chosen.length < 3, () =>
      page.openPanel({ panel: "weights", input: { subjects } }),
    )}
    <span class="divider"></span>
    ${renderAction("Stop", icons.stop, active.length > 0, () => page.command("lathe.stopRun", active))}
    ${renderAction("Resume", icons.resume, resumable.length > 0, () => page.command("lathe.resumeRun", resumable))}
    ${renderAction("Log", icons.log, chosen.length === 1, () => page.command("lathe.showRunLog", keys))}
    <span class="divider"></span>
    ${renderAction("Copy", icons.copy, hasSelection, page.copy)}
    ${renderAction("Delete", icons.trash, hasSelection && active.length === 0, () =>
      page.command("lathe.deleteRuns", keys),
    )}
    <span class="spring"></span>
    ${page.problem === undefined ? nothing : html`<span class="problem" role="status">${page.problem}</span>`}
    ${renderRemark(page)}
    <span class="status" role="status"
      >${countText}${hasSelection ? `, ${formatCount(chosen.length)} selected` : ""}</span
    >
  </div>`;
}

function renderRemark({ columns, marks }: ActionBarPage): TemplateResult | typeof nothing {
  const shown = new Set(columns.map(({ metric }) => metric));
  const marked = marks.metrics.filter((metric) => shown.has(metric));
  if (marked.length === 0) return nothing;
  const title = marked.map((metric) => marks.explain(metric)!).join("\n");
  return html`<span class="problem" title=${title}>${marked.join(", ")}: compare only equal letters</span>`;
}

function getKeys(runs: readonly RunSummary[], predicate: (run: RunSummary) => boolean): readonly string[] {
  return runs.filter(predicate).map(({ folder }) => folder);
}
