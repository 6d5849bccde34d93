/** How the values of a role are distributed: bars for the first model, a line over them for the second, on the same edges. */
import { html, nothing, svg, type TemplateResult } from "lit";
import type { Distribution } from "../../src/protocol/service/models";
import { count, figure, percent, shortCount } from "../../src/protocol/quantities";
import { linearTicks, powerTicks } from "../../src/pictures/axisTicks";

export interface HistogramView {
  readonly distributions: readonly Distribution[];
  readonly titles: readonly string[];
  readonly colors: readonly string[];
  readonly logarithmic: boolean;
  /** The bin under the pointer or the keyboard. */
  readonly hovered: number | undefined;
  readonly hover: (bin: number | undefined) => void;
}

const [width, height] = [720, 260];
const margin = { left: 58, right: 12, top: 10, bottom: 26 } as const;
const [right, bottom] = [width - margin.right, height - margin.bottom];

export function histogramView(view: HistogramView): TemplateResult {
  const { distributions, colors, logarithmic, hovered } = view;
  const { edges } = distributions[0]!;
  const [from, to] = [edges[0]!, edges.at(-1)!];
  const most = Math.max(1, ...distributions.flatMap(({ bins }) => bins));
  const x = (value: number) => margin.left + ((value - from) / (to - from || 1)) * (right - margin.left);
  // One weight still shows on a logarithmic axis, none does not.
  const share = (bin: number) => (logarithmic ? Math.log10(bin + 1) / Math.log10(most + 1) : bin / most);
  const y = (bin: number) => bottom - share(bin) * (bottom - margin.top);
  const ticks = logarithmic ? powerTicks(most).filter((tick) => tick <= most) : linearTicks(0, most, 5);
  return html`<svg
      class="histogram"
      viewBox="0 0 ${width} ${height}"
      role="img"
      tabindex="0"
      aria-label="Histogram: ${distributions.map((each, i) => words(view.titles[i]!, each)).join("; ")}"
      @keydown=${(event: KeyboardEvent) => onKey(event, view, edges.length - 1)}
      @pointermove=${(event: PointerEvent) => view.hover(binAt(event, edges.length - 1))}
      @pointerleave=${() => view.hover(undefined)}
    >
      ${ticks.map(
        (tick) =>
          svg`<line class="line" x1=${margin.left} x2=${right} y1=${y(tick)} y2=${y(tick)} />
            <text class="tick" x=${margin.left - 8} y=${y(tick) + 4} text-anchor="end">${shortCount(tick)}</text>`,
      )}
      ${linearTicks(from, to, 8).map(
        (tick) =>
          svg`<line class=${tick === 0 ? "line zero" : "line"} x1=${x(tick)} x2=${x(tick)} y1=${margin.top} y2=${bottom} />
            <text class="tick" x=${x(tick)} y=${bottom + 17} text-anchor="middle">${figure(tick, 3)}</text>`,
      )}
      ${
        hovered === undefined
          ? nothing
          : svg`<rect class="hovered" x=${x(edges[hovered]!)} y=${margin.top} width=${x(edges[hovered + 1]!) - x(edges[hovered]!)} height=${bottom - margin.top} />`
      }
      <path class="bars" fill=${colors[0]!} d=${outline(distributions[0]!, x, y, true)} />
      ${
        distributions[1] === undefined
          ? nothing
          : svg`<path class="over" stroke=${colors[1]!} d=${outline(distributions[1], x, y, false)} />`
      }
      <line class="axis" x1=${margin.left} x2=${right} y1=${bottom} y2=${bottom} />
    </svg>
    <p class="hint" aria-live="polite">
      ${hovered === undefined ? "Point at a bar or use the arrow keys to read its value." : binWords(view, hovered)}
    </p>`;
}

/** Steps along the edges. Closed bars leave a gap to the next, an outline does not. */
function outline(
  { edges, bins }: Distribution,
  x: (value: number) => number,
  y: (bin: number) => number,
  closed: boolean,
): string {
  const gap = closed && bins.length < 160 ? 0.5 : 0;
  const at = (value: number) => value.toFixed(1);
  const parts = bins.map((bin, i) => {
    const [left, end, top] = [at(x(edges[i]!) + gap), at(x(edges[i + 1]!) - gap), at(y(bin))];
    if (!closed) return `${i === 0 ? "M" : "L"}${left},${top}H${end}`;
    return bin === 0 ? "" : `M${left},${bottom}V${top}H${end}V${bottom}Z`;
  });
  return parts.join("");
}

function binAt(event: PointerEvent, bins: number): number | undefined {
  const box = (event.currentTarget as Element).getBoundingClientRect();
  const at = ((event.clientX - box.left) / box.width) * width;
  const bin = Math.floor(((at - margin.left) / (right - margin.left)) * bins);
  return bin >= 0 && bin < bins ? bin : undefined;
}

function onKey(event: KeyboardEvent, { hovered, hover }: HistogramView, bins: number): void {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (event.key === "Escape") hover(undefined);
  if (step === undefined) return;
  event.preventDefault();
  hover(Math.max(0, Math.min(bins - 1, (hovered ?? Math.floor(bins / 2) - step) + step)));
}

function binWords({ distributions, titles }: HistogramView, bin: number): string {
  const { edges } = distributions[0]!;
  const range = `${figure(edges[bin]!)} to ${figure(edges[bin + 1]!)}`;
  const parts = distributions.map(({ bins, count: all }, i) => {
    const number = bins[bin] ?? 0;
    return `${titles[i]!}: ${count(number)} (${percent(all === 0 ? 0 : number / all)})`;
  });
  return `${range}. ${parts.join(", ")}`;
}

function words(title: string, { count: all, mean, deviation, zeros }: Distribution): string {
  return `${title}, ${count(all)} weights, mean ${figure(mean)}, deviation ${figure(deviation)}, ${count(zeros)} zeros`;
}
