/** The panel Parameters: the five numbers of one or more models, in total and by role, against the first of them. */
import { html, type TemplateResult } from "lit";
import { toWorkbenchError } from "../../src/protocol/errors";
import type { ModelSize, Subject } from "../../src/protocol/service/models";
import { icons } from "../kit/icons";
import type { Panel, Stage } from "../kit/stage";
import { renderEmptyState } from "../kit/states";
import { SubjectPicker } from "../kit/subjectPicker";
import { updateTitle } from "../kit/subjectTitles";
import { renderSelect } from "../kit/select";
import type { Page } from "../page";
import { formatCsv, formatTabSeparated } from "../../src/protocol/csv";
import { renderRoleTable } from "./roleTable";
import {
  groupRoles,
  type CountName,
  type MeasuredModel,
  countNames,
  type Part,
  type SizeGroup,
  countTitles,
} from "./sizeRows";
import { createSizeRows } from "./sizesCsv";
import { renderTotals } from "./totalsView";

export interface SizesState {
  readonly subjects: readonly Subject[];
  readonly part: Part;
  readonly number: CountName;
  readonly byShare: boolean;
  /** Groups that are the other way than usual. */
  readonly toggled: readonly string[];
}

/** More groups than this are closed at first. */
const maxOpenGroups = 3;

export class SizesPage implements Panel {
  private measured: readonly MeasuredModel[] = [];
  private part: Part;
  private number: CountName;
  private byShare: boolean;
  private readonly toggled: Set<string>;
  private readonly picker: SubjectPicker;

  constructor(
    private readonly page: Page<"parameters", SizesState>,
    private readonly stage: Stage,
  ) {
    const { state } = page;
    this.part = state?.part ?? "total";
    this.number = state?.number ?? "stored";
    this.byShare = state?.byShare ?? false;
    this.toggled = new Set(state?.toggled);
    this.picker = new SubjectPicker("add", ["run", "path", "plan"], page.host, stage, (subject) =>
      this.setSubjects([...this.subjects, subject]),
    );
    page.host.on("inputChanged", ({ input }) => {
      this.setSubjects((input as { readonly subjects: readonly Subject[] }).subjects);
    });
    page.host.on("backendRestarted", () => this.measure(this.subjects));
    page.host.on("runsChanged", ({ changed }) => {
      this.measured = this.measured.map((each) => {
        if (each.size === undefined) return each;
        const title = updateTitle(each.size.title, each.subject, changed);
        return { ...each, size: { ...each.size, title } };
      });
      stage.redraw();
    });
    this.measure(state?.subjects ?? page.input.subjects);
  }

  draw(): TemplateResult {
    if (this.measured.length === 0)
      return renderEmptyState(
        "No model to count",
        "Add a run, an experiment or a model on disk to see its parameters and bytes, role by role. With two or more, the changes against the first are shown.",
        this.picker.draw("Add a model"),
      );
    const models = this.getModels();
    const groups = this.getGroups(models);
    return html`${this.renderToolbar(models)}
      <div class="scroll" tabindex="0" role="region" aria-label="Sizes">
        ${renderTotals(this.measured, {
          remove: (subject) => this.setSubjects(this.subjects.filter((each) => each !== subject)),
          first: (subject) =>
            this.setSubjects([subject, ...this.subjects.filter((each) => each !== subject)]),
        })}
        ${
          models.length === 0
            ? html``
            : renderRoleTable(models, groups, {
                part: this.part,
                number: this.number,
                isOpen: ({ key }) => this.isOpen(key, groups.length),
                toggle: ({ key }) => this.toggle(key),
              })
        }
      </div>`;
  }

