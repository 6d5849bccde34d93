/** Parts that the views of the runs have in common. */
import { html, nothing, type TemplateResult } from "lit";
import { icons } from "../kit/icons";
import { renderSelect } from "../kit/select";
import type { ViewField } from "./viewFields";
import type { ViewPage } from "./viewPage";

export function renderFieldChoice(
  label: string,
  field: ViewField | undefined,
  fields: readonly ViewField[],
  onSelect: (id: string) => void,
): TemplateResult {
  return html`<span class="labeled"
    ><span class="label" aria-hidden="true">${label}</span> ${renderSelect({
      label,
      value: field?.id ?? "",
      choices: fields.map(({ id, column }) => [id, column.title] as const),
      onSelect,
    })}</span
  >`;
}

/** What is left for a picture. */
export function computePictureHeight(height: number, hasEditor: boolean, notes: readonly string[]): number {
  const noteRows = Math.min(2, notes.length);
  return Math.max(minPictureHeight, height - (hasEditor ? 36 : 0) - (noteRows === 0 ? 0 : noteRows * 22 + 6));
}

const minPictureHeight = 170;

/** Everything of the page that a picture depends on, for a memo: a page draws while its table scrolls. */
export function listDrawingInputs(page: ViewPage): readonly unknown[] {
  const { runs, matching, fields, names, filter, selected, theme, width, height, state } = page;
  return [runs, matching, fields, names, filter, selected, width, height, state, JSON.stringify(theme)];
}

export function renderNotes(notes: readonly string[]): TemplateResult | typeof nothing {
  return notes.length === 0
    ? nothing
    : html`<div class="notes" role="note">
        ${notes.map((note) => html`<p>${icons.warning}<span>${note}</span></p>`)}
      </div>`;
}
