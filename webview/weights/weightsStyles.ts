/** The look of the panel Weights. */
import { css } from "lit";

export const weightsStyles = css`
  .toolbar .title {
    max-width: 300px;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .columns {
    display: flex;
    flex: 1;
    min-height: 0;
  }
  .side {
    display: flex;
    flex: none;
    flex-direction: column;
    width: 300px;
    border-right: 1px solid var(--lathe-border);
  }
  .side vscode-textfield {
    width: auto;
    margin: 10px;
  }
  .list {
    flex: 1;
    overflow: auto;
    outline-offset: -2px;
  }
  .list > div {
    display: flex;
    justify-content: space-between;
    gap: 10px;
    padding: 3px 12px;
    cursor: pointer;
  }
  .list > div:hover {
    background: var(--lathe-hover);
  }
  .list > div[aria-selected="true"] {
    color: var(--lathe-selected-text);
    background: var(--lathe-selected);
    outline: 1px solid var(--vscode-contrastActiveBorder, transparent);
    outline-offset: -1px;
  }
  .list .name {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    direction: rtl;
    text-align: left;
  }
  .list .shape {
    flex: none;
    opacity: 0.8;
  }
  .shown {
    flex: 1;
    min-width: 0;
    overflow: auto;
    padding: 14px 20px 24px;
    outline-offset: -2px;
  }
  .shown header {
    display: flex;
    flex-wrap: wrap;
    align-items: baseline;
    gap: 12px;
    margin-bottom: 10px;
  }
  .shown h1 {
    overflow-wrap: anywhere;
  }
  .modes {
    display: inline-flex;
    gap: 2px;
  }
  .modes [aria-pressed="true"] {
    border-color: var(--vscode-inputOption-activeBorder, var(--vscode-focusBorder));
    color: var(--vscode-inputOption-activeForeground, var(--vscode-foreground));
    background: var(
      --vscode-inputOption-activeBackground,
      color-mix(in srgb, var(--vscode-focusBorder) 30%, transparent)
    );
  }
  :is(.vscode-high-contrast, .vscode-high-contrast-light) .modes [aria-pressed="true"] {
    border-color: var(--vscode-foreground);
    color: var(--vscode-editor-background);
    background: var(--vscode-foreground);
  }
  .over-steps {
    flex: 1 1 380px;
    min-width: 0;
    max-width: 720px;
    margin: 0 0 18px;
  }
  .over-steps .picture {
    display: block;
    width: 100%;
    height: auto;
  }
  .step-slider {
    display: flex;
    margin-top: 6px;
  }
  .step-slider input {
    flex: 1;
    min-width: 0;
    accent-color: var(--vscode-focusBorder);
  }
  .step-map {
    margin-bottom: 8px;
    cursor: crosshair;
    outline-offset: 2px;
  }
  .over-steps p {
    overflow-wrap: anywhere;
  }
  .waiting {
    margin: 24px;
  }
  .pair {
    display: flex;
    flex-wrap: wrap;
    align-items: flex-start;
    gap: 24px;
  }
  .wide {
    flex: 1 1 420px;
    max-width: 900px;
  }
  .histogram {
    display: block;
    width: 100%;
    outline-offset: 2px;
  }
  .histogram .line {
    stroke: var(--lathe-line);
  }
  .histogram .zero {
    stroke: color-mix(in srgb, currentColor 35%, transparent);
    stroke-dasharray: 3 3;
  }
  .histogram .axis {
    stroke: color-mix(in srgb, currentColor 40%, transparent);
  }
  .histogram .tick {
    fill: var(--lathe-muted);
    font-size: 11px;
  }
  .histogram .bars {
    opacity: 0.75;
  }
  .histogram .over {
    fill: none;
    stroke-width: 1.8;
    stroke-linejoin: round;
  }
  .histogram .hovered {
    fill: currentColor;
    opacity: 0.12;
  }
  .hint {
    min-height: 1.4em;
    margin: 4px 0 0;
    color: var(--lathe-muted);
  }
  .statistics {
    border-collapse: collapse;
  }
  .statistics th,
  .statistics td {
    padding: 4px 0 4px 20px;
    border-bottom: 1px solid var(--lathe-line);
    text-align: right;
    font-weight: normal;
  }
  .statistics tbody th {
    padding-left: 0;
    color: var(--lathe-muted);
    text-align: left;
  }
  .statistics thead th {
    max-width: 190px;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    font-weight: 600;
  }
  .statistics i {
    display: inline-block;
    width: 12px;
    height: 10px;
    margin-right: 6px;
    background: var(--color);
    opacity: 0.75;
  }
  .statistics i.line {
    height: 2px;
    margin-bottom: 3px;
    opacity: 1;
  }
  .legend {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 8px;
    margin: 22px 0 10px;
  }
  .legend i {
    width: 180px;
    height: 12px;
    border: 1px solid var(--lathe-border);
  }
  .heat {
    flex: 1 1 320px;
    max-width: 760px;
    margin: 0;
  }
  .heat figcaption {
    margin-bottom: 6px;
  }
  .surface {
    position: relative;
    cursor: grab;
    touch-action: none;
    outline-offset: 4px;
  }
  .surface:active {
    cursor: grabbing;
  }
  .exports {
    display: flex;
    justify-content: flex-end;
  }
  .picture text {
    font-family: var(--vscode-font-family);
  }
  .heat canvas {
    display: block;
    width: 100%;
    max-height: 70vh;
    border: 1px solid var(--lathe-border);
    image-rendering: pixelated;
    cursor: crosshair;
  }
`;
