/** The roles of the models, gathered in layers that open and close. One model shows all its numbers, several one of them. */
import { html, nothing, type TemplateResult } from "lit";
import type { Counts } from "../../src/protocol/counts";
import type { ModelSize } from "../../src/protocol/service/models";
import { missing, plural } from "../../src/protocol/quantities";
import { icons } from "../kit/icons";
import { changeCell, numberCell, shareCell } from "./cells";
import { type CountName, numberOf, numbers, type Part, type SizeGroup, titles } from "./sizeRows";

export interface RoleTablePage {
  readonly part: Part;
  readonly number: CountName;
  isOpen(group: SizeGroup): boolean;
  toggle(group: SizeGroup): void;
}

export function roleTable(
  models: readonly ModelSize[],
  groups: readonly SizeGroup[],
  page: RoleTablePage,
): TemplateResult {
  return html`<table class="roles ${models.length === 1 ? "one" : "several"}">
    <thead>
      ${models.length === 1 ? oneHead() : manyHead(models, page.number)}
    </thead>
    ${groups.map((group) => {
      const open = page.isOpen(group);
      return html`<tbody>
        <tr class="layer">
          <th scope="rowgroup">
            <button class="quiet" aria-expanded=${open} @click=${() => page.toggle(group)}>
              ${open ? icons.down : icons.right}<b>${group.title}</b>
              <span class="muted">${plural(group.rows.length, "role")}</span>
            </button>
          </th>
          ${cells(models, group.sums, group.representations, page)}
        </tr>
        ${
          open
            ? group.rows.map(
                ({ role, title, counts }) =>
                  html`<tr>
                    <th scope="row" title=${role}>${title}</th>
                    ${cells(
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

function oneHead(): TemplateResult {
  return html`<tr>
    <th scope="col">Role</th>
    <th scope="col">Representation</th>
    ${numbers.map((name) => html`<th scope="col" class="number">${titles[name]}</th>`)}
    <th scope="col">Share of bytes</th>
  </tr>`;
}

function manyHead(models: readonly ModelSize[], number: CountName): TemplateResult {
  return html`<tr>
      <th scope="col" rowspan="2">Role</th>
      ${models.map(({ title }, i) => html`<th scope="colgroup" class="first" colspan=${i === 0 ? 3 : 4}>${title}</th>`)}
    </tr>
    <tr>
      ${models.map(
        (_, i) =>
          html`<th scope="col" class="first">Representation</th>
            <th scope="col" class="number">${titles[number]}</th>
            ${i === 0 ? nothing : html`<th scope="col" class="number">Change</th>`}
            <th scope="col" class="number">Share</th>`,
      )}
    </tr>`;
}

function cells(
  models: readonly ModelSize[],
  all: readonly (Counts | undefined)[],
  representations: readonly string[],
  { part, number }: RoleTablePage,
): TemplateResult {
  const form = (i: number) =>
    html`<td class="first form" title=${representations[i] ?? ""}>${representations[i] || missing}</td>`;
  if (models.length === 1) {
    const whole = models[0]!.counts[part].bytes;
    return html`${form(0)} ${numbers.map((name) => numberCell(numberOf(all[0], name), name))}
    ${shareCell(all[0]?.bytes, whole)}`;
  }
  // Bits per weight have no share; the share of the bytes shows their effect.
  const shared = number === "bitsPerWeight" ? "bytes" : number;
  const base = numberOf(all[0], number);
  return html`${models.map(({ counts }, i) => {
    const value = numberOf(all[i], number);
    return html`${form(i)} ${numberCell(value, number)} ${i === 0 ? nothing : changeCell(value, base, number)}
    ${shareCell(all[i]?.[shared], counts[part][shared])}`;
  })}`;
}
