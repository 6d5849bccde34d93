/** The look of the panel Parameters. */
import { css } from "lit";

export const sizesStyles = css`
  .scroll {
    flex: 1;
    overflow: auto;
    outline-offset: -2px;
  }
  table {
    border-collapse: separate;
    border-spacing: 0;
  }
  th,
  td {
    padding: 4px 12px;
    border-bottom: 1px solid var(--lathe-line);
    text-align: left;
    font-weight: normal;
    white-space: nowrap;
    vertical-align: middle;
  }
  .number {
    text-align: right;
  }
  tbody tr:not(.section):hover > * {
    background: linear-gradient(var(--lathe-hover), var(--lathe-hover)), var(--lathe-surface);
  }
  .totals {
    margin: 14px 16px 22px;
  }
  .totals th,
  .totals td {
    border-bottom: none;
    padding: 3px 12px;
  }
  .totals thead th {
    min-width: 170px;
    padding-bottom: 8px;
    text-align: right;
    vertical-align: bottom;
  }
  .totals tbody th {
    color: var(--lathe-muted);
  }
  .totals .section th {
    padding-top: 12px;
    border-bottom: 1px solid var(--lathe-border);
    color: var(--vscode-foreground);
    font-weight: 600;
  }
  .totals .model {
    display: flex;
    align-items: center;
    justify-content: flex-end;
    gap: 4px;
    font-size: 1.05em;
  }
  .totals .model b {
    max-width: 280px;
    overflow: hidden;
    font-weight: 600;
    text-overflow: ellipsis;
  }
  .totals .model button {
    padding: 2px;
  }
  .totals .about {
    display: block;
    max-width: 330px;
    margin-left: auto;
    white-space: normal;
  }
  .about.problem {
    color: var(--lathe-bad);
  }
  .verdict {
    font-weight: 600;
  }
  .verdict::before {
    content: "≠ ";
  }
  .verdict.agrees::before {
    content: "✓ ";
  }
  .verdict.agrees {
    color: var(--lathe-good-text);
  }
  .verdict.differs {
    color: var(--lathe-bad);
  }
  .difference {
    margin-right: 10px;
    color: var(--lathe-muted);
  }
  .change.less {
    color: var(--lathe-good-text);
  }
  .change.more {
    color: var(--lathe-more-text);
  }
  .roles {
    min-width: 100%;
    border-top: 1px solid var(--lathe-border);
  }
  .roles thead {
    position: sticky;
    z-index: 2;
    top: 0;
    background: var(--lathe-surface);
  }
  .roles thead th {
    border-bottom-color: var(--lathe-border);
    font-weight: 600;
  }
  .alone .verdict {
    margin-right: 8px;
  }
  .roles th[scope="row"],
  .roles th[scope="rowgroup"],
  .roles th[rowspan],
  .roles.one th:first-child {
    position: sticky;
    z-index: 1;
    left: 0;
    padding-left: 16px;
    background: var(--lathe-surface);
  }
  .roles tbody tr:not(.layer) > th {
    padding-left: 42px;
    font-family: var(--vscode-editor-font-family, monospace);
    font-size: 0.95em;
  }
  .roles .layer > * {
    padding-top: 2px;
    padding-bottom: 2px;
  }
  .roles .first {
    border-left: 1px solid var(--lathe-line);
  }
  .roles .form {
    max-width: 170px;
    overflow: hidden;
    color: var(--lathe-muted);
    text-overflow: ellipsis;
  }
  .share {
    min-width: 150px;
  }
  .share .track {
    display: inline-block;
    width: 84px;
    height: 8px;
    margin-right: 8px;
    border: 1px solid var(--vscode-contrastBorder, transparent);
    border-radius: 2px;
    overflow: hidden;
    background: var(--lathe-line);
  }
  .roles.several td,
  .roles.several thead th:not([rowspan]) {
    padding-right: 10px;
    padding-left: 10px;
  }
  .roles.several .share {
    position: relative;
    min-width: 64px;
    text-align: right;
  }
  .roles.several .share .track {
    position: absolute;
    right: 10px;
    bottom: 2px;
    width: 64px;
    height: 4px;
    margin: 0;
  }
  .share i {
    display: block;
    height: 100%;
    background: var(--vscode-charts-blue);
  }
`;
