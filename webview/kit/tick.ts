/**
 * A tick box of a list. The page owns what is ticked: a box reports the state that it was given by hand, and each drawing
 * sets it to the page's, whatever the browser made of it. A list of boxes is keyed, so that a box stays with its entry.
 */
import { html, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";

export function renderTick(
  isTicked: boolean,
  onTick: (isTicked: boolean) => void,
  options: { readonly label?: string; readonly isPartial?: boolean } = {},
): TemplateResult {
  const onChange = (event: Event) => onTick((event.target as HTMLInputElement).checked);
  const isPartial = options.isPartial ?? false;
  return options.label === undefined
    ? html`<input
        type="checkbox"
        .checked=${live(isTicked)}
        .indeterminate=${live(isPartial)}
        @change=${onChange}
      />`
    : html`<input
        type="checkbox"
        aria-label=${options.label}
        .checked=${live(isTicked)}
        .indeterminate=${live(isPartial)}
        @change=${onChange}
      />`;
}
