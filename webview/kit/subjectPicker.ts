/** Chooses a model that a page is to show: the last checkpoint of a run, a model on disk, or what an experiment would make. */
import { html, nothing, type TemplateResult } from "lit";
import type { Subject } from "../../src/protocol/service/models";
import type { Host } from "../page";
import { fileName, moment } from "./format";
import { icons } from "./icons";
import { named } from "./named";
import { placeBelow } from "./menu";
import type { Stage } from "./stage";
import { valueOf } from "./toolkit";

interface Choice {
  readonly section: string;
  readonly title: string;
  readonly detail: string;
  readonly subject: Subject;
}

/** More than a person looks through; the search narrows them down. */
const mostShown = 100;

export class SubjectPicker {
  private choices: readonly Choice[] | undefined;
  private search = "";
  private open = false;

  constructor(
    private readonly id: string,
    private readonly kinds: readonly Subject["kind"][],
    private readonly host: Host,
    private readonly stage: Stage,
    private readonly choose: (subject: Subject) => void,
  ) {}

  draw(label: string, icon: TemplateResult | typeof nothing = icons.add): TemplateResult {
    return html`<button class="quiet" id="${this.id}-button" popovertarget="${this.id}-menu">
        ${icon} ${label}
      </button>
      <div
        popover
        id="${this.id}-menu"
        class="menu"
        role="dialog"
        aria-label=${label}
        @toggle=${(event: ToggleEvent) => this.toggled(event)}
      >
        ${this.open ? this.list() : nothing}
      </div>`;
  }

  private list(): TemplateResult {
    const words = this.search.toLowerCase().split(/\s+/);
    const found = (this.choices ?? []).filter(({ title, detail, section }) =>
      words.every((word) => `${title} ${detail} ${section}`.toLowerCase().includes(word)),
    );
    const shown = found.slice(0, mostShown);
    const sections = [...new Set(shown.map(({ section }) => section))];
    return html`<vscode-text-field
        placeholder="Find a run, a model or an experiment"
        ${named("Find a model")}
        autofocus
        .value=${this.search}
        @input=${(event: Event) => {
          this.search = valueOf(event);
          this.stage.redraw();
        }}
      ></vscode-text-field>
      <div class="subjects" tabindex="-1">
        ${this.choices === undefined ? html`<p class="muted">Looking for models…</p>` : nothing}
        ${
          this.choices !== undefined && found.length === 0
            ? html`<p class="muted">
                There is none of that name. A model appears here once a run has made a checkpoint.
              </p>`
            : nothing
        }
        ${sections.map(
          (section) =>
            html`<h3>${section}</h3>
              ${shown.filter((choice) => choice.section === section).map((choice) => this.choice(choice))}`,
        )}
        ${found.length > shown.length ? html`<p class="muted">${found.length - shown.length} more: type to find them.</p>` : nothing}
      </div>`;
  }

  private choice({ title, detail, subject }: Choice): TemplateResult {
    return html`<button
      class="quiet choice"
      @click=${() => {
        document.getElementById(`${this.id}-menu`)?.hidePopover();
        this.choose(subject);
      }}
    >
      <span>${title}</span><span class="muted">${detail}</span>
    </button>`;
  }

  private toggled(event: ToggleEvent): void {
    this.open = event.newState === "open";
    placeBelow(event.currentTarget as HTMLElement, document.getElementById(`${this.id}-button`)!);
    if (this.open)
      this.stage.attempt(async () => {
        this.choices = await this.find();
        this.stage.redraw();
      });
    this.stage.redraw();
  }

  private async find(): Promise<readonly Choice[]> {
    const [{ runs }, { models }] = await Promise.all([
      this.host.request("runs.list", {}),
      this.host.request("models.list", {}),
    ]);
    const ofRuns = runs
      .filter(({ counts }) => counts !== undefined)
      .map(({ folder, name, createdAt, variant }): Choice => ({
        section: "Runs",
        title: name,
        detail: [variant, moment(createdAt)].filter((part) => part !== "").join(", "),
        subject: { kind: "run", run: folder },
      }));
    const ofModels = models.map(({ path, title, kind, step }): Choice => ({
      section: kind === "checkpoint" ? "Checkpoints" : "Exported models",
      title,
      detail: step === undefined ? fileName(path) : `step ${step}`,
      subject: { kind: "path", path },
    }));
    const planned = new Map<string, Choice>();
    for (const { experiment, variant } of runs) {
      if (experiment === undefined) continue;
      planned.set(`${experiment}\n${variant}`, {
        section: "Experiments",
        title: variant === "" ? fileName(experiment) : `${fileName(experiment)}, ${variant}`,
        detail: "as planned",
        subject: { kind: "plan", experiment, ...(variant === "" ? {} : { variant }) },
      });
    }
    return [...ofRuns, ...planned.values(), ...ofModels].filter(({ subject }) =>
      this.kinds.includes(subject.kind),
    );
  }
}
