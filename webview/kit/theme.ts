/**
 * The style that all pages share, in the editor's own colors. Borders fall back from the contrast border, which only high
 * contrast themes define, to the ordinary one, so that nothing depends on which kind of theme is on.
 */
import { css, type CSSResult } from "lit";
import { longNameStyles } from "./longName";
import { protocolMarkStyles } from "./protocolMark";

/** To be called once with all that a page needs. */
export function adoptStyles(...styles: readonly CSSResult[]): void {
  document.adoptedStyleSheets = [theme, ...styles].flatMap(({ styleSheet }) => styleSheet ?? []);
}

const theme = css`
  ${longNameStyles}
  ${protocolMarkStyles}
  :root {
    --lathe-border: var(--vscode-contrastBorder, var(--vscode-panel-border, rgba(128, 128, 128, 0.35)));
    --lathe-line: color-mix(in srgb, currentColor 12%, transparent);
    --lathe-muted: var(--vscode-descriptionForeground);
    /* High contrast themes define neither; a pinned cell would otherwise have no background at all. */
    --lathe-hover: var(--vscode-list-hoverBackground, transparent);
    --lathe-selected: var(--vscode-list-activeSelectionBackground, transparent);
    --lathe-selected-text: var(--vscode-list-activeSelectionForeground, var(--vscode-foreground));
    --lathe-focus: var(--vscode-focusBorder);
    --lathe-good: var(--vscode-charts-green, var(--vscode-testing-iconPassed));
    --lathe-good-text: color-mix(in srgb, var(--lathe-good) 75%, var(--vscode-foreground));
    --lathe-more-text: color-mix(in srgb, var(--vscode-charts-orange) 70%, var(--vscode-foreground));
    --lathe-bad: var(--vscode-errorForeground);
    --lathe-surface: var(--vscode-editor-background);
    --lathe-raised: var(--vscode-editorWidget-background, var(--vscode-editor-background));
  }
  .vscode-high-contrast,
  .vscode-high-contrast-light {
    --lathe-line: color-mix(in srgb, currentColor 35%, transparent);
  }
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  html,
  body {
    height: 100%;
  }
  body {
    margin: 0;
    padding: 0;
    overflow: hidden;
    color: var(--vscode-foreground);
    background: var(--lathe-surface);
    font-family: var(--vscode-font-family);
    font-size: var(--vscode-font-size, 13px);
    line-height: 1.4;
    font-variant-numeric: tabular-nums;
  }
  .page {
    display: flex;
    flex-direction: column;
    height: 100vh;
  }
  h1,
  h2,
  h3 {
    margin: 0;
    font-size: inherit;
    font-weight: 600;
  }
  h1 {
    font-size: 1.15em;
  }
  .muted {
    color: var(--lathe-muted);
  }
  .spring {
    flex: 1;
  }
  .icon {
    flex: none;
    display: block;
  }
  .toolbar {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 8px;
    min-height: 44px;
    padding: 8px 16px;
    border-bottom: 1px solid var(--lathe-border);
  }
  .select {
    max-width: 240px;
    height: 26px;
    padding: 0 6px;
    color: var(--vscode-dropdown-foreground);
    background: var(--vscode-dropdown-background);
    border: 1px solid var(--vscode-dropdown-border, transparent);
    border-radius: 3px;
    font: inherit;
  }
  .select:focus-visible {
    outline: 1px solid var(--vscode-focusBorder);
  }
  .toolbar .label {
    color: var(--lathe-muted);
  }
  /* A label and its control stay on one line. */
  .labeled {
    display: inline-flex;
    align-items: center;
    gap: 8px;
  }
  vscode-button svg.icon {
    display: inline-block;
    vertical-align: text-bottom;
  }
  .subjects {
    display: flex;
    flex-direction: column;
    width: min(420px, 80vw);
    max-height: min(60vh, 440px);
    margin-top: 6px;
    overflow: auto;
  }
  .subjects h3 {
    margin: 8px 6px 2px;
    color: var(--lathe-muted);
    font-size: 0.9em;
  }
  .subjects p {
    margin: 8px 6px;
  }
  .subjects .choice {
    justify-content: space-between;
    gap: 16px;
    text-align: left;
  }
  .subjects .choice span {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .menu vscode-textfield {
    width: 100%;
  }
  /* Quiet buttons of the pages' own: as calm as those of the editor's toolbars. */
  button.quiet {
    display: inline-flex;
    align-items: center;
    gap: 4px;
    margin: 0;
    padding: 3px 6px;
    border: 1px solid transparent;
    border-radius: 4px;
    color: inherit;
    background: none;
    font: inherit;
    cursor: pointer;
  }
  button.quiet:hover {
    background: var(--vscode-toolbar-hoverBackground);
    outline: 1px dashed var(--vscode-contrastActiveBorder, transparent);
  }
  button.quiet:disabled {
    opacity: 0.45;
    cursor: default;
    background: none;
    outline: none;
  }
  button:focus-visible,
  [tabindex]:focus-visible,
  input:focus-visible {
    outline: 1px solid var(--lathe-focus);
    outline-offset: -1px;
  }
  .chip {
    display: inline-block;
    max-width: 100%;
    padding: 0 6px;
    border: 1px solid var(--vscode-contrastBorder, transparent);
    border-radius: 9px;
    color: var(--vscode-badge-foreground);
    background: var(--vscode-badge-background);
    font-size: 0.85em;
    line-height: 16px;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    vertical-align: middle;
  }
  .banner {
    display: flex;
    align-items: center;
    gap: 8px;
    padding: 6px 16px;
    color: var(--vscode-inputValidation-errorForeground, var(--vscode-foreground));
    background: var(--vscode-inputValidation-errorBackground);
    border-bottom: 1px solid var(--vscode-inputValidation-errorBorder, var(--lathe-border));
    white-space: pre-wrap;
    overflow-wrap: anywhere;
  }
  .empty {
    display: flex;
    flex: 1;
    flex-direction: column;
    align-items: center;
    justify-content: center;
    gap: 10px;
    padding: 32px;
    text-align: center;
  }
  .empty h2 {
    font-size: 1.15em;
  }
  .empty p {
    max-width: 46em;
    margin: 0;
    color: var(--lathe-muted);
  }
  .menu {
    position: fixed;
    inset: auto;
    margin: 0;
    padding: 8px;
    border: 1px solid var(--vscode-contrastBorder, var(--vscode-widget-border, var(--lathe-border)));
    border-radius: 6px;
    color: var(--vscode-foreground);
    background: var(--lathe-raised);
    box-shadow: 0 4px 14px var(--vscode-widget-shadow, rgba(0, 0, 0, 0.3));
  }
  .context-menu {
    min-width: 180px;
    padding: 4px;
  }
  .context-menu .choice {
    display: flex;
    justify-content: space-between;
    gap: 24px;
    width: 100%;
    text-align: left;
  }
  .context-menu .choice:focus {
    color: var(--vscode-menu-selectionForeground, var(--vscode-foreground));
    background: var(--vscode-menu-selectionBackground, var(--lathe-hover));
    outline: 1px solid var(--vscode-contrastActiveBorder, transparent);
    outline-offset: -1px;
  }
  .context-menu hr {
    margin: 4px 0;
    border: 0;
    border-top: 1px solid var(--lathe-border);
  }
  .menu .saved {
    display: flex;
    flex-direction: column;
    max-height: min(50vh, 360px);
    min-width: 220px;
    max-width: 340px;
    overflow: auto;
  }
  .menu > .choice,
  .menu .view {
    display: flex;
    width: 100%;
    text-align: left;
  }
  .menu .view span:last-child,
  .view-name {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .view-name {
    max-width: 16em;
  }
  .menu .view .tick {
    flex: none;
    width: 1.2em;
  }
  .menu hr {
    margin: 6px 0;
    border: 0;
    border-top: 1px solid var(--lathe-border);
  }
  .menu .note {
    max-width: 340px;
    margin: 6px;
    overflow-wrap: anywhere;
  }
  .changed {
    color: var(--lathe-muted);
    font-size: 0.9em;
    font-style: italic;
  }
  .view-form {
    display: flex;
    gap: 8px;
    align-items: center;
    padding: 6px;
  }
  .hidden {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  ::-webkit-scrollbar {
    width: 10px;
    height: 10px;
  }
  ::-webkit-scrollbar-thumb {
    background: var(--vscode-scrollbarSlider-background);
  }
  ::-webkit-scrollbar-thumb:hover {
    background: var(--vscode-scrollbarSlider-hoverBackground);
  }
  ::-webkit-scrollbar-corner {
    background: transparent;
  }
`;
