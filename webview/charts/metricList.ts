/** The metrics of the shown runs, grouped by prefix. */
import { html, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { renderTick } from "../kit/tick";
import { splitMetric } from "./chartGroups";

/** Without the prefix, which is above it; a loss is never just a loss. */
function getName(metric: string): string {
  const { rest } = splitMetric(metric);
  return rest === "loss" ? metric : rest;
}

export function renderMetricList(
  metrics: readonly string[],
  selected: ReadonlySet<string>,
  onTick: (metric: string, isTicked: boolean) => void,
): TemplateResult {
  const groups = new Map<string, string[]>();
  for (const metric of metrics) {
    const { prefix } = splitMetric(metric);
    groups.set(prefix, [...(groups.get(prefix) ?? []), metric]);
  }
  return html`<div class="metrics" role="group" aria-label="Metrics">
    ${repeat(
      groups,
      ([prefix]) => prefix,
      ([prefix, members]) =>
        html`<div class="prefix muted">${prefix}/</div>
          <ul class="choices" aria-label=${`Metrics of ${prefix}`}>
            ${repeat(
              members,
              (metric) => metric,
              (metric) =>
                html`<li>
                  <label title=${metric}>
                    ${renderTick(selected.has(metric), (isTicked) => onTick(metric, isTicked))}
                    <span class="name">${getName(metric)}</span>
                  </label>
                </li>`,
            )}
          </ul>`,
    )}
  </div>`;
}
