/** How charts and their controls look, in a page of their own or inside the shadow of a notebook's output. */
import { css } from "lit";
import { longNameStyles } from "../kit/longName";

export const chartStyles = css`
  ${longNameStyles}
  .chart {
    position: relative;
    min-width: 0;
  }
  .chart header {
    display: flex;
    align-items: center;
    gap: 4px;
    min-height: 26px;
  }
  .chart h3 {
    margin: 0;
    font-size: 1em;
    font-weight: 600;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .chart .spring {
    flex: 1;
  }
  .plot {
    position: relative;
    height: var(--lathe-chart-height, 280px);
    border-radius: 3px;
    cursor: crosshair;
  }
  .plot canvas {
    display: block;
  }
  .plot:focus-visible,
  .chart button:focus-visible,
  .control :focus-visible,
  .switch:focus-visible {
    outline: 1px solid var(--vscode-focusBorder);
    outline-offset: 1px;
  }
  .hover {
    position: absolute;
    inset: 0;
    pointer-events: none;
  }
  .hover > svg {
    position: absolute;
    inset: 0;
    width: 100%;
    height: 100%;
  }
  .hover line {
    stroke: var(--vscode-foreground);
    stroke-opacity: 0.45;
    stroke-dasharray: 3 3;
  }
  .reading {
    position: absolute;
    z-index: 2;
    max-width: 70%;
    padding: 6px 8px;
    border: 1px solid var(--vscode-editorHoverWidget-border, var(--vscode-widget-border, transparent));
    border-radius: 4px;
    color: var(--vscode-editorHoverWidget-foreground, var(--vscode-foreground));
    background: var(--vscode-editorHoverWidget-background, var(--vscode-editor-background));
    box-shadow: 0 2px 8px var(--vscode-widget-shadow, transparent);
    font-size: 0.9em;
    font-variant-numeric: tabular-nums;
  }
  .reading .where {
    margin-bottom: 2px;
    font-weight: 600;
  }
  .reading table {
    border-collapse: collapse;
  }
  .reading td {
    padding: 1px 8px 1px 0;
    text-align: left;
    white-space: nowrap;
  }
  .reading .name {
    max-width: 18em;
    overflow: hidden;
    text-overflow: ellipsis;
    vertical-align: bottom;
  }
  .reading td.number {
    text-align: right;
  }
  .muted {
    color: var(--vscode-descriptionForeground);
  }
  .sample {
    flex: none;
    display: inline-block;
    vertical-align: middle;
    fill: none;
  }
  .legend {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 2px 4px;
    margin-top: 4px;
  }
  .legend .divider {
    width: 1px;
    height: 14px;
    margin: 0 4px;
    background: var(--vscode-panel-border, currentColor);
  }
  .legend .entry {
    display: inline-flex;
    align-items: center;
    gap: 6px;
    max-width: 24em;
    padding: 2px 7px;
    border: 1px solid transparent;
    border-radius: 4px;
    color: inherit;
    background: none;
    font: inherit;
    font-size: 0.92em;
    cursor: pointer;
  }
  .legend .name {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .legend .value {
    color: var(--vscode-descriptionForeground);
    font-variant-numeric: tabular-nums;
  }
  .legend .entry:hover,
  .plain:hover {
    background: var(--vscode-toolbar-hoverBackground);
    outline: 1px dashed var(--vscode-contrastActiveBorder, transparent);
  }
  .legend .entry[aria-pressed="false"] .name {
    text-decoration: line-through;
  }
  .legend .entry[aria-pressed="false"] .sample,
  .legend .entry[aria-pressed="false"] .value {
    opacity: 0.35;
  }
  .plain {
    padding: 2px 6px;
    border: 1px solid transparent;
    border-radius: 4px;
    color: var(--vscode-descriptionForeground);
    background: none;
    font: inherit;
    font-size: 0.85em;
    cursor: pointer;
  }
  .plain:disabled {
    opacity: 0.5;
    cursor: default;
  }
  [hidden] {
    display: none;
  }
  .note {
    margin: 4px 0 0;
    color: var(--vscode-descriptionForeground);
    font-size: 0.92em;
  }
  .note.fault {
    color: var(--vscode-errorForeground);
    overflow-wrap: anywhere;
  }
  .control {
    display: inline-flex;
    align-items: center;
    gap: 6px;
    color: var(--vscode-foreground);
  }
  .control .value {
    min-width: 8.5em;
    color: var(--vscode-descriptionForeground);
    font-variant-numeric: tabular-nums;
  }
  .control input[type="range"] {
    width: 96px;
    height: 16px;
    margin: 0;
    background: none;
    appearance: none;
    cursor: pointer;
  }
  .control input[type="range"]::-webkit-slider-runnable-track {
    height: 3px;
    border-radius: 2px;
    background: var(--vscode-contrastBorder, color-mix(in srgb, var(--vscode-foreground) 30%, transparent));
  }
  .control input[type="range"]::-webkit-slider-thumb {
    width: 13px;
    height: 13px;
    margin-top: -5px;
    border: 2px solid var(--vscode-editor-background);
    border-radius: 50%;
    background: var(--vscode-focusBorder);
    appearance: none;
  }
  .control .select {
    height: 24px;
    padding: 0 4px;
    border: 1px solid var(--vscode-dropdown-border, transparent);
    border-radius: 3px;
    color: var(--vscode-dropdown-foreground);
    background: var(--vscode-dropdown-background);
    font: inherit;
  }
  .limit {
    display: inline-flex;
    align-items: center;
    gap: 4px;
  }
  .limit input {
    width: 52px;
    height: 24px;
    padding: 0 4px;
    border: 1px solid var(--vscode-input-border, transparent);
    border-radius: 3px;
    color: var(--vscode-input-foreground);
    background: var(--vscode-input-background);
    font: inherit;
  }
  .limit input::placeholder {
    color: var(--vscode-input-placeholderForeground);
  }
  .reading .nearest td {
    font-weight: 600;
  }
  .switches {
    flex-wrap: wrap;
    display: inline-flex;
    gap: 4px;
  }
  .switch {
    height: 24px;
    padding: 0 8px;
    border: 1px solid var(--vscode-dropdown-border, transparent);
    border-radius: 3px;
    color: var(--vscode-foreground);
    background: none;
    font: inherit;
    cursor: pointer;
  }
  .switch:hover {
    background: var(--vscode-toolbar-hoverBackground);
  }
  .switch[aria-pressed="true"] {
    border-color: var(--vscode-inputOption-activeBorder, var(--vscode-focusBorder));
    color: var(--vscode-inputOption-activeForeground, var(--vscode-foreground));
    background: var(
      --vscode-inputOption-activeBackground,
      color-mix(in srgb, var(--vscode-focusBorder) 30%, transparent)
    );
  }
  /* High contrast themes give both states the same border and no background. */
  :is(.vscode-high-contrast, .vscode-high-contrast-light) .switch[aria-pressed="true"],
  :host-context(.vscode-high-contrast) .switch[aria-pressed="true"],
  :host-context(.vscode-high-contrast-light) .switch[aria-pressed="true"] {
    border-color: var(--vscode-foreground);
    color: var(--vscode-editor-background);
    background: var(--vscode-foreground);
  }
  .unseen {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
`;
