/** The look of the views above the table of runs. */
import { css } from "lit";

export const viewStyles = css`
  .views {
    display: inline-flex;
    flex-wrap: wrap;
    gap: 4px;
  }
  .toggle {
    height: 24px;
    padding: 0 8px;
    border: 1px solid var(--vscode-dropdown-border, var(--lathe-border));
    border-radius: 3px;
    color: var(--vscode-foreground);
    background: none;
    font: inherit;
    cursor: pointer;
  }
  .toggle:hover {
    background: var(--vscode-toolbar-hoverBackground);
  }
  .toggle[aria-pressed="true"],
  .axes li.active {
    border-color: var(--vscode-inputOption-activeBorder, var(--vscode-focusBorder));
    color: var(--vscode-inputOption-activeForeground, var(--vscode-foreground));
    background: var(
      --vscode-inputOption-activeBackground,
      color-mix(in srgb, var(--vscode-focusBorder) 30%, transparent)
    );
  }
  :is(.vscode-high-contrast, .vscode-high-contrast-light) .toggle[aria-pressed="true"],
  :is(.vscode-high-contrast, .vscode-high-contrast-light) .axes li.active {
    border-color: var(--vscode-foreground);
    color: var(--vscode-editor-background);
    background: var(--vscode-foreground);
  }
  .view {
    flex: none;
    display: flex;
    flex-direction: column;
    min-height: 120px;
    overflow: auto;
  }
  .view > .muted {
    padding: 8px 16px;
  }
  .view-bar,
  .range {
    display: flex;
    flex: none;
    flex-wrap: wrap;
    align-items: center;
    gap: 6px 12px;
    padding: 4px 16px;
  }
  .view .exports {
    display: inline-flex;
  }
  .axes .select {
    max-width: 130px;
  }
  @media (max-width: 800px) {
    .view-bar > .axes {
      order: 1;
      flex-basis: 100%;
    }
  }
  .axes,
  .axes ul {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 4px;
    margin: 0;
    padding: 0;
    list-style: none;
  }
  .axes li {
    display: inline-flex;
    max-width: 190px;
    border: 1px solid var(--vscode-dropdown-border, var(--lathe-border));
    border-radius: 3px;
  }
  .axes li button {
    padding: 2px 6px;
    border: 0;
    color: inherit;
    background: none;
    font: inherit;
    cursor: pointer;
  }
  .axes li .name {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    cursor: grab;
  }
  .axes li .remove {
    display: inline-flex;
    align-items: center;
    padding: 0 3px;
  }
  .axes li .remove .icon {
    width: 12px;
  }
  .axes li button:hover {
    background: var(--vscode-toolbar-hoverBackground);
  }
  .range .limit {
    width: 110px;
    padding: 2px 6px;
    border: 1px solid var(--vscode-input-border, var(--lathe-border));
    border-radius: 3px;
    color: var(--vscode-input-foreground);
    background: var(--vscode-input-background);
    font: inherit;
  }
  .range .values {
    display: inline-flex;
    flex-wrap: wrap;
    gap: 2px 12px;
    max-height: 84px;
    overflow: auto;
  }
  .range .values label {
    display: inline-flex;
    align-items: center;
    gap: 4px;
    max-width: 260px;
  }
  .range .values span {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .notes {
    flex: none;
    padding: 2px 16px;
  }
  .notes p {
    display: flex;
    gap: 6px;
    margin: 2px 0;
  }
  .verdict,
  .reading {
    flex: none;
    margin: 0;
    padding: 4px 16px;
  }
  .reading {
    min-height: 28px;
    color: var(--lathe-muted);
  }
  .plot {
    flex: 1 0 auto;
    padding: 0 12px;
    overflow-x: auto;
    outline-offset: -2px;
  }
  .plot.importance > p {
    max-width: 900px;
  }
  .drawing {
    position: relative;
    width: max-content;
    touch-action: none;
    user-select: none;
  }
  .view .picture {
    display: block;
  }
  .view .picture text {
    font-family: var(--vscode-font-family);
    pointer-events: none;
  }
  .hovered {
    position: absolute;
    inset: 0;
    pointer-events: none;
  }
  .hovered polyline {
    fill: none;
    stroke: var(--vscode-foreground);
    stroke-width: 3;
  }
  .axis-target {
    fill: transparent;
    cursor: crosshair;
  }
  .axis-target:hover {
    fill: var(--lathe-line);
  }
  .brush {
    fill: color-mix(in srgb, var(--vscode-focusBorder) 20%, transparent);
    stroke: var(--vscode-focusBorder);
    stroke-width: 1.5;
    pointer-events: none;
  }
  .point {
    fill: transparent;
    cursor: pointer;
  }
  .point:focus-visible {
    outline: none;
    stroke: var(--vscode-focusBorder);
    stroke-width: 2;
  }
`;
