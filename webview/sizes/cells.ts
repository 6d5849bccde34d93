/** Shows a count in a table, with its change and its share of the whole. */
import { html, nothing, type TemplateResult } from "lit";
import { bytes, change, count, figure, missing, percent } from "../../src/protocol/quantities";
import type { CountName } from "./sizeRows";

export function written(value: number | undefined, name: CountName): string {
  if (value === undefined) return missing;
  if (name === "bytes") return bytes(value);
  return name === "bitsPerWeight" ? figure(value, 4) : count(value);
}

export function numberCell(value: number | undefined, name: CountName): TemplateResult {
  const exact = value === undefined || name !== "bytes" ? nothing : `${count(value)} bytes`;
  return html`<td class="number ${value === undefined ? "muted" : ""}" title=${exact}>
    ${written(value, name)}
  </td>`;
}

/** Against the first model: as a share of what it was, and where there is room the difference as a number too. */
export function changeCell(
  value: number | undefined,
  base: number | undefined,
  name: CountName,
  room = false,
): TemplateResult {
  if (value === undefined || base === undefined) return html`<td class="number muted">${missing}</td>`;
  if (value === base) return html`<td class="number muted">same</td>`;
  const difference = `${value > base ? "+" : "−"}${written(Math.abs(value - base), name)}`;
  const ratio = base === 0 ? difference : change((value - base) / base);
  return html`<td class="number change ${value < base ? "less" : "more"}" title=${difference}>
    ${room ? html`<span class="difference">${difference}</span>` : nothing}${ratio}
  </td>`;
}

export function shareCell(value: number | undefined, whole: number | undefined): TemplateResult {
  const share = value === undefined || whole === undefined || whole === 0 ? 0 : value / whole;
  const words = share === 0 ? missing : percent(share);
  return html`<td class="share">
    <span class="track"><i style="width:${share * 100}%"></i></span><span>${words}</span>
  </td>`;
}
