/** The roles of the models, gathered in layers that open and close. One model shows all its numbers, several one of them. */
import { html, nothing, type TemplateResult } from "lit";
import type { Counts } from "../../src/protocol/counts";
import type { ModelSize } from "../../src/protocol/service/models";
import { missingText, pluralize } from "../../src/protocol/quantities";
import { icons } from "../kit/icons";
import { renderChangeCell, renderNumberCell, renderShareCell } from "./cells";
import { type CountName, getNumber, countNames, type Part, type SizeGroup, countTitles } from "./sizeRows";

export interface RoleTablePage {
  readonly part: Part;
  readonly number: CountName;
  isOpen(group: SizeGroup): boolean;
  toggle(group: SizeGroup): void;
}

export function renderRoleTable(
  models: readonly ModelSize[],
  groups: readonly SizeGroup[],
  page: RoleTablePage,
): TemplateResult {
  return html`<table class="roles ${models.length === 1 ? "one" : "several"}">
    <thead>
      ${models.length === 1 ? renderSingleHead() : renderComparisonHead(models, page.number)}
    </thead>
    ${groups.map((group) => {
      const open = page.isOpen(group);
      return html`<tbody>
        <tr class="layer">
          <th scope="rowgroup">
            <button class="quiet" aria-expanded=${open} @click=${() => page.toggle(group)}>
              ${open ? icons.down : icons.right}<b>${group.title}</b>
              <span class="muted">${pluralize(group.rows.length, "role")}</span>
            </button>
          </th>
          ${renderCells(models, group.sums, group.representations, page)}
        </tr>
        ${
          open
            ? group.rows.map(
                ({ role, title, counts }) =>
                  html`<tr>
                    <th scope="row" title=${role}>${title}</th>
                    ${renderCells(
                      models,
                      counts,
                      counts.map((each) => each?.representation ?? ""),
                      page,
                    )}
                  </tr>`,
              )
            : nothing
        }
      </tbody>`;
    })}
  </table>`;
}

function renderSingleHead(): TemplateResult {
  return html`<tr>
    <th scope="col">Role</th>
    <th scope="col">Representation</th>
    ${countNames.map((name) => html`<th scope="col" class="number">${countTitles[name]}</th>`)}
    <th scope="col">Share of bytes</th>
  </tr>`;
}

function renderComparisonHead(models: readonly ModelSize[], number: CountName): TemplateResult {
  return html`<tr>
      <th scope="col" rowspan="2">Role</th>
      ${models.map(({ title }, i) => html`<th scope="colgroup" class="first" colspan=${i === 0 ? 3 : 4}>${title}</th>`)}
    </tr>
    <tr>
      ${models.map(
        (_, i) =>
          html`<th scope="col" class="first">Representation</th>
            <th scope="col" class="number">${countTitles[number]}</th>
            ${i === 0 ? nothing : html`<th scope="col" class="number">Change</th>`}
            <th scope="col" class="number">Share</th>`,
      )}
    </tr>`;
}

function renderCells(
  models: readonly ModelSize[],
  modelCounts: readonly (Counts | undefined)[],
  representations: readonly string[],
  { part, number }: RoleTablePage,
): TemplateResult {
  const renderRepresentation = (i: number) =>
    html`<td class="first form" title=${representations[i] ?? ""}>${representations[i] || missingText}</td>`;
  if (models.length === 1) {
    const totalBytes = models[0]!.counts[part].bytes;
    return html`${renderRepresentation(0)}
    ${countNames.map((name) => renderNumberCell(getNumber(modelCounts[0], name), name))}
    ${renderShareCell(modelCounts[0]?.bytes, totalBytes)}`;
  }
  // Bits per weight have no share; the share of the bytes shows their effect.
  const shared = number === "bitsPerWeight" ? "bytes" : number;
  const base = getNumber(modelCounts[0], number);
  return html`${models.map(({ counts }, i) => {
    const value = getNumber(modelCounts[i], number);
    return html`${renderRepresentation(i)} ${renderNumberCell(value, number)}
    ${i === 0 ? nothing : renderChangeCell(value, base, number)}
    ${renderShareCell(modelCounts[i]?.[shared], counts[part][shared])}`;
  })}`;
}
