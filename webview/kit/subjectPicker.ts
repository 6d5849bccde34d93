/** Chooses a model that a page is to show: the last checkpoint of a run, a model on disk, or what an experiment would make. */
import { html, nothing, type TemplateResult } from "lit";
import type { ExperimentEntry } from "../../src/protocol/service/experiments";
import type { Subject } from "../../src/protocol/service/models";
import type { Host } from "../page";
import { fileName } from "../../src/protocol/fileName";
import { moment } from "../../src/protocol/quantities";
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
        placeholder=${this.kinds.includes("plan") ? "Find a run, a model or an experiment" : "Find a run or a model"}
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
            ? html`<p class="muted">${this.noneFound()}</p>`
            : nothing
        }
        ${sections.map(
          (section) =>
            html`<h3>${section}</h3>
              ${shown.filter((choice) => choice.section === section).map((choice) => this.choice(choice))}`,
        )}
        ${found.length > shown.length ? html`<p class="muted">${found.length - shown.length} more. Type to find them.</p>` : nothing}
      </div>`;
  }

  private noneFound(): string {
    const next = this.kinds.includes("plan")
      ? "Runs appear here once they have a model, experiments as soon as their file exists."
      : "Weights exist only after a run. Run the experiment; the run appears here with its first checkpoint.";
    return (this.choices ?? []).length === 0
      ? `Nothing to show yet. ${next}`
      : `Nothing matches this name. ${next}`;
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
    const [{ runs }, { models }, { experiments }] = await Promise.all([
      this.host.request("runs.list", {}),
      this.host.request("models.list", {}),
      this.kinds.includes("plan")
        ? this.host.request("experiments.list", {})
        : { experiments: [] as readonly ExperimentEntry[] },
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
    const planned = experiments.flatMap(({ file, title, variants }) => {
      const name = fileName(file).replace(/\.lathe\.md$/, "");
      const choice = (shown: string, variant?: string): Choice => ({
        section: "Experiments",
        title: shown,
        detail: title === name ? "as planned" : title,
        subject: { kind: "plan", experiment: file, ...(variant === undefined ? {} : { variant }) },
      });
      return variants.length === 0
        ? [choice(name)]
        : variants.map((variant) => choice(`${name}, ${variant}`, variant));
    });
    return [...ofRuns, ...planned, ...ofModels].filter(({ subject }) => this.kinds.includes(subject.kind));
  }
}
