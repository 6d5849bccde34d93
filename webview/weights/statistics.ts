/** The distribution of a role in numbers, before and after. */
import { html, nothing, type TemplateResult } from "lit";
import type { Distribution } from "../../src/protocol/service/models";
import { formatCount, formatNumber, formatPercent } from "../../src/protocol/quantities";

type Line = readonly [title: string, text: (distribution: Distribution) => string];

const notFiniteLine: Line = ["Not a number", ({ notFinite = 0 }) => formatCount(notFinite)];

const lines: readonly Line[] = [
  ["Weights", ({ count: total }) => formatCount(total)],
  ["Mean", ({ mean }) => formatNumber(mean)],
  ["Standard deviation", ({ deviation }) => formatNumber(deviation)],
  ["Lowest", ({ min }) => formatNumber(min)],
  ["Highest", ({ max }) => formatNumber(max)],
  [
    "Zeros",
    ({ zeros, count: total }) => `${formatCount(zeros)} (${formatPercent(total === 0 ? 0 : zeros / total)})`,
  ],
];

export function renderStatistics(
  distributions: readonly Distribution[],
  titles: readonly string[],
  colors: readonly string[],
): TemplateResult {
  const visibleLines = distributions.some(({ notFinite = 0 }) => notFinite > 0)
    ? [...lines, notFiniteLine]
    : lines;
  const hasSeveral = distributions.length > 1;
  return html`<table class="statistics">
    ${
      hasSeveral
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
      ${visibleLines.map(
        ([title, text]) =>
          html`<tr>
            <th scope="row">${title}</th>
            ${distributions.map((each) => html`<td>${text(each)}</td>`)}
          </tr>`,
      )}
    </tbody>
  </table>`;
}
