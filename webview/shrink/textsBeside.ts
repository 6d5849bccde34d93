/** What the models write on from the same prompts, side by side; read when somebody asks for it. */
import { html, nothing, type TemplateResult } from "lit";
import { besideEachOther, type NamedSamples } from "../../src/protocol/blocks";
import type { Stage } from "../kit/stage";
import type { Host } from "../page";

interface Asked {
  readonly experiment: string | undefined;
  readonly samples: readonly NamedSamples[] | undefined;
}

export class TextsBeside {
  private asked: Asked | undefined;

  constructor(
    private readonly host: Host,
    private readonly stage: Stage,
  ) {}

  draw(
    experiment: string | undefined,
    lines: readonly { readonly name: string; readonly run: string }[],
  ): TemplateResult | typeof nothing {
    const { asked } = this;
    if (asked === undefined || asked.experiment !== experiment)
      return html`<button class="quiet" @click=${() => this.read(experiment, lines)}>
        Show the texts side by side
      </button>`;
    if (asked.samples === undefined) return html`<p class="hint" role="status">Reading the texts…</p>`;
    const rows = besideEachOther(asked.samples);
    if (rows.length === 0)
      return html`<p class="hint">
        No run of these has written a text. Add generate to an evaluate cell, with prompts.
      </p>`;
    return html`<section class="texts" tabindex="0" role="region" aria-label="Texts side by side">
      <table>
        <thead>
          <tr>
            <th scope="col">Prompt</th>
            ${asked.samples.map(({ name }) => html`<th scope="col">${name}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            ({ prompt, texts }) =>
              html`<tr>
                <th scope="row">${prompt}</th>
                ${texts.map((text) => html`<td>${text ?? "–"}</td>`)}
              </tr>`,
          )}
        </tbody>
      </table>
    </section>`;
  }

  private read(
    experiment: string | undefined,
    lines: readonly { readonly name: string; readonly run: string }[],
  ): void {
    this.asked = { experiment, samples: undefined };
    this.stage.redraw();
    this.stage.attempt(async () => {
      const read = await Promise.all(
        lines.map(async ({ name, run }): Promise<NamedSamples> => {
          const { steps } = await this.host.request("runs.results", { run });
          const blocks = steps.flatMap(({ blocks: own }) => own);
          return {
            name,
            samples: blocks.flatMap((block) => (block.kind === "samples" ? block.samples : [])),
          };
        }),
      );
      if (this.asked?.experiment !== experiment) return;
      this.asked = { experiment, samples: read.filter(({ samples }) => samples.length > 0) };
      this.stage.redraw();
    });
  }
}
