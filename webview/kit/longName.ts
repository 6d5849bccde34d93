/** A name that loses its middle where it is too long, not its end, which is what distinguishes it. */
import { css, html, type TemplateResult } from "lit";

/** Characters at the end that always stay. */
const endLength = 9;
const minLength = 11;

/** Read and copied as one text; the two parts that are seen are made by the style. */
export function renderLongName(name: string): TemplateResult {
  if (name.length < minLength) return html`<span class="name">${name}</span>`;
  const characters = Array.from(name);
  const start = characters.slice(0, -endLength).join("");
  const end = characters.slice(-endLength).join("");
  return html`<span class="name long" data-start=${start} data-end=${end}><span>${name}</span></span>`;
}

export const longNameStyles = css`
  .name.long {
    position: relative;
    display: inline-flex;
    min-width: 0;
    white-space: pre;
  }
  /* Lists collapse spaces, and one may be where the name is divided. */
  .name.long::before,
  .name.long::after {
    overflow: hidden;
    white-space: pre;
  }
  .name.long::before {
    flex-shrink: 1000;
    text-overflow: ellipsis;
    content: attr(data-start) / "";
  }
  .name.long::after {
    content: attr(data-end) / "";
  }
  .name.long > span {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
  }
`;
