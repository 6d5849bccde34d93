/** The content of a cell in the table of runs. */
import { html, nothing, type TemplateResult } from "lit";
import type { ProtocolMarks } from "../../src/protocol/protocolMarks";
import { describePruning } from "../../src/protocol/pruning";
import type { RunSummary } from "../../src/protocol/service/runs";
import { isExecuting } from "../../src/protocol/run";
import { missingText } from "../../src/protocol/quantities";
import type { ColorTheme } from "../../src/pictures/palette";
import { icons } from "../kit/icons";
import { renderLongName } from "../kit/longName";
import { renderProtocolMark } from "../kit/protocolMark";
import { renderSample } from "../kit/sample";
import type { RunColumn } from "./runColumns";

/** What distinguishes a run everywhere in the workspace. */
export interface CellLook {
  readonly names: ReadonlyMap<string, string>;
  /** Undefined while the host has not answered. */
  readonly getSlot: (run: string) => number | undefined;
  readonly baseline: string | undefined;
  /** On values that may not all be compared. */
  readonly marks: ProtocolMarks;
  readonly theme: ColorTheme;
}

export function renderCell(run: RunSummary, column: RunColumn, look: CellLook): TemplateResult | string {
  switch (column.id) {
    case "star":
      return html`<span class=${run.star ? "star on" : "star"}
          >${run.star ? icons.star : icons.starOutline}</span
        ><span class="hidden">${run.star ? "starred" : "not starred"}</span>`;
    case "name": {
      const slot = look.getSlot(run.folder);
      return html`${slot === undefined ? html`<span class="no-sample"></span>` : renderSample(slot, 0, look.theme)}
      ${renderLongName(look.names.get(run.folder) ?? run.name)}
      ${look.baseline === run.folder ? html`<span class="chip">baseline</span>` : nothing}`;
    }
    case "state":
      return renderState(run);
    case "progress":
      return renderProgress(run, column);
    case "tags":
      return run.tags.length === 0
        ? renderMuted(missingText)
        : html`${run.tags.map((tag) => html`<span class="chip">${tag}</span> `)}`;
    default: {
      const text = column.text(run);
      if (text === missingText || column.explain?.(run) !== undefined) return renderMuted(text);
      const { metric, section } = column;
      // What runs of an experiment differ in is often the end of a long text.
      if (column.id === "variant" || column.id === "experiment" || section === "Sweep")
        return renderLongName(text);
      return metric === undefined || !look.marks.has(metric)
        ? html`<span class="text">${text}</span>`
        : html`<span class="text">${text}</span>${renderProtocolMark(look.marks.get(run, metric))}`;
    }
  }
}

/** The whole of what a narrow column cuts off. */
export function getCellTitle(
  run: RunSummary,
  column: RunColumn,
  marks: ProtocolMarks,
): string | typeof nothing {
  switch (column.id) {
    case "star":
      return run.star ? "Remove the star" : "Star this run";
    case "experiment":
      return run.experiment ?? nothing;
    case "state":
      return run.failure?.message ?? (run.pruned && describePruning(run.pruned)) ?? nothing;
    default: {
      const text = column.text(run);
      if (text === missingText) return nothing;
      const mark = column.metric === undefined ? undefined : marks.get(run, column.metric);
      return [text, mark?.title ?? column.explain?.(run)].filter((part) => part !== undefined).join("\n");
    }
  }
}

function renderState({ state, queuePosition }: RunSummary): TemplateResult {
  const position = state === "queued" && queuePosition !== undefined ? ` (${queuePosition + 1})` : "";
  return html`<span class="state ${state}"><i></i>${state}${position}</span>`;
}

function renderProgress(run: RunSummary, column: RunColumn): TemplateResult {
  const { progress } = run;
  if (progress === undefined) return renderMuted(missingText);
  const share = Math.min(1, progress.step / Math.max(1, progress.steps)) * 100;
  // Below the text, so that nothing moves when the run ends.
  return html`<span class="progress"
    ><span class="text">${column.text(run)}</span>${
      isExecuting(run) ? html`<span class="bar"><i style="width:${share}%"></i></span>` : nothing
    }</span
  >`;
}

const renderMuted = (text: string) => html`<span class="text muted">${text}</span>`;
