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
  section {
    position: relative;
    margin-bottom: 18px;
  }
  .exports {
    position: absolute;
    right: 0;
    top: 0;
  }
  .picture text {
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
  .texts {
    overflow: auto;
  }
  .texts table {
    border-collapse: collapse;
  }
  .texts th,
  .texts td {
    min-width: 150px;
    max-width: 340px;
    padding: 6px 12px 6px 0;
    border-bottom: 1px solid var(--lathe-line);
    text-align: left;
    vertical-align: top;
    white-space: pre-wrap;
    overflow-wrap: anywhere;
  }
  .texts tbody th {
    min-width: 100px;
    color: var(--lathe-muted);
    font-weight: 400;
  }
  .hint {
    color: var(--lathe-muted);
    min-height: 1.5em;
  }
`;
