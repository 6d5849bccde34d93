/** The metrics of the shown runs, grouped by prefix. */
import { html, type TemplateResult } from "lit";
import { parts } from "./chartGroups";

export function metricList(
  metrics: readonly string[],
  chosen: ReadonlySet<string>,
  onToggle: (metric: string) => void,
): TemplateResult {
  const groups = new Map<string, string[]>();
  for (const metric of metrics) {
    const { prefix } = parts(metric);
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
                    <input type="checkbox" .checked=${chosen.has(metric)} @change=${() => onToggle(metric)} />
                    <span class="name">${parts(metric).rest}</span>
                  </label>
                </li>`,
            )}
          </ul>`,
    )}
  </div>`;
}
