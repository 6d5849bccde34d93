/** The models side by side: what each one is, its five numbers with and without embeddings, and what has been published. */
import { html, nothing, type TemplateResult } from "lit";
import type { ModelSize, Subject } from "../../src/protocol/service/models";
import { formatChange, formatCount, formatNumber } from "../../src/protocol/quantities";
import { icons } from "../kit/icons";
import { renderChangeCell, renderNumberCell } from "./cells";
import {
  type MeasuredModel,
  getNumber,
  countNames,
  type Part,
  getPublished,
  countTitles,
  compareWithPublished,
} from "./sizeRows";

export interface TotalsPage {
  remove(subject: Subject): void;
  /** Makes it the model that the others are held against. */
  first(subject: Subject): void;
}

export function renderTotals(measured: readonly MeasuredModel[], page: TotalsPage): TemplateResult {
  return html`<table class="totals">
    <thead>
      <tr>
        <td></td>
        ${measured.map(
          (each, i) =>
            html`<th scope="col" colspan=${i === 0 ? 1 : 2}>
              <span class="model"
                ><b>${each.size?.title ?? "…"}</b>
                ${
                  i === 0
                    ? measured.length > 1
                      ? html`<span class="chip">baseline</span>`
                      : nothing
                    : html`<button
                        class="quiet"
                        title="Compare the others with this model"
                        aria-label="Make ${each.size?.title ?? "it"} the baseline"
                        @click=${() => page.first(each.subject)}
                      >
                        ${icons.up}
                      </button>`
                }
                <button
                  class="quiet"
                  title="Take it out"
                  aria-label="Remove ${each.size?.title ?? "it"}"
                  @click=${() => page.remove(each.subject)}
                >
                  ${icons.close}
                </button></span
              >
              ${describeModel(each)}
            </th>`,
        )}
      </tr>
    </thead>
    ${renderSection("Whole model", "total", measured)}
    ${renderSection("Non-embedding", "nonEmbedding", measured)}
  </table>`;
}

function describeModel({ size, problem }: MeasuredModel): TemplateResult {
  if (problem !== undefined) return html`<span class="about problem">${problem}</span>`;
  if (size === undefined) return html`<span class="about muted">counting…</span>`;
  const { hidden_size, num_hidden_layers } = size.config;
  const shape = [
    size.family,
    num_hidden_layers === undefined ? "" : `${num_hidden_layers} layers`,
    hidden_size === undefined ? "" : `width ${hidden_size}`,
  ];
  return html`<span class="about muted"
    >${shape.filter((part) => part !== "").join(", ")}${
      size.published === undefined ? nothing : html`<br />${size.published.source}`
    }</span
  >`;
}

function renderSection(title: string, part: Part, measured: readonly MeasuredModel[]): TemplateResult {
  const counts = measured.map(({ size }) => size?.counts[part]);
  const hasPublished = measured.some(
    ({ size }) => size !== undefined && getPublished(size, part) !== undefined,
  );
  return html`<tbody>
    <tr class="section">
      <th scope="rowgroup" colspan=${measured.length * 2}>${title}</th>
    </tr>
    ${countNames.map((name) => {
      const base = getNumber(counts[0], name);
      return html`<tr>
        <th scope="row">${countTitles[name]}</th>
        ${counts.map((counts, i) => {
          const value = getNumber(counts, name);
          return html`${renderNumberCell(value, name)}${i === 0 ? nothing : renderChangeCell(value, base, name, true)}`;
        })}
      </tr>`;
    })}
    ${
      hasPublished
        ? html`<tr class="published">
            <th scope="row">Published</th>
            ${measured.map(({ size }, i) => renderPublished(size, part, i === 0))}
          </tr>`
        : nothing
    }
  </tbody>`;
}

/** The published number is below the counts that it is compared with; the verdict where there is room. */
function renderPublished(size: ModelSize | undefined, part: Part, isOnly: boolean): TemplateResult {
  const published = size === undefined ? undefined : getPublished(size, part);
  if (size === undefined || published === undefined) return html`<td colspan=${isOnly ? 1 : 2}></td>`;
  const { agrees, words, gap } = compareWithPublished(size.counts[part].stored, published.figure);
  const text =
    gap === 0
      ? words
      : `${words}, ${Math.abs(gap) < 1e-4 ? formatNumber(gap * 100, 2) + " %" : formatChange(gap)}`;
  const verdict = html`<span class="verdict ${agrees ? "agrees" : "differs"}">${text}</span>`;
  const number = formatCount(published.figure);
  return isOnly
    ? html`<td class="number alone" title=${published.source}>${verdict} ${number}</td>`
    : html`<td class="number" title=${published.source}>${number}</td>
        <td class="number">${verdict}</td>`;
}
