/** What a page shows when it has nothing else to show: that it waits, that there is nothing, that something went wrong. */
import { html, nothing, type TemplateResult } from "lit";
import { icons } from "./icons";

export function renderSpinner(label: string): TemplateResult {
  return html`<div class="empty" role="status">
    <span aria-hidden="true"><vscode-progress-ring></vscode-progress-ring></span>
    <p>${label}</p>
  </div>`;
}

/** `advice` explains how to get something to show. */
export function renderEmptyState(
  title: string,
  advice: string,
  action: TemplateResult | typeof nothing = nothing,
): TemplateResult {
  return html`<div class="empty">
    <h2>${title}</h2>
    <p>${advice}</p>
    ${action}
  </div>`;
}

export function renderErrorBanner(
  message: string | undefined,
  dismiss: () => void,
): TemplateResult | typeof nothing {
  if (message === undefined) return nothing;
  return html`<div class="banner" role="alert">
    ${icons.warning}<span>${message}</span><span class="spring"></span>
    <button class="quiet" aria-label="Dismiss the message" @click=${dismiss}>${icons.close}</button>
  </div>`;
}
