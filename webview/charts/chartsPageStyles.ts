/** How the panel of charts is laid out: lists at the side, charts beside them. */
import { css } from "lit";

export const chartsPageStyles = css`
  .charts-page {
    display: flex;
    flex: 1;
    min-height: 0;
  }
  .hint {
    font-size: 0.9em;
  }
  .side {
    display: flex;
    flex: none;
    flex-direction: column;
    width: 270px;
    min-height: 0;
    padding: 10px 0 10px 12px;
    border-right: 1px solid var(--lathe-border);
    background: var(--vscode-sideBar-background);
  }
  @media (max-width: 1000px) {
    .toolbar .hint {
      display: none;
    }
    .side {
      width: 250px;
    }
  }
  .side-head {
    display: flex;
    align-items: baseline;
    gap: 8px;
    min-height: 24px;
    padding-right: 12px;
  }
  .side-head h2 {
    font-size: 0.85em;
    letter-spacing: 0.04em;
    text-transform: uppercase;
  }
  .side-head .muted {
    font-size: 0.9em;
  }
  .filter {
    flex: none;
    height: 26px;
    margin: 4px 12px 6px 0;
    padding: 0 8px;
    border: 1px solid var(--vscode-input-border, transparent);
    border-radius: 3px;
    color: var(--vscode-input-foreground);
    background: var(--vscode-input-background);
    font: inherit;
  }
  .filter::placeholder {
    color: var(--vscode-input-placeholderForeground);
  }
  .choices {
    margin: 0;
    padding: 0;
    list-style: none;
  }
  .side > .choices {
    flex: 3;
    min-height: 60px;
    padding-right: 4px;
    overflow-y: auto;
  }
  .side > .metrics {
    flex: 2;
    min-height: 60px;
    overflow-y: auto;
  }
  .side > .choices + .side-head {
    margin-top: 10px;
  }
  .prefix {
    padding: 4px 0 1px;
    font-size: 0.9em;
  }
  .choices label {
    display: flex;
    align-items: center;
    gap: 6px;
    min-height: 24px;
    padding: 0 8px 0 2px;
    border-radius: 3px;
    cursor: pointer;
  }
  .choices label:hover {
    background: var(--lathe-hover);
    outline: 1px dashed var(--vscode-contrastActiveBorder, transparent);
    outline-offset: -1px;
  }
  .entry-row {
    display: flex;
    align-items: center;
  }
  .entry-row label {
    flex: 1;
    min-width: 0;
  }
  .entry-row .fold {
    flex: none;
    padding: 0;
    color: inherit;
  }
  .choices.nested {
    padding-left: 18px;
  }
  .entry-row .pin {
    flex: none;
    padding: 2px;
    opacity: 0;
  }
  .entry-row:hover .pin,
  .entry-row .pin:focus-visible,
  .entry-row .pin[aria-pressed="true"] {
    opacity: 1;
  }
  .entry-row .pin[aria-pressed="true"] {
    color: var(--vscode-foreground);
  }
  .choices small {
    font-size: 0.8em;
  }
  .choices input {
    flex: none;
    margin: 0;
    accent-color: var(--vscode-focusBorder);
  }
  .vscode-dark .choices input,
  .vscode-high-contrast:not(.vscode-high-contrast-light) .choices input {
    color-scheme: dark;
  }
  .choices .name {
    flex: 1;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  /* Where there is no room for the name, its state and loss go below it. */
  .entry-row label:has(> .state.held, > .state.pruned) {
    flex-wrap: wrap;
    row-gap: 0;
  }
  .entry-row label:has(> .state.held, > .state.pruned) .name {
    min-width: 7em;
  }
  .no-sample {
    flex: none;
    width: 26px;
  }
  .choices .state {
    color: var(--lathe-muted);
    font-size: 0.85em;
  }
  .choices .state.failed,
  .choices .state.unreadable {
    color: var(--vscode-errorForeground);
  }
  .choices .loss {
    min-width: 3.2em;
    color: var(--lathe-muted);
    text-align: right;
    white-space: nowrap;
  }
  .board {
    display: grid;
    flex: 1;
    grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr));
    align-content: start;
    gap: 18px 24px;
    min-width: 0;
    padding: 12px 16px 20px;
    overflow-y: auto;
    --lathe-chart-height: 210px;
  }
  .board > .chart:first-of-type {
    grid-column: 1 / -1;
    --lathe-chart-height: clamp(240px, 46vh, 460px);
  }
  /* The first chart's legend is for all charts; the others show only their values. */
  .board > .chart:not(:first-of-type) .legend {
    max-height: 52px;
    overflow-y: auto;
  }
  .board > .empty {
    grid-column: 1 / -1;
    min-height: 50vh;
  }
`;
