/** The range of one axis without a mouse: two numbers, or a tick for each value. What it sets is a part of the filter. */
import { html, nothing, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import { repeat } from "lit/directives/repeat.js";
import { type AxisScale, canBeLogarithmic } from "../../src/pictures/axisScale";
import { type FieldRange, readRange, replaceRange } from "../../src/protocol/filterRange";
import { parseNumber } from "../../src/protocol/runFilter";
import { renderTick } from "../kit/tick";
import { getValues, type ViewField } from "./viewFields";
import type { ViewPage } from "./viewPage";

export function setRange(page: ViewPage, { column }: ViewField, range: FieldRange): void {
  page.setFilter(replaceRange(page.filter, column, range, page.columns));
}

export function renderRangeEditor(page: ViewPage, field: ViewField, scale: AxisScale): TemplateResult {
  const range = readRange(page.filter, field.column, page.columns);
  const isSet = Object.keys(range).length > 0;
  return html`<div class="range" role="group" aria-label="Range of ${field.title}">
    <b>${field.title}</b>
    ${scale.kind === "categories" ? renderChoices(page, field, scale, range) : renderLimits(page, field, scale, range)}
    ${renderLogarithm(page, field, scale)}
    <button class="quiet" ?disabled=${!isSet} @click=${() => setRange(page, field, {})}>Clear range</button>
  </div>`;
}

function renderLimits(
  page: ViewPage,
  field: ViewField,
  scale: AxisScale,
  range: FieldRange,
): readonly TemplateResult[] {
  return (["from", "to"] as const).map((end) => {
    const set = (value: number | undefined) => {
      const { [end]: _, ...other } = range;
      setRange(page, field, value === undefined ? other : { ...other, [end]: value });
    };
    return html`<label
      >${end}
      <input
        type="text"
        class="limit"
        inputmode="decimal"
        aria-label="${field.title} ${end}"
        placeholder=${String(scale.domain[end === "from" ? 0 : scale.domain.length - 1] ?? "")}
        .value=${live(range[end] === undefined ? "" : String(range[end]))}
        @change=${(event: Event) => {
          const input = event.target as HTMLInputElement;
          const text = input.value.trim().toLowerCase();
          const value = parseNumber(text);
          // What is no number leaves the range as it is.
          if (text === "") set(undefined);
          else if (value !== undefined) set(value);
          else input.value = range[end] === undefined ? "" : String(range[end]);
        }}
        @keydown=${(event: KeyboardEvent) => {
          const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
          if (step === undefined) return;
          event.preventDefault();
          set(findNeighbor(scale, range[end], step, end));
        }}
      />
    </label>`;
  });
}

/** The next value that a run has, above or below. */
function findNeighbor(
  { domain }: AxisScale,
  value: number | undefined,
  step: number,
  end: "from" | "to",
): number | undefined {
  const numbers = domain as readonly number[];
  const start = value ?? (end === "from" ? numbers[0]! : numbers.at(-1)!);
  return step > 0
    ? (numbers.find((each) => each > start) ?? start)
    : (numbers.findLast((each) => each < start) ?? start);
}

function renderChoices(
  page: ViewPage,
  field: ViewField,
  { domain }: AxisScale,
  { values }: FieldRange,
): TemplateResult {
  const all = domain.map(String);
  const isTicked = (value: string) =>
    values === undefined ||
    values.some((each) => each.toLowerCase() === value.replaceAll('"', "").toLowerCase());
  return html`<span class="values"
    >${repeat(
      all,
      (value) => value,
      (value) =>
        html`<label title=${value}
          >${renderTick(isTicked(value), (ticked) => {
            const kept = all.filter((each) => (each === value ? ticked : isTicked(each)));
            // With all of them there is no choice, and with none of them there would be no run.
            setRange(page, field, kept.length === all.length || kept.length === 0 ? {} : { values: kept });
          })}<span>${value}</span></label
        >`,
    )}</span
  >`;
}

function renderLogarithm(
  page: ViewPage,
  field: ViewField,
  { kind }: AxisScale,
): TemplateResult | typeof nothing {
  if (kind === "categories" || !canBeLogarithmic(getValues(field, page.runs))) return nothing;
  const isLogarithmic = kind === "logarithmic";
  return html`<button
    class="toggle"
    aria-pressed=${String(isLogarithmic)}
    @click=${() => page.change({ logarithmic: { ...page.state.logarithmic, [field.id]: !isLogarithmic } })}
  >
    log
  </button>`;
}
