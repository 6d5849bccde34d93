/** A letter beside a value that may be compared only with values of the same letter. */
import { css, html, type TemplateResult } from "lit";
import type { ProtocolMark } from "../../src/protocol/protocolMarks";

/** Takes the same room without a letter, so that the values of a column stay in line. */
export function renderProtocolMark(mark: ProtocolMark | undefined): TemplateResult {
  return mark === undefined
    ? html`<span class="protocol" aria-hidden="true"></span>`
    : html`<span class="protocol" title=${mark.title}>${mark.letter}</span>`;
}

export const protocolMarkStyles = css`
  .protocol {
    flex: none;
    display: inline-block;
    min-width: 1.3em;
    padding-left: 0.35em;
    color: var(--lathe-more-text, var(--vscode-foreground));
    font-size: 0.85em;
    font-weight: 600;
    text-align: left;
    cursor: help;
  }
`;
