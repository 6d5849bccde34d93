/** The look of the panel Shrink. */
import { css } from "lit";

export const shrinkStyles = css`
  .scroll {
    flex: 1;
    overflow: auto;
    padding: 8px 16px 24px;
    outline-offset: -2px;
  }
  .toolbar {
    flex-wrap: wrap;
  }
  .label,
  .check {
    display: flex;
    align-items: center;
    gap: 6px;
  }
  .label select {
    max-width: 240px;
    padding: 4px 6px;
    color: var(--vscode-dropdown-foreground);
    background: var(--vscode-dropdown-background);
    border: 1px solid var(--vscode-dropdown-border);
    border-radius: 2px;
    font: inherit;
  }
  .label select:focus {
    outline: 1px solid var(--vscode-focusBorder);
  }
  section {
    position: relative;
    margin-bottom: 18px;
  }
  .exports {
    position: absolute;
    right: 0;
    top: 0;
  }
  .chart text {
    font-family: var(--vscode-font-family);
  }
  .target {
    fill: transparent;
    cursor: pointer;
  }
  .target:focus-visible {
    outline: none;
    stroke: var(--vscode-focusBorder);
    stroke-width: 2;
  }
  .hint {
    color: var(--lathe-muted);
    min-height: 1.5em;
  }
`;
