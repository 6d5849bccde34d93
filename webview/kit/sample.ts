/** A piece of a line with its mark, for legends, lists and readings. */
import { html, svg, type TemplateResult } from "lit";
import { type ColorTheme, getColor, getDash, getMark } from "../../src/pictures/palette";

export function renderSample(slot: number, metricIndex: number, theme: ColorTheme): TemplateResult {
  const color = getColor(slot, theme);
  return html`<svg class="sample" width="26" height="10" viewBox="0 0 26 10" aria-hidden="true">
    <path d="M0,5H26" stroke=${color} stroke-width="1.8" stroke-dasharray=${getDash(metricIndex).join(" ")} />
    <path transform="translate(13 5) scale(3.4)" d=${getMark(slot)} fill=${color} />
  </svg>`;
}

/** How a metric is drawn, whatever the run. */
export function renderStrokeSample(metricIndex: number): TemplateResult {
  return html`<svg class="sample" width="26" height="10" viewBox="0 0 26 10" aria-hidden="true">
    ${svg`<path d="M0,5H26" stroke="currentColor" stroke-width="1.8" stroke-dasharray=${getDash(metricIndex).join(" ")} />`}
  </svg>`;
}
