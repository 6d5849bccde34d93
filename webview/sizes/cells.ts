/** Shows a count in a table, with its change and its share of the whole. */
import { html, nothing, type TemplateResult } from "lit";
import {
  formatBytes,
  formatChange,
  formatCount,
  formatNumber,
  missingText,
  formatPercent,
} from "../../src/protocol/quantities";
import type { CountName } from "./sizeRows";

export function formatSize(value: number | undefined, name: CountName): string {
  if (value === undefined) return missingText;
  if (name === "bytes") return formatBytes(value);
  return name === "bitsPerWeight" ? formatNumber(value, 4) : formatCount(value);
}

export function renderNumberCell(value: number | undefined, name: CountName): TemplateResult {
  const exact = value === undefined || name !== "bytes" ? nothing : `${formatCount(value)} bytes`;
  return html`<td class="number ${value === undefined ? "muted" : ""}" title=${exact}>
    ${formatSize(value, name)}
  </td>`;
}

/** Against the first model: as a share of what it was, and where there is room the difference as a number too. */
export function renderChangeCell(
  value: number | undefined,
  base: number | undefined,
  name: CountName,
  showDifference = false,
): TemplateResult {
  if (value === undefined || base === undefined) return html`<td class="number muted">${missingText}</td>`;
  if (value === base) return html`<td class="number muted">same</td>`;
  const difference = `${value > base ? "+" : "−"}${formatSize(Math.abs(value - base), name)}`;
  const ratio = base === 0 ? difference : formatChange((value - base) / base);
  return html`<td class="number change ${value < base ? "less" : "more"}" title=${difference}>
    ${showDifference ? html`<span class="difference">${difference}</span>` : nothing}${ratio}
  </td>`;
}

export function renderShareCell(value: number | undefined, total: number | undefined): TemplateResult {
  const share = value === undefined || total === undefined || total === 0 ? 0 : value / total;
  const text = share === 0 ? missingText : formatPercent(share);
  return html`<td class="share">
    <span class="track"><i style="width:${share * 100}%"></i></span><span>${text}</span>
  </td>`;
}
