/** What the panel of all runs shows in the place of rows, and for those who hear it. */
import { html, type TemplateResult } from "lit";
import { renderEmptyState } from "../kit/states";

export function renderNoRuns(): TemplateResult {
  return renderEmptyState(
    "No runs yet",
    "Open an experiment (a file that ends in .lathe.md) and run a cell. Every run appears here while it is active, and remains after it has ended.",
  );
}

export function renderNoMatch(filter: string, clear: () => void): TemplateResult {
  return renderEmptyState(
    "No run matches the filter",
    filter,
    html`<vscode-button appearance="secondary" @click=${clear}>Clear the filter</vscode-button>`,
  );
}

export const gridKeys = html`<div id="grid-keys" class="hidden">
  Space selects, Shift with the arrows extends, Enter opens the charts or edits, F2 edits name, tags and
  notes, Delete moves to the trash.
</div>`;
