/** The look of the panel Try Model. */
import { css } from "lit";

export const tryModelStyles = css`
  .settings {
    display: flex;
    flex-wrap: wrap;
    gap: 8px 14px;
  }
  .check,
  .choices {
    display: inline-flex;
    align-items: center;
    gap: 6px;
  }
  .check input {
    margin: 0;
  }
  .number,
  .field {
    color: var(--vscode-input-foreground);
    background: var(--vscode-input-background);
    border: 1px solid var(--vscode-input-border, var(--lathe-border));
    border-radius: 3px;
    font: inherit;
  }
  .number {
    width: 6.5em;
    height: 26px;
    padding: 0 6px;
  }
  .number:invalid {
    border-color: var(--vscode-inputValidation-errorBorder, var(--lathe-bad));
  }
  .field {
    flex: 1;
    min-width: 0;
    max-height: 30vh;
    padding: 5px 8px;
    resize: vertical;
  }
  .field::placeholder {
    color: var(--vscode-input-placeholderForeground);
  }
  .field:focus-visible {
    outline: 1px solid var(--lathe-focus);
    outline-offset: -1px;
  }
  .conversation {
    flex: 1;
    min-height: 0;
    overflow: auto;
    padding: 0 16px 16px;
    outline-offset: -2px;
  }
  .grid {
    display: grid;
    grid-template-columns: repeat(var(--models), minmax(min(170px, 100%), 1fr));
    column-gap: 20px;
  }
  .head {
    position: sticky;
    top: 0;
    z-index: 1;
    min-width: 0;
    padding: 10px 0 6px;
    background: var(--lathe-surface);
    border-bottom: 1px solid var(--lathe-border);
  }
  /* The reason takes the room of several lines. */
  .has-problem .head {
    position: static;
  }
  .name-row {
    display: flex;
    align-items: center;
    justify-content: space-between;
    gap: 8px;
  }
  .name-row h2 {
    display: flex;
    min-width: 0;
    overflow: hidden;
  }
  .meta,
  .note,
  .reading,
  .legend,
  .problem {
    margin: 2px 0;
  }
  .meta,
  .note {
    color: var(--lathe-muted);
    font-size: 0.92em;
    overflow-wrap: anywhere;
  }
  .note p {
    margin: 2px 0;
  }
  .problem {
    display: flex;
    gap: 6px;
    color: var(--lathe-bad);
    overflow-wrap: anywhere;
    white-space: pre-wrap;
  }
  .turn {
    grid-column: 1 / -1;
    margin-top: 14px;
    scroll-margin-top: 64px;
    padding: 6px 10px;
    background: color-mix(in srgb, currentColor 6%, transparent);
    border: 1px solid var(--vscode-contrastBorder, transparent);
    border-radius: 4px;
    font-weight: 400;
  }
  .answer {
    min-width: 0;
    padding: 6px 0 4px;
  }
  .text {
    margin: 4px 0 6px;
    line-height: 2;
  }
  /* What people and models have written. */
  .verbatim {
    white-space: pre-wrap;
    overflow-wrap: anywhere;
    unicode-bidi: isolate;
  }
  .caret {
    display: inline-block;
    width: 0.5em;
    height: 1em;
    vertical-align: text-bottom;
    background: currentColor;
    opacity: 0.6;
  }
  .hint {
    color: var(--lathe-muted);
    padding: 12px 0;
  }
  /* The style of the line shows the factor, its place the direction; the color only repeats both. */
  .token {
    --change: var(--vscode-charts-orange, #d18616);
    color: inherit;
    background: color-mix(in srgb, var(--change) var(--strength), transparent);
    border-radius: 2px;
    text-decoration: underline var(--change);
    text-decoration-skip-ink: none;
    text-underline-offset: 3px;
  }
  .token.more {
    --change: var(--vscode-charts-blue, #3794ff);
    text-decoration-line: overline;
  }
  .token.level1 {
    --strength: 0%;
    text-decoration-style: dotted;
    text-decoration-thickness: 2px;
  }
  .token.level2 {
    --strength: 16%;
    text-decoration-style: solid;
    text-decoration-thickness: 2px;
  }
  .token.level3 {
    --strength: 34%;
    text-decoration-style: double;
    text-decoration-thickness: 2px;
  }
  .token:focus-visible {
    outline: 2px solid var(--lathe-focus);
  }
  .vscode-high-contrast .token,
  .vscode-high-contrast-light .token {
    --change: currentColor;
    --strength: 0%;
  }
  .composer {
    display: flex;
    flex-direction: column;
    gap: 6px;
    padding: 8px 16px 12px;
    border-top: 1px solid var(--lathe-border);
  }
  .legend {
    display: flex;
    flex-wrap: wrap;
    gap: 2px 6px;
    color: var(--lathe-muted);
    font-size: 0.92em;
    line-height: 1.8;
  }
  .legend .token {
    margin: 0 3px;
    color: var(--vscode-foreground);
  }
  .reading {
    min-height: 1.4em;
    max-height: 4.2em;
    overflow: auto;
    overflow-wrap: anywhere;
    unicode-bidi: isolate;
  }
  .chat,
  .prompt {
    display: flex;
    align-items: flex-start;
    gap: 10px;
  }
  .chat .check {
    height: 30px;
  }
  /* Where the answers would have no room between toolbar and prompt, the page scrolls as a whole. */
  @media (max-height: 600px) {
    .page {
      overflow: auto;
    }
    .toolbar,
    .conversation,
    .composer {
      flex: none;
    }
    .conversation {
      overflow: visible;
    }
    .turn {
      scroll-margin-top: 8px;
    }
    .head {
      position: static;
    }
  }
`;
