/** Styles of the table of runs and of its surroundings. */
import { css } from "lit";

export const runsStyles = css`
  .actions {
    display: flex;
    align-items: center;
    flex-wrap: wrap;
    gap: 2px;
    padding: 3px 10px;
    border-bottom: 1px solid var(--lathe-border);
  }
  .actions .divider {
    width: 1px;
    height: 16px;
    margin: 0 6px;
    background: var(--lathe-border);
  }
  .actions .status {
    padding: 0 6px;
    color: var(--lathe-muted);
  }
  .actions .problem {
    padding: 0 6px;
    color: color-mix(
      in srgb,
      var(--vscode-editorWarning-foreground, var(--lathe-bad)) 60%,
      var(--vscode-foreground)
    );
  }
  .toolbar .filter {
    flex: 8;
    min-width: 240px;
    max-width: 640px;
  }
  .grid {
    position: relative;
    flex: 1;
    min-height: 90px;
    overflow: auto;
    contain: strict;
    outline: none;
  }
  .head {
    position: sticky;
    top: 0;
    z-index: 3;
    display: flex;
    min-width: 100%;
    height: 32px;
    background: var(--lathe-surface);
    border-bottom: 1px solid var(--lathe-border);
    font-weight: 600;
  }
  .head .cell {
    position: relative;
    cursor: pointer;
    color: var(--vscode-foreground);
  }
  .head .cell:hover {
    background: linear-gradient(var(--lathe-hover), var(--lathe-hover)), var(--lathe-surface);
  }
  .head .sort {
    display: inline-flex;
    align-items: center;
    font-size: 0.8em;
  }
  .head .star .icon {
    width: 14px;
  }
  .resizer {
    position: absolute;
    top: 6px;
    right: 0;
    bottom: 6px;
    width: 7px;
    border-right: 1px solid var(--lathe-line);
    cursor: col-resize;
    touch-action: none;
  }
  .resizer:hover,
  .resizer:active {
    border-right: 2px solid var(--lathe-focus);
  }
  .body {
    position: relative;
    min-width: 100%;
  }
  .row {
    --row: transparent;
    position: absolute;
    contain: layout style;
    display: flex;
    width: 100%;
    height: 28px;
    background: var(--row);
    border-bottom: 1px solid var(--lathe-line);
  }
  .row:hover {
    --row: var(--lathe-hover);
  }
  .row.selected {
    --row: var(--lathe-selected);
    color: var(--lathe-selected-text);
  }
  .row.selected .muted {
    color: inherit;
    opacity: 0.8;
  }
  .row.current::before {
    position: absolute;
    z-index: 2;
    inset: 0;
    border: 1px dotted color-mix(in srgb, var(--lathe-focus) 55%, transparent);
    pointer-events: none;
    content: "";
  }
  /* Over the pinned cells too. */
  .row.selected::after {
    position: absolute;
    z-index: 2;
    inset: 0;
    border: 1px solid var(--vscode-contrastActiveBorder, transparent);
    pointer-events: none;
    content: "";
  }
  .row.group {
    cursor: pointer;
    background:
      linear-gradient(var(--row), var(--row)), var(--vscode-sideBarSectionHeader-background, transparent);
  }
  .row.group .cell {
    cursor: pointer;
    font-weight: 600;
  }
  .row.group .number .muted {
    font-size: 0.85em;
  }
  .row.group .cell.number {
    padding: 0 6px;
  }
  .row.group .muted {
    font-weight: normal;
  }
  .row.group .count {
    flex: none;
  }
  .row .cell .name {
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .no-sample {
    flex: none;
    width: 26px;
  }
  .sample {
    flex: none;
  }
  .cell {
    display: flex;
    align-items: center;
    gap: 4px;
    flex: none;
    padding: 0 10px;
    overflow: hidden;
    white-space: nowrap;
    cursor: default;
  }
  .cell.number {
    justify-content: flex-end;
    text-align: right;
  }
  .cell .text {
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .cell.pinned {
    position: sticky;
    z-index: 1;
    left: 0;
    background: linear-gradient(var(--row), var(--row)), var(--lathe-surface);
  }
  .head .cell.pinned {
    background: var(--lathe-surface);
    z-index: 2;
  }
  .cell.name {
    border-right: 1px solid var(--lathe-line);
  }
  .cell.star {
    justify-content: center;
    padding: 0;
    cursor: pointer;
  }
  .star {
    display: inline-flex;
  }
  .row .star {
    opacity: 0.35;
  }
  .row:hover .star,
  .row .cell.star {
    opacity: 1;
  }
  .row .star.on {
    opacity: 1;
    color: var(--vscode-charts-yellow, #b89500);
  }
  .row.selected .star.on {
    color: inherit;
  }
  .cell.editing {
    overflow: visible;
    padding: 0;
    z-index: 4;
  }
  .edit {
    position: relative;
    align-self: flex-start;
    width: 100%;
    min-width: 160px;
    min-height: 27px;
    padding: 3px 9px;
    border: 1px solid var(--lathe-focus);
    color: var(--vscode-input-foreground);
    background: var(--vscode-input-background);
    font: inherit;
    outline: none;
  }
  textarea.edit {
    min-width: 280px;
    resize: vertical;
    box-shadow: 0 4px 14px var(--vscode-widget-shadow, rgba(0, 0, 0, 0.3));
  }
  .state {
    display: inline-flex;
    align-items: center;
    gap: 7px;
  }
  .state i {
    width: 8px;
    height: 8px;
    border-radius: 50%;
    background: var(--vscode-disabledForeground, gray);
  }
  .state.running i {
    background: var(--vscode-charts-blue);
    box-shadow: 0 0 0 3px color-mix(in srgb, var(--vscode-charts-blue) 30%, transparent);
  }
  .state.paused i {
    background: var(--vscode-charts-yellow);
  }
  .state.done i {
    background: var(--vscode-charts-green);
  }
  .state.failed i,
  .state.unreadable i {
    border-radius: 1px;
    background: var(--vscode-charts-red);
  }
  .state.held i,
  .state.pruned i {
    border: 1.5px solid var(--vscode-descriptionForeground, gray);
    background: none;
  }
  .state.stopped i,
  .state.interrupted i {
    border-radius: 1px;
    background: var(--vscode-charts-orange);
  }
  .row .progress {
    position: relative;
    display: inline-flex;
    min-width: 0;
  }
  .row .bar {
    position: absolute;
    right: 0;
    bottom: -3px;
    left: 0;
    height: 3px;
    border-radius: 2px;
    overflow: hidden;
    background: var(--lathe-line);
  }
  .row .bar i {
    display: block;
    height: 100%;
    background: var(--vscode-progressBar-background, var(--vscode-charts-blue));
  }
  .menu .choices {
    display: flex;
    flex-direction: column;
    gap: 3px;
    width: 290px;
    max-height: min(60vh, 460px);
    overflow: auto;
    padding: 2px;
  }
  .menu h3 {
    margin: 8px 0 2px;
    color: var(--lathe-muted);
    font-size: 0.9em;
  }
  .menu vscode-textfield {
    width: 100%;
    margin-bottom: 6px;
  }
  .menu .foot {
    display: flex;
    gap: 8px;
    padding-top: 8px;
  }
  .splitter {
    flex: none;
    height: 5px;
    border-top: 1px solid var(--lathe-border);
    cursor: row-resize;
    touch-action: none;
  }
  .splitter:hover,
  .splitter:focus-visible {
    background: var(--vscode-sash-hoverBorder, var(--lathe-focus));
    outline: none;
  }
  .comparison {
    flex: none;
    display: flex;
    flex-direction: column;
    min-height: 80px;
    overflow: hidden;
  }
  .comparison header {
    display: flex;
    align-items: center;
    gap: 10px;
    padding: 2px 8px 6px 16px;
  }
  .comparison .scroll {
    flex: 1;
    overflow: auto;
  }
  .comparison table {
    border-collapse: separate;
    border-spacing: 0;
    min-width: 100%;
  }
  .comparison th,
  .comparison td {
    max-width: 300px;
    padding: 4px 16px 4px 10px;
    overflow: hidden;
    border-bottom: 1px solid var(--lathe-line);
    text-align: left;
    text-overflow: ellipsis;
    white-space: nowrap;
    font-weight: normal;
  }
  .comparison thead th {
    position: sticky;
    z-index: 2;
    top: 0;
    background: var(--lathe-surface);
    border-bottom-color: var(--lathe-border);
    font-weight: 600;
  }
  .comparison th:first-child {
    position: sticky;
    z-index: 1;
    left: 0;
    padding-left: 16px;
    background: var(--lathe-surface);
    border-right: 1px solid var(--lathe-line);
  }
  .comparison thead th:first-child {
    z-index: 3;
  }
  .comparison tbody th {
    font-family: var(--vscode-editor-font-family, monospace);
    font-size: 0.95em;
  }
  .comparison .tasks {
    margin-top: 14px;
  }
  .comparison p {
    margin: 8px 16px;
  }
  .comparison .section th {
    padding-top: 10px;
    color: var(--lathe-muted);
    font-family: inherit;
  }
  .comparison .delta {
    margin-left: 8px;
    color: var(--lathe-muted);
    font-size: 0.9em;
  }
`;
