/** The models side by side: what each one is, its five numbers with and without embeddings, and what has been published. */
import { html, nothing, type TemplateResult } from "lit";
import type { ModelSize, Subject } from "../../src/protocol/service/models";
import { change, count, figure } from "../../src/protocol/quantities";
import { icons } from "../kit/icons";
import { changeCell, numberCell } from "./cells";
import { type Measured, numberOf, numbers, type Part, publishedOf, titles, verdictOf } from "./sizeRows";

export interface TotalsPage {
  remove(subject: Subject): void;
  /** Makes it the model that the others are held against. */
  first(subject: Subject): void;
}

export function totalsView(measured: readonly Measured[], page: TotalsPage): TemplateResult {
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
              ${about(each)}
            </th>`,
        )}
      </tr>
    </thead>
    ${section("Whole model", "total", measured)} ${section("Non-embedding", "nonEmbedding", measured)}
  </table>`;
}

function about({ size, problem }: Measured): TemplateResult {
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

function section(title: string, part: Part, measured: readonly Measured[]): TemplateResult {
  const all = measured.map(({ size }) => size?.counts[part]);
  const some = measured.some(({ size }) => size !== undefined && publishedOf(size, part) !== undefined);
  return html`<tbody>
    <tr class="section">
      <th scope="rowgroup" colspan=${measured.length * 2}>${title}</th>
    </tr>
    ${numbers.map((name) => {
      const base = numberOf(all[0], name);
      return html`<tr>
        <th scope="row">${titles[name]}</th>
        ${all.map((counts, i) => {
          const value = numberOf(counts, name);
          return html`${numberCell(value, name)}${i === 0 ? nothing : changeCell(value, base, name, true)}`;
        })}
      </tr>`;
    })}
    ${
      some
        ? html`<tr class="published">
            <th scope="row">Published</th>
            ${measured.map(({ size }, i) => publishedCells(size, part, i === 0))}
          </tr>`
        : nothing
    }
  </tbody>`;
}

/** The published number is below the counts that it is compared with; the verdict where there is room. */
function publishedCells(size: ModelSize | undefined, part: Part, alone: boolean): TemplateResult {
  const published = size === undefined ? undefined : publishedOf(size, part);
  if (size === undefined || published === undefined) return html`<td colspan=${alone ? 1 : 2}></td>`;
  const { agrees, words, gap } = verdictOf(size.counts[part].stored, published.figure);
  const text =
    gap === 0 ? words : `${words}, ${Math.abs(gap) < 1e-4 ? figure(gap * 100, 2) + " %" : change(gap)}`;
  const verdict = html`<span class="verdict ${agrees ? "agrees" : "differs"}">${text}</span>`;
  const number = count(published.figure);
  return alone
    ? html`<td class="number alone" title=${published.source}>${verdict} ${number}</td>`
    : html`<td class="number" title=${published.source}>${number}</td>
        <td class="number">${verdict}</td>`;
}