  private renderToolbar(models: readonly ModelSize[]): TemplateResult {
    const renderChoice = <T extends string>(
      label: string,
      value: T,
      choices: readonly (readonly [T, string])[],
      set: (value: T) => void,
    ) =>
      html`<span class="labeled"
        ><span class="label" aria-hidden="true">${label}</span> ${renderSelect({
          label,
          value,
          choices,
          onSelect: (selected) => {
            set(selected);
            this.changed();
          },
        })}</span
      >`;
    const groups = this.getGroups(models);
    return html`<div class="toolbar">
      ${this.picker.draw("Add a model")}
      ${renderChoice(
        "Roles of",
        this.part,
        [
          ["total", "whole model"],
          ["nonEmbedding", "non-embedding"],
        ],
        (part) => (this.part = part),
      )}
      ${
        models.length < 2
          ? html``
          : renderChoice(
              "Compare",
              this.number,
              countNames.map((name) => [name, countTitles[name].toLowerCase()] as const),
              (number) => {
                this.number = number;
              },
            )
      }
      ${renderChoice(
        "Order",
        this.byShare ? "share" : "model",
        [
          ["model", "as in the model"],
          ["share", "largest first"],
        ],
        (order) => {
          this.byShare = order === "share";
        },
      )}
      <span class="spring"></span>
      <button class="quiet" @click=${() => this.setAllOpen(groups, true)}>Open all</button>
      <button class="quiet" @click=${() => this.setAllOpen(groups, false)}>Close all</button>
      <button
        class="quiet"
        @click=${() => this.stage.attempt(() => this.page.host.request("page.copy", { text: formatTabSeparated(createSizeRows(models)) }))}
      >
        ${icons.copy} Copy
      </button>
      <button
        class="quiet"
        @click=${() =>
          this.stage.attempt(() =>
            this.page.host.request("page.save", {
              name: "parameters.csv",
              content: { text: formatCsv(createSizeRows(models)) },
            }),
          )}
      >
        ${icons.export} Export CSV
      </button>
    </div>`;
  }

  private get subjects(): readonly Subject[] {
    return this.measured.map(({ subject }) => subject);
  }

  private getModels(): readonly ModelSize[] {
    return this.measured.flatMap(({ size }) => size ?? []);
  }

  private getGroups(models: readonly ModelSize[]): readonly SizeGroup[] {
    const groups = groupRoles(models, this.part);
    if (!this.byShare) return groups;
    const findLargest = (counts: readonly ({ readonly bytes: number } | undefined)[]) =>
      Math.max(0, ...counts.map((each) => each?.bytes ?? 0));
    return groups
      .map((group) => ({
        ...group,
        rows: [...group.rows].sort((a, b) => findLargest(b.counts) - findLargest(a.counts)),
      }))
      .sort((a, b) => findLargest(b.sums) - findLargest(a.sums));
  }

  private setSubjects(subjects: readonly Subject[]): void {
    this.measure(subjects);
    this.keep();
  }

  /** One request a model, so that one that can't be counted leaves the others. */
  private measure(subjects: readonly Subject[]): void {
    const measuredByKey = new Map(this.measured.map((each) => [each.subject, each]));
    this.measured = subjects.map((subject) => measuredByKey.get(subject) ?? { subject });
    this.stage.redraw();
    for (const { subject, size } of this.measured) if (size === undefined) void this.measureOne(subject);
  }

  private async measureOne(subject: Subject): Promise<void> {
    const measured = await this.page.host.request("sizes.of", { subjects: [subject] }).then(
      ({ sizes: [size] }): MeasuredModel =>
        size === undefined ? { subject, problem: "The service returned no counts." } : { subject, size },
      (thrown: unknown): MeasuredModel => ({ subject, problem: toWorkbenchError(thrown).message }),
    );
    this.measured = this.measured.map((each) => (each.subject === subject ? measured : each));
    this.stage.redraw();
  }

  private isOpen(key: string, groups: number): boolean {
    return groups <= maxOpenGroups !== this.toggled.has(key);
  }

  private toggle(key: string): void {
    if (!this.toggled.delete(key)) this.toggled.add(key);
    this.changed();
  }

  private setAllOpen(groups: readonly SizeGroup[], open: boolean): void {
    for (const { key } of groups) if (this.isOpen(key, groups.length) !== open) this.toggle(key);
  }

  private changed(): void {
    this.stage.redraw();
    this.keep();
  }

  private keep(): void {
    const { part, number, byShare, subjects } = this;
    this.page.keep({ subjects, part, number, byShare, toggled: [...this.toggled] });
  }
}
