/** What the models write on from the same prompts, side by side; read when somebody asks for it. */
import { html, nothing, type TemplateResult } from "lit";
import { alignSamples, type NamedSamples } from "../../src/protocol/blocks";
import type { Stage } from "../kit/stage";
import type { Host } from "../../src/protocol/page";

interface SampleRequest {
  readonly experiment: string | undefined;
  readonly samples: readonly NamedSamples[] | undefined;
}

export class SampleComparison {
  private request: SampleRequest | undefined;

  constructor(
    private readonly host: Host,
    private readonly stage: Stage,
  ) {}

  draw(
    experiment: string | undefined,
    lines: readonly { readonly name: string; readonly run: string }[],
  ): TemplateResult | typeof nothing {
    const { request } = this;
    if (request === undefined || request.experiment !== experiment)
      return html`<button class="quiet" @click=${() => this.read(experiment, lines)}>
        Show the texts side by side
      </button>`;
    if (request.samples === undefined) return html`<p class="hint" role="status">Reading the texts…</p>`;
    const rows = alignSamples(request.samples);
    if (rows.length === 0)
      return html`<p class="hint">
        No run of these has written a text. Add generate to an evaluate cell, with prompts.
      </p>`;
    return html`<section class="texts" tabindex="0" role="region" aria-label="Texts side by side">
      <table>
        <thead>
          <tr>
            <th scope="col">Prompt</th>
            ${request.samples.map(({ name }) => html`<th scope="col">${name}</th>`)}
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
    this.request = { experiment, samples: undefined };
    this.stage.redraw();
    this.stage.attempt(async () => {
      const lists = await Promise.all(
        lines.map(async ({ name, run }): Promise<NamedSamples> => {
          const { steps } = await this.host.request("runs.results", { run });
          const blocks = steps.flatMap(({ blocks: stepBlocks }) => stepBlocks);
          return {
            name,
            samples: blocks.flatMap((block) => (block.kind === "samples" ? block.samples : [])),
          };
        }),
      );
      if (this.request?.experiment !== experiment) return;
      this.request = { experiment, samples: lists.filter(({ samples }) => samples.length > 0) };
      this.stage.redraw();
    });
  }
}
