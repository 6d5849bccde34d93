/** Styles of the output of a cell. It is in a shadow root, so only the variables of the page's styles reach it. */
import { css } from "lit";
import { pictureReaderStyles } from "../kit/pictureReader";
import { protocolMarkStyles } from "../kit/protocolMark";

export const cellStyles = css`
  ${protocolMarkStyles}
  ${pictureReaderStyles}
  :host {
    display: block;
  }
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  .cell {
    container-type: inline-size;
    padding: 6px 2px 4px;
    color: var(--vscode-foreground);
    font-family: var(--vscode-font-family);
    font-size: var(--vscode-font-size, 13px);
    line-height: 1.4;
    font-variant-numeric: tabular-nums;
    --lathe-chart-height: 250px;
  }
  .bar {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 6px 16px;
    margin-bottom: 8px;
  }
  .bar .spring {
    flex: 1;
  }
  .open {
    display: inline-flex;
    align-items: center;
    gap: 5px;
    padding: 3px 8px;
    color: var(--vscode-foreground);
    font-size: 1em;
  }
  table.runs {
    width: 100%;
    margin-bottom: 8px;
    border-collapse: collapse;
  }
  table.runs th,
  table.runs td {
    height: 27px;
    padding: 0 16px 0 0;
    font-weight: normal;
    text-align: left;
    white-space: nowrap;
  }
  table.runs thead th {
    height: 22px;
    border-bottom: 1px solid var(--vscode-contrastBorder, var(--vscode-panel-border, transparent));
    color: var(--vscode-descriptionForeground);
    font-size: 0.9em;
  }
  table.runs .number {
    text-align: right;
  }
  .run {
    display: inline-flex;
    align-items: center;
    gap: 8px;
    max-width: 100%;
  }
  .run .name {
    max-width: 22em;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .state::before {
    display: inline-block;
    width: 7px;
    height: 7px;
    margin-right: 7px;
    border-radius: 50%;
    background: var(--vscode-descriptionForeground);
    content: "";
  }
  .state.running::before {
    background: var(--vscode-charts-green, var(--vscode-testing-iconPassed));
  }
  .state.paused::before,
  .state.held::before,
  .state.pruned::before,
  .state.queued::before {
    border: 1.5px solid var(--vscode-descriptionForeground);
    background: none;
  }
  .state.failed::before,
  .state.interrupted::before {
    border-radius: 1px;
    background: var(--vscode-errorForeground);
  }
  .stale {
    color: var(--vscode-descriptionForeground);
    font-style: italic;
  }
  .progress {
    display: flex;
    align-items: center;
    gap: 10px;
  }
  .progress .track {
    flex: 1;
    min-width: 50px;
    max-width: 180px;
    height: 5px;
    border-radius: 3px;
    background: color-mix(in srgb, var(--vscode-foreground) 16%, transparent);
    outline: 1px solid var(--vscode-contrastBorder, transparent);
    overflow: hidden;
  }
  .progress .fill {
    display: block;
    height: 100%;
    background: var(--vscode-progressBar-background);
  }
  .progress .track:not(.running) .fill {
    background: var(--vscode-descriptionForeground);
  }
  .progress .words {
    color: var(--vscode-descriptionForeground);
  }
  table.runs td.deeds {
    padding: 0;
    text-align: right;
  }
  .deed {
    padding: 3px;
    border: 1px solid transparent;
    border-radius: 4px;
    color: var(--vscode-icon-foreground, inherit);
    background: none;
    line-height: 0;
    cursor: pointer;
  }
  .deed:hover {
    background: var(--vscode-toolbar-hoverBackground);
    outline: 1px dashed var(--vscode-contrastActiveBorder, transparent);
  }
  .deed:focus-visible,
  .open:focus-visible,
  .link:focus-visible,
  .scroll:focus-visible,
  .sample-text:focus-visible {
    outline: 1px solid var(--vscode-focusBorder);
  }
  .icon {
    flex: none;
    display: block;
  }
  .step {
    margin-top: 14px;
  }
  .step h3,
  .step h4 {
    margin: 0 0 4px;
    font-size: 1em;
    font-weight: 600;
  }
  .step h4 {
    margin-top: 8px;
    color: var(--vscode-descriptionForeground);
    font-weight: normal;
  }
  .of-run {
    margin-top: 8px;
  }
  .scroll {
    max-width: 100%;
    max-height: 440px;
    overflow: auto;
  }
  table.result {
    margin: 2px 0 6px;
    border-collapse: collapse;
  }
  table.result caption {
    padding: 4px 0;
    color: var(--vscode-descriptionForeground);
    text-align: left;
    white-space: nowrap;
  }
  table.result th,
  table.result td {
    max-width: 40em;
    padding: 3px 20px 3px 0;
    border-bottom: 1px solid
      var(--vscode-contrastBorder, color-mix(in srgb, var(--vscode-foreground) 12%, transparent));
    text-align: left;
    overflow-wrap: anywhere;
  }
  table.result thead th {
    color: var(--vscode-descriptionForeground);
    font-weight: normal;
    white-space: nowrap;
  }
  table.result .number {
    text-align: right;
    white-space: nowrap;
  }
  .samples {
    display: grid;
    grid-template-columns: repeat(var(--columns), minmax(240px, 1fr));
    gap: 6px 10px;
    margin: 2px 0 6px;
    overflow-x: auto;
  }
  .sample-text {
    margin: 0;
    max-height: 15em;
    padding: 8px 10px;
    border: 1px solid var(--vscode-contrastBorder, transparent);
    border-radius: 4px;
    background: var(--vscode-textCodeBlock-background);
    font-family: var(--vscode-editor-font-family, monospace);
    font-size: 0.95em;
    overflow: auto;
    overflow-wrap: anywhere;
    white-space: pre-wrap;
  }
  .sample-text .prompt {
    color: var(--vscode-descriptionForeground);
    text-decoration: underline dotted;
    text-underline-offset: 3px;
  }
  .text {
    margin: 2px 0 6px;
    font: inherit;
    overflow-wrap: anywhere;
    white-space: pre-wrap;
  }
  .figures {
    display: flex;
    flex-wrap: wrap;
    gap: 6px 24px;
    margin: 2px 0 6px;
  }
  .figures figure {
    min-width: 0;
    max-width: 100%;
    margin: 0;
  }
  .files {
    display: flex;
    flex-wrap: wrap;
    gap: 4px 18px;
    margin: 2px 0 6px;
  }
  .file {
    display: inline-flex;
    align-items: center;
    gap: 8px;
  }
  .link {
    padding: 0;
    border: 0;
    color: var(--vscode-textLink-foreground);
    background: none;
    font: inherit;
    text-decoration: underline;
    cursor: pointer;
  }
  .notices {
    color: var(--vscode-descriptionForeground);
    font-size: 0.92em;
  }
  .notices summary {
    overflow: hidden;
    white-space: nowrap;
    text-overflow: ellipsis;
    cursor: pointer;
  }
  .notices summary:focus-visible {
    outline: 1px solid var(--vscode-focusBorder);
  }
  .notices[open] .first {
    display: none;
  }
  .notices .note {
    margin-left: 1em;
    font-size: 1em;
    overflow-wrap: anywhere;
  }
  @container (max-width: 700px) {
    table.runs th,
    table.runs td {
      padding-right: 10px;
    }
    .progress .words {
      display: none;
    }
  }
  @media (prefers-reduced-motion: no-preference) {
    .progress .fill {
      transition: width 0.3s ease-out;
    }
  }
`;
