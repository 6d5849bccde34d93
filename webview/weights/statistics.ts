/** The distribution of a role in numbers, before and after. */
import { html, nothing, type TemplateResult } from "lit";
import type { Distribution } from "../../src/protocol/service/models";
import { count, figure, percent } from "../../src/protocol/quantities";

type Line = readonly [title: string, text: (distribution: Distribution) => string];

const notNumbers: Line = ["Not a number", ({ notFinite = 0 }) => count(notFinite)];

const lines: readonly Line[] = [
  ["Weights", ({ count: all }) => count(all)],
  ["Mean", ({ mean }) => figure(mean)],
  ["Standard deviation", ({ deviation }) => figure(deviation)],
  ["Lowest", ({ min }) => figure(min)],
  ["Highest", ({ max }) => figure(max)],
  ["Zeros", ({ zeros, count: all }) => `${count(zeros)} (${percent(all === 0 ? 0 : zeros / all)})`],
];

export function statisticsView(
  distributions: readonly Distribution[],
  titles: readonly string[],
  colors: readonly string[],
): TemplateResult {
  const shown = distributions.some(({ notFinite = 0 }) => notFinite > 0) ? [...lines, notNumbers] : lines;
  const several = distributions.length > 1;
  return html`<table class="statistics">
    ${
      several
        ? html`<thead>
            <tr>
              <td></td>
              ${titles.map(
                (title, i) =>
                  html`<th scope="col">
                    <i class=${i === 0 ? "bar" : "line"} style="--color:${colors[i]!}"></i>${title}
                  </th>`,
              )}
            </tr>
          </thead>`
        : nothing
    }
    <tbody>
      ${shown.map(
        ([title, text]) =>
          html`<tr>
            <th scope="row">${title}</th>
            ${distributions.map((each) => html`<td>${text(each)}</td>`)}
          </tr>`,
      )}
    </tbody>
  </table>`;
}
