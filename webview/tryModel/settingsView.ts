/** The settings of generation as fields. A field with a value that is not allowed keeps the last one that was. */
import { html, type TemplateResult } from "lit";
import type { AnswerSettings } from "../../src/protocol/service/answers";

interface Field {
  readonly key: keyof AnswerSettings;
  readonly label: string;
  readonly title: string;
  readonly min: number;
  readonly max: number;
  readonly step: number | "any";
}

/** As `lathe generate` has them. */
export const usualSettings: AnswerSettings = { maxNewTokens: 64, temperature: 0, topP: 1, topK: 50, seed: 0 };

const fields: readonly Field[] = [
  {
    key: "temperature",
    label: "Temperature",
    title: "Divisor of the logits; 0 takes the most likely token each time",
    ...{ min: 0, max: 10, step: "any" },
  },
  {
    key: "topP",
    label: "Top p",
    title: "Sample from the fewest tokens with this total probability; no effect at temperature 0",
    ...{ min: 0, max: 1, step: "any" },
  },
  {
    key: "topK",
    label: "Top k",
    title: "Sample from this many most likely tokens, 0 for all; no effect at temperature 0",
    ...{ min: 0, max: 1_000_000, step: 1 },
  },
  {
    key: "maxNewTokens",
    label: "Max tokens",
    title: "Most tokens of an answer",
    ...{ min: 1, max: 4096, step: 1 },
  },
  {
    key: "seed",
    label: "Seed",
    title: "Equal seeds sample equal tokens; no effect at temperature 0",
    ...{ min: 0, max: 0x7fffffff, step: 1 },
  },
];

export function renderSettings(
  settings: AnswerSettings,
  change: (changes: Partial<AnswerSettings>) => void,
): TemplateResult {
  // A drawing while somebody types, as with each token of an answer, leaves the field as it is.
  return html`<div class="settings" role="group" aria-label="Settings">
    ${fields.map(
      ({ key, label, title, min, max, step }) =>
        html`<label class="labeled" title=${title}
          ><span class="label">${label}</span
          ><input
            class="number"
            type="number"
            min=${min}
            max=${max}
            step=${step}
            .value=${String(settings[key])}
            @change=${(event: Event) => {
              const input = event.target as HTMLInputElement;
              if (input.validity.valid && input.value !== "") change({ [key]: input.valueAsNumber });
              else input.value = String(settings[key]);
            }}
        /></label>`,
    )}
  </div>`;
}
