/** A choice of one among few, as the browser's own control: what it shows is always what the page holds. */
import { html, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";

export interface SelectOptions<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly choices: readonly (readonly [value: T, title: string])[];
  readonly onSelect: (value: T) => void;
}

export function renderSelect<T extends string>({
  label,
  value,
  choices,
  onSelect,
}: SelectOptions<T>): TemplateResult {
  return html`<select
    class="select"
    aria-label=${label}
    @change=${(event: Event) => onSelect((event.target as HTMLSelectElement).value as T)}
  >
    ${choices.map(
      ([id, title]) => html`<option value=${id} .selected=${live(id === value)}>${title}</option>`,
    )}
  </select>`;
}
