/** How the values of a role are distributed: bars for the first model, a line over them for the second, on the same edges. */
import { html, nothing, svg, type TemplateResult } from "lit";
import type { Distribution } from "../../src/protocol/service/models";
import { formatCount, formatNumber, formatPercent, formatShortCount } from "../../src/protocol/quantities";
import { computeLinearTicks, computePowerTicks } from "../../src/pictures/axisTicks";

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

export function renderHistogram(view: HistogramView): TemplateResult {
  const { distributions, colors, logarithmic, hovered } = view;
  const { edges } = distributions[0]!;
  const [from, to] = [edges[0]!, edges.at(-1)!];
  const highest = Math.max(1, ...distributions.flatMap(({ bins }) => bins));
  const x = (value: number) => margin.left + ((value - from) / (to - from || 1)) * (right - margin.left);
  // One weight still shows on a logarithmic axis, none does not.
  const getHeight = (bin: number) =>
    logarithmic ? Math.log10(bin + 1) / Math.log10(highest + 1) : bin / highest;
  const y = (bin: number) => bottom - getHeight(bin) * (bottom - margin.top);
  const ticks = logarithmic
    ? computePowerTicks(highest).filter((tick) => tick <= highest)
    : computeLinearTicks(0, highest, 5);
  return html`<svg
      class="histogram"
      viewBox="0 0 ${width} ${height}"
      role="img"
      tabindex="0"
      aria-label="Histogram: ${distributions.map((each, i) => describeDistribution(view.titles[i]!, each)).join("; ")}"
      @keydown=${(event: KeyboardEvent) => onKey(event, view, edges.length - 1)}
      @pointermove=${(event: PointerEvent) => view.hover(findBin(event, edges.length - 1))}
      @pointerleave=${() => view.hover(undefined)}
    >
      ${ticks.map(
        (tick) =>
          svg`<line class="line" x1=${margin.left} x2=${right} y1=${y(tick)} y2=${y(tick)} />
            <text class="tick" x=${margin.left - 8} y=${y(tick) + 4} text-anchor="end">${formatShortCount(tick)}</text>`,
      )}
      ${computeLinearTicks(from, to, 8).map(
        (tick) =>
          svg`<line class=${tick === 0 ? "line zero" : "line"} x1=${x(tick)} x2=${x(tick)} y1=${margin.top} y2=${bottom} />
            <text class="tick" x=${x(tick)} y=${bottom + 17} text-anchor="middle">${formatNumber(tick, 3)}</text>`,
      )}
      ${
        hovered === undefined
          ? nothing
          : svg`<rect class="hovered" x=${x(edges[hovered]!)} y=${margin.top} width=${x(edges[hovered + 1]!) - x(edges[hovered]!)} height=${bottom - margin.top} />`
      }
      <path class="bars" fill=${colors[0]!} d=${createOutline(distributions[0]!, x, y, true)} />
      ${
        distributions[1] === undefined
          ? nothing
          : svg`<path class="over" stroke=${colors[1]!} d=${createOutline(distributions[1], x, y, false)} />`
      }
      <line class="axis" x1=${margin.left} x2=${right} y1=${bottom} y2=${bottom} />
    </svg>
    <p class="hint" aria-live="polite">
      ${hovered === undefined ? "Point at a bar or use the arrow keys to read its value." : describeBin(view, hovered)}
    </p>`;
}

/** Steps along the edges. Closed bars leave a gap to the next, an outline does not. */
function createOutline(
  { edges, bins }: Distribution,
  x: (value: number) => number,
  y: (bin: number) => number,
  isClosed: boolean,
): string {
  const gap = isClosed && bins.length < 160 ? 0.5 : 0;
  const formatCoordinate = (value: number) => value.toFixed(1);
  const parts = bins.map((bin, i) => {
    const [left, end, top] = [
      formatCoordinate(x(edges[i]!) + gap),
      formatCoordinate(x(edges[i + 1]!) - gap),
      formatCoordinate(y(bin)),
    ];
    if (!isClosed) return `${i === 0 ? "M" : "L"}${left},${top}H${end}`;
    return bin === 0 ? "" : `M${left},${bottom}V${top}H${end}V${bottom}Z`;
  });
  return parts.join("");
}

function findBin(event: PointerEvent, bins: number): number | undefined {
  const bounds = (event.currentTarget as Element).getBoundingClientRect();
  const position = ((event.clientX - bounds.left) / bounds.width) * width;
  const bin = Math.floor(((position - margin.left) / (right - margin.left)) * bins);
  return bin >= 0 && bin < bins ? bin : undefined;
}

function onKey(event: KeyboardEvent, { hovered, hover }: HistogramView, bins: number): void {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (event.key === "Escape") hover(undefined);
  if (step === undefined) return;
  event.preventDefault();
  hover(Math.max(0, Math.min(bins - 1, (hovered ?? Math.floor(bins / 2) - step) + step)));
}

function describeBin({ distributions, titles }: HistogramView, bin: number): string {
  const { edges } = distributions[0]!;
  const range = `${formatNumber(edges[bin]!)} to ${formatNumber(edges[bin + 1]!)}`;
  const parts = distributions.map(({ bins, count: total }, i) => {
    const number = bins[bin] ?? 0;
    return `${titles[i]!}: ${formatCount(number)} (${formatPercent(total === 0 ? 0 : number / total)})`;
  });
  return `${range}. ${parts.join(", ")}`;
}

function describeDistribution(title: string, { count: total, mean, deviation, zeros }: Distribution): string {
  return `${title}, ${formatCount(total)} weights, mean ${formatNumber(mean)}, deviation ${formatNumber(deviation)}, ${formatCount(zeros)} zeros`;
}
