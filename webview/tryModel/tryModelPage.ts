/** The panel Try Model: up to three models answer the same prompt side by side. */
import { html, nothing, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import { getFileName } from "../../src/protocol/fileName";
import { formatCount } from "../../src/protocol/quantities";
import type { AnswerSettings } from "../../src/protocol/service/answers";
import type { Subject } from "../../src/protocol/service/models";
import { icons } from "../kit/icons";
import { renderLongName } from "../kit/longName";
import type { Panel, Stage } from "../kit/stage";
import { renderEmptyState } from "../kit/states";
import { SubjectPicker } from "../kit/subjectPicker";
import { renderTick } from "../kit/tick";
import type { Page } from "../page";
import { renderAnswer, renderLegend } from "./answerView";
import { Conversation, type Turn } from "./conversation";
import { renderSettings, usualSettings } from "./settingsView";
import { TriedModel } from "./triedModel";

export interface TryModelState {
  readonly subjects: readonly Subject[];
  /** The titles of the subjects; null where they are not known yet. */
  readonly titles?: readonly (string | null)[];
  readonly device: string | undefined;
  readonly prompt: string;
  readonly system: string;
  readonly isChat: boolean;
  readonly oneAfterTheOther: boolean;
  readonly settings: AnswerSettings;
}

const maxModels = 3;
const usualHint =
  "Point at a token, or move to a marked one with the Tab and arrow keys, to see its probabilities.";

export class TryModelPage implements Panel {
  private models: readonly TriedModel[] = [];
  private device: string | undefined;
  private prompt: string;
  private system: string;
  private isChat: boolean;
  private oneAfterTheOther: boolean;
  private settings: AnswerSettings;
  /** The probabilities of the token that is pointed at. */
  private pointed: string | undefined;
  private readonly conversation: Conversation;
  private readonly picker: SubjectPicker;
  private scrolledTurn: Turn | undefined;

  constructor(
    private readonly page: Page<"tryModel", TryModelState>,
    private readonly stage: Stage,
  ) {
    const { state, input, host } = page;
    this.device = state?.device ?? input.device;
    this.prompt = state?.prompt ?? "";
    this.system = state?.system ?? "";
    this.isChat = state?.isChat ?? true;
    this.oneAfterTheOther = state?.oneAfterTheOther ?? false;
    this.settings = state?.settings ?? usualSettings;
    this.conversation = new Conversation(host, () => stage.redraw());
    this.picker = new SubjectPicker("add", ["run", "path"], host, stage, (subject) =>
      this.setSubjects([...this.subjects, subject]),
    );
    host.on("modelServed", ({ server, model }) => {
      for (const each of this.models) each.served(server, model);
      this.changed();
    });
    host.on("inputChanged", ({ input: changed }) => {
      const { subjects, device } = changed as Page<"tryModel", TryModelState>["input"];
      this.device = device;
      this.setSubjects(subjects);
    });
    host.on("backendRestarted", () => {
      for (const model of this.models)
        if (model.state !== "unloaded") {
          model.close();
          this.load(model);
        }
    });
    host.on("runsChanged", ({ changed }) => {
      for (const model of this.models) model.rename(changed);
      stage.redraw();
    });
    // After a reload of the window, models are loaded with the next answer, not for nothing.
    if (state === undefined) this.setSubjects(input.subjects);
    else
      this.models = state.subjects.map((subject, i) =>
        this.createModel(subject, state.titles?.[i] ?? undefined),
      );
  }

  draw(): TemplateResult {
    if (this.models.length === 0)
      return renderEmptyState(
        "No model to try",
        "Add one to three models: runs, checkpoints or folders, such as the dense model and the shrunk one. They answer the same prompt side by side.",
        html`<span class="choices">${this.picker.draw("Add a model")} ${this.renderFolderButton()}</span>`,
      );
    return html`${this.renderToolbar()}
      <div class="conversation" tabindex="0" role="region" aria-label="Answers">
        <div
          class="grid ${this.models.some(({ state }) => state === "failed") ? "has-problem" : ""}"
          style="--models: ${this.models.length}"
        >
          ${this.models.map((model) => this.renderHead(model))}
          ${this.conversation.turns.map((turn) => this.renderTurn(turn))}
        </div>
        ${
          this.conversation.turns.length === 0
            ? html`<p class="hint">Write a prompt below. All models answer it.</p>`
            : nothing
        }
      </div>
      ${this.renderComposer()}`;
  }

  afterDraw(): void {
    // A new prompt comes into view; what a person has scrolled to remains after that.
    const turn = this.conversation.turns.at(-1);
    if (turn === this.scrolledTurn) return;
    this.scrolledTurn = turn;
    document.querySelector(".turn:last-of-type")?.scrollIntoView({ block: "start" });
  }

  private get subjects(): readonly Subject[] {
    return this.models.map(({ subject }) => subject);
  }

  private get isBusy(): boolean {
    return this.conversation.activity !== "idle";
  }

  private renderToolbar(): TemplateResult {
    const { turns } = this.conversation;
    return html`<div class="toolbar">
      ${
        this.models.length < maxModels && !this.isBusy
          ? html`${this.picker.draw("Add a model")} ${this.renderFolderButton()}`
          : nothing
      }
      ${renderSettings(this.settings, (changes) => {
        this.settings = { ...this.settings, ...changes };
        this.changed();
      })}
      ${
        this.models.length > 1
          ? html`<label
              class="check"
              title="Models that answer at the same time share the processor, which lowers their tokens per second."
              >${renderTick(this.oneAfterTheOther, (isTicked) => {
                this.oneAfterTheOther = isTicked;
                this.changed();
              })}
              One after the other</label
            >`
          : nothing
      }
      <span class="spring"></span>
      ${
        turns.length === 0
          ? nothing
          : html`<button class="quiet" ?disabled=${this.isBusy} @click=${() => this.conversation.clear()}>
              ${icons.trash} Clear
            </button>`
      }
    </div>`;
  }

  private renderFolderButton(): TemplateResult {
    return html`<button
      class="quiet"
      @click=${() =>
        this.stage.attempt(async () => {
          const title = "Select the folder of a model";
          const { path } = await this.page.host.request("page.pickFolder", { title });
          if (path !== undefined) this.setSubjects([...this.subjects, { kind: "path", path }]);
        })}
    >
      Open a folder…
    </button>`;
  }

  private renderHead(model: TriedModel): TemplateResult {
    const { info, state, problem } = model;
    const title = this.getTitle(model);
    return html`<div class="head">
      <div class="name-row">
        <h2 title=${title}>${renderLongName(title)}</h2>
        <button
          class="quiet"
          aria-label="Remove ${title}"
          title="Remove the model and free its memory"
          ?disabled=${this.isBusy}
          @click=${() => this.setSubjects(this.subjects.filter((each) => each !== model.subject))}
        >
          ${icons.close}
        </button>
      </div>
      ${
        state === "failed"
          ? html`<p class="problem" role="alert">${icons.warning}<span>${problem}</span></p>
              <button class="quiet" @click=${() => this.load(model)}>Load again</button>`
          : html`<p class="meta" role="status">
              ${
                state === "loading"
                  ? "Loading…"
                  : state === "unloaded"
                    ? "Loads with the next answer"
                    : `${info!.family} · ${formatCount(info!.parameters)} parameters · ${info!.device}`
              }
            </p>`
      }
      ${
        state !== "ready" || info!.notices.length === 0
          ? nothing
          : html`<details class="note">
              <summary>Notes</summary>
              ${info!.notices.map((notice) => html`<p>${notice}</p>`)}
            </details>`
      }
    </div>`;
  }

  private renderTurn(turn: Turn): TemplateResult {
    return html`<h3 class="turn">
        <span class="hidden">Prompt: </span>
        ${turn.prompt === "" ? html`<i>no prompt</i>` : html`<span class="verbatim">${turn.prompt}</span>`}
      </h3>
      ${this.models.map((model) => {
        const answer = turn.answers.get(model);
        return answer === undefined
          ? html`<div class="answer"><p class="meta">added later</p></div>`
          : renderAnswer({
              turn,
              model,
              answer,
              getTitle: (each) => this.getTitle(each),
              point: (text) => {
                this.pointed = text;
                this.stage.redraw();
              },
            });
      })}`;
  }

  private renderComposer(): TemplateResult {
    const { activity, turns } = this.conversation;
    const canChat = this.models.some(({ info }) => info?.hasChat === true);
    const isScored = turns.some(({ answers }) =>
      [...answers.values()].some(({ pieces, scores }) => pieces !== undefined && scores.size > 1),
    );
    return html`<form
      class="composer"
      @submit=${(event: Event) => {
        event.preventDefault();
        this.ask();
      }}
    >
      ${isScored ? renderLegend() : nothing}
      ${turns.length === 0 ? nothing : html`<p class="reading" aria-live="polite">${this.pointed ?? usualHint}</p>`}
      ${
        canChat
          ? html`<div class="chat">
              <label class="check"
                >${renderTick(this.isChat, (isTicked) => {
                  this.isChat = isTicked;
                  this.changed();
                })}
                Chat</label
              >
              ${
                this.isChat
                  ? html`<textarea
                      class="field"
                      rows="1"
                      aria-label="System prompt"
                      placeholder="System prompt (optional)"
                      .value=${live(this.system)}
                      @input=${(event: Event) => {
                        this.system = (event.target as HTMLTextAreaElement).value;
                        this.changed();
                      }}
                    ></textarea>`
                  : nothing
              }
            </div>`
          : nothing
      }
      <div class="prompt">
        <textarea
          class="field"
          rows="3"
          aria-label="Prompt"
          placeholder=${canChat && this.isChat ? "Message to the models" : "Text to continue"}
          .value=${live(this.prompt)}
          @input=${(event: Event) => {
            this.prompt = (event.target as HTMLTextAreaElement).value;
            this.changed();
          }}
          @keydown=${(event: KeyboardEvent) => {
            if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
            event.preventDefault();
            this.ask();
          }}
        ></textarea>
        ${
          activity === "idle"
            ? html`<vscode-button title="Generate (Ctrl+Enter)" @click=${() => this.ask()}
                >Generate</vscode-button
              >`
            : html`<vscode-button
                appearance="secondary"
                @click=${() => this.stage.attempt(() => this.conversation.stop())}
                >${icons.stop} Stop</vscode-button
              >`
        }
      </div>
      <p class="hidden" role="status">
        ${activity === "answering" ? "Generating" : activity === "scoring" ? "Scoring the tokens" : ""}
      </p>
    </form>`;
  }

  private getTitle({ title, subject }: TriedModel): string {
    if (title !== undefined) return title;
    return getFileName(
      subject.kind === "run" ? subject.run : subject.kind === "path" ? subject.path : subject.experiment,
    );
  }

  private ask(): void {
    if (this.isBusy) return;
    const { prompt, system, settings, oneAfterTheOther } = this;
    const isChat = this.isChat && this.models.some(({ info }) => info?.hasChat === true);
    this.stage.attempt(() =>
      this.conversation.ask({ prompt, system, isChat, oneAfterTheOther, settings }, this.models),
    );
    // The next message is another one; a text to continue is often changed and tried again.
    if (isChat) this.prompt = "";
    this.changed();
  }

  private createModel(subject: Subject, title?: string): TriedModel {
    const model = new TriedModel(subject, this.device, this.page.host, () => this.stage.redraw());
    model.title = title;
    return model;
  }

  /** A failure is shown at the model. */
  private load(model: TriedModel): void {
    model.load().catch(() => undefined);
  }

  private setSubjects(subjects: readonly Subject[]): void {
    const known = new Map(this.models.map((model) => [JSON.stringify(model.subject), model]));
    const keys = [...new Set(subjects.map((subject) => JSON.stringify(subject)))].slice(0, maxModels);
    this.models = keys.map((key) => known.get(key) ?? this.createModel(JSON.parse(key) as Subject));
    for (const model of known.values()) if (!this.models.includes(model)) model.close();
    for (const model of this.models) if (model.state === "unloaded") this.load(model);
    this.changed();
  }

  private changed(): void {
    const { subjects, device, prompt, system, isChat, oneAfterTheOther, settings } = this;
    const titles = this.models.map(({ title }) => title ?? null);
    this.page.keep({ subjects, titles, device, prompt, system, isChat, oneAfterTheOther, settings });
    this.stage.redraw();
  }
}
