/** Chooses a model that a page is to show: the last checkpoint of a run, a model on disk, or what an experiment would make. */
import { html, nothing, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import { repeat } from "lit/directives/repeat.js";
import type { ExperimentEntry } from "../../src/protocol/service/experiments";
import type { Subject } from "../../src/protocol/service/models";
import type { Host } from "../../src/protocol/page";
import { getFileName } from "../../src/protocol/fileName";
import { formatDateTime } from "../../src/protocol/quantities";
import { icons } from "./icons";
import { placeBelow } from "./menu";
import type { Stage } from "./stage";
import { getValue } from "./toolkit";

interface Choice {
  readonly section: string;
  readonly title: string;
  readonly detail: string;
  readonly subject: Subject;
}

/** More than a person looks through; the search narrows them down. */
const maxShown = 100;

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
        @toggle=${(event: ToggleEvent) => this.onToggle(event)}
      >
        ${this.open ? this.renderList() : nothing}
      </div>`;
  }

  private renderList(): TemplateResult {
    const words = this.search.toLowerCase().split(/\s+/);
    const matches = (this.choices ?? []).filter(({ title, detail, section }) =>
      words.every((word) => `${title} ${detail} ${section}`.toLowerCase().includes(word)),
    );
    const visible = matches.slice(0, maxShown);
    const sections = [...new Set(visible.map(({ section }) => section))];
    return html`<vscode-textfield
        placeholder=${this.kinds.includes("plan") ? "Find a run, a model or an experiment" : "Find a run or a model"}
        .label=${"Find a model"}
        autofocus
        .value=${live(this.search)}
        @input=${(event: Event) => {
          this.search = getValue(event);
          this.stage.redraw();
        }}
      ></vscode-textfield>
      <div class="subjects" tabindex="-1">
        ${this.choices === undefined ? html`<p class="muted">Looking for models…</p>` : nothing}
        ${
          this.choices !== undefined && matches.length === 0
            ? html`<p class="muted">${this.renderNoMatch()}</p>`
            : nothing
        }
        ${sections.map(
          (section) =>
            html`<h3>${section}</h3>
              ${repeat(
                visible.filter((choice) => choice.section === section),
                ({ subject }) => JSON.stringify(subject),
                (choice) => this.renderChoice(choice),
              )}`,
        )}
        ${matches.length > visible.length ? html`<p class="muted">${matches.length - visible.length} more. Type to find them.</p>` : nothing}
      </div>`;
  }

  private renderNoMatch(): string {
    const next = this.kinds.includes("plan")
      ? "Runs appear here once they have a model, experiments as soon as their file exists."
      : "Weights exist only after a run. Run the experiment; the run appears here with its first checkpoint.";
    return (this.choices ?? []).length === 0
      ? `Nothing to show yet. ${next}`
      : `Nothing matches this name. ${next}`;
  }

  private renderChoice({ title, detail, subject }: Choice): TemplateResult {
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

  private onToggle(event: ToggleEvent): void {
    this.open = event.newState === "open";
    placeBelow(event.currentTarget as HTMLElement, document.getElementById(`${this.id}-button`)!);
    if (this.open)
      this.stage.attempt(async () => {
        this.choices = await this.loadChoices();
        this.stage.redraw();
      });
    this.stage.redraw();
  }

  private async loadChoices(): Promise<readonly Choice[]> {
    const [{ runs }, { models }, { experiments }] = await Promise.all([
      this.host.request("runs.list", {}),
      this.host.request("models.list", {}),
      this.kinds.includes("plan")
        ? this.host.request("experiments.list", {})
        : { experiments: [] as readonly ExperimentEntry[] },
    ]);
    const runChoices = runs
      .filter(({ counts }) => counts !== undefined)
      .map(({ folder, name, createdAt, variant }): Choice => ({
        section: "Runs",
        title: name,
        detail: [variant, formatDateTime(createdAt)].filter((part) => part !== "").join(", "),
        subject: { kind: "run", run: folder },
      }));
    const modelChoices = models.map(({ path, title, kind, step }): Choice => ({
      section: kind === "checkpoint" ? "Checkpoints" : "Exported models",
      title,
      detail: step === undefined ? getFileName(path) : `step ${step}`,
      subject: { kind: "path", path },
    }));
    const planChoices = experiments.flatMap(({ file, title, variants }) => {
      const name = getFileName(file).replace(/\.lathe\.md$/, "");
      const createChoice = (label: string, variant?: string): Choice => ({
        section: "Experiments",
        title: label,
        detail: title === name ? "as planned" : title,
        subject: { kind: "plan", experiment: file, ...(variant === undefined ? {} : { variant }) },
      });
      return variants.length === 0
        ? [createChoice(name)]
        : variants.map((variant) => createChoice(`${name}, ${variant}`, variant));
    });
    return [...runChoices, ...planChoices, ...modelChoices].filter(({ subject }) =>
      this.kinds.includes(subject.kind),
    );
  }
}
