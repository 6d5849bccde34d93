/** The metrics of the shown runs, grouped by prefix. */
import { html, type TemplateResult } from "lit";
import { splitMetric } from "./chartGroups";

export function renderMetricList(
  metrics: readonly string[],
  selected: ReadonlySet<string>,
  onToggle: (metric: string) => void,
): TemplateResult {
  const groups = new Map<string, string[]>();
  for (const metric of metrics) {
    const { prefix } = splitMetric(metric);
    groups.set(prefix, [...(groups.get(prefix) ?? []), metric]);
  }
  return html`<div class="metrics" role="group" aria-label="Metrics">
    ${[...groups].map(
      ([prefix, members]) =>
        html`<div class="prefix muted">${prefix}/</div>
          <ul class="choices" aria-label=${`Metrics of ${prefix}`}>
            ${members.map(
              (metric) =>
                html`<li>
                  <label title=${metric}>
                    <input
                      type="checkbox"
                      .checked=${selected.has(metric)}
                      @change=${() => onToggle(metric)}
                    />
                    <span class="name">${splitMetric(metric).rest}</span>
                  </label>
                </li>`,
            )}
          </ul>`,
    )}
  </div>`;
}
