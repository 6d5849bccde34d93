/** The panel Weights: one role of one model or two, as a histogram, in numbers and as a picture; or a run over its steps. */
import { html, nothing, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import { getFileName } from "../../src/protocol/fileName";
import { toWorkbenchError } from "../../src/protocol/errors";
import type { Distribution, HeatMap, Subject, WeightRole } from "../../src/protocol/service/models";
import { computeLimit } from "../../src/pictures/matrix";
import { getColor } from "../../src/pictures/palette";
import { onThemeChange, readTheme } from "../kit/chartColors";
import { icons } from "../kit/icons";
import type { Panel, Stage } from "../kit/stage";
import { renderEmptyState } from "../kit/states";
import { SubjectPicker } from "../kit/subjectPicker";
import { updateTitle } from "../kit/subjectTitles";
import { renderSelect } from "../kit/select";
import { isChecked } from "../kit/toolkit";
import type { Page } from "../page";
import { type HeatMapView, paintHeatMap } from "./heatMapView";
import { renderHistogram } from "./histogram";
import { OverSteps, type OverStepsState, renderModes } from "./overSteps";
import { renderRoleList } from "./roleList";
import { renderStatistics } from "./statistics";
import { type Look, looks, lookTitles, type View, renderWeightFigures } from "./weightFigures";

export interface WeightsState {
  readonly subjects: readonly Subject[];
  readonly role: string | undefined;
  readonly filter: string;
  readonly logarithmic: boolean;
  readonly look?: Look;
  readonly view?: View;
  readonly isOverSteps?: boolean;
  readonly overSteps?: OverStepsState;
}

/** What is read of one model. */
interface LoadedModel {
  readonly subject: Subject;
  readonly title: string;
  readonly roles: readonly WeightRole[];
}

interface Pictures {
  readonly role: string;
  readonly look: Look;
  readonly distributions: readonly Distribution[];
  readonly maps: readonly HeatMap[];
  readonly limit: number;
}

const bins = 121;
const maxMapSize = { rows: 160, columns: 240 };
/** Rows or columns whose correlations are drawn. */
const maxCorrelated = 160;

export class WeightsPage implements Panel {
  private subjects: readonly Subject[];
  private models: readonly LoadedModel[] | undefined;
  private role: string | undefined;
  private filter: string;
  private logarithmic: boolean;
  private look: Look;
  private view: View;
  private pictures: Pictures | undefined;
  /** Why the models can't be read. */
  private problem: string | undefined;
  private hoveredBin: number | undefined;
  private hoveredCells: readonly (number | undefined)[] = [];
  private request: AbortController | undefined;
  private theme = readTheme();
  private isOverSteps: boolean;
  private readonly overSteps: OverSteps;
  private readonly pickers: readonly [SubjectPicker, SubjectPicker];

  constructor(
    private readonly page: Page<"weights", WeightsState>,
    private readonly stage: Stage,
  ) {
    const { state, input, host } = page;
    this.subjects = (state?.subjects ?? input.subjects).slice(0, 2);
    this.role = state?.role;
    this.filter = state?.filter ?? "";
    this.logarithmic = state?.logarithmic ?? false;
    this.look = state?.look ?? "map";
    this.view = state?.view ?? { turn: 30, tilt: 35 };
    this.isOverSteps = state?.isOverSteps ?? false;
    this.overSteps = new OverSteps(host, stage, state?.overSteps, () => this.changed());
    const createPicker = (position: 0 | 1) =>
      new SubjectPicker(`model-${position}`, ["run", "path"], host, stage, (subject) =>
        this.setSubjects(
          position === 0 ? [subject, ...this.subjects.slice(1)] : [this.subjects[0]!, subject],
        ),
      );
    this.pickers = [createPicker(0), createPicker(1)];
    host.on("inputChanged", ({ input: changed }) =>
      this.setSubjects((changed as { readonly subjects: readonly Subject[] }).subjects),
    );
    host.on("backendRestarted", () => this.readModels());
    host.on("runsChanged", ({ changed }) => {
      this.models = this.models?.map((model) => ({
        ...model,
        title: updateTitle(model.title, model.subject, changed),
      }));
      stage.redraw();
    });
    onThemeChange(() => {
      this.theme = readTheme();
      stage.redraw();
    });
    this.readModels();
    this.changed();
  }

  draw(): TemplateResult {
    if (this.subjects.length === 0)
      return renderEmptyState(
        "No weights to show",
        "Select a run with a checkpoint, or a model on disk. With a second model, both are drawn over each other: before and after.",
        this.pickers[0].draw("Choose a model"),
      );
    if (this.isOverSteps) return html`${this.renderToolbar()} ${this.overSteps.draw(this.theme)}`;
    return html`${this.renderToolbar()}
      <div class="columns">
        ${
          this.problem !== undefined
            ? nothing
            : renderRoleList({
                roles: this.models?.[0]?.roles,
                chosen: this.role,
                filter: this.filter,
                setFilter: (text) => {
                  this.filter = text;
                  this.changed();
                },
                choose: (role) => this.choose(role),
              })
        }
        <div class="shown" tabindex="0" role="region" aria-label="Weights of the role">
          ${this.renderContent()}
        </div>
      </div>`;
  }

  afterDraw(): void {
    const canvases = document.querySelectorAll<HTMLCanvasElement>(".heat canvas");
    if (canvases.length > 0)
      this.createHeatMaps().forEach(
        (view, i) => canvases[i] !== undefined && paintHeatMap(canvases[i], view),
      );
  }

  private renderToolbar(): TemplateResult {
    const [first, second] = this.models ?? [];
    const isPair = this.subjects.length > 1 && !this.isOverSteps;
    return html`<div class="toolbar">
      <span class="label">${this.isOverSteps ? "Run" : isPair ? "Before" : "Model"}</span
      ><b class="title">${first?.title ?? this.getPlaceholder(0)}</b>
      ${this.pickers[0].draw("Change", nothing)}
      ${
        this.isOverSteps
          ? nothing
          : html`<span class="label">After</span>
              ${isPair ? html`<b class="title">${second?.title ?? this.getPlaceholder(1)}</b>` : nothing}
              ${isPair ? this.pickers[1].draw("Change", nothing) : this.pickers[1].draw("Compare with a model")}`
      }
      ${isPair ? this.renderPairButtons() : nothing}
      <span class="spring"></span>
      ${renderModes(this.isOverSteps, (isOverSteps) => {
        this.isOverSteps = isOverSteps;
        this.changed();
      })}
      ${this.isOverSteps ? nothing : this.renderLooks()}
    </div>`;
  }

  private renderPairButtons(): TemplateResult {
    return html`<button class="quiet" @click=${() => this.setSubjects([...this.subjects].reverse())}>
        Swap
      </button>
      <button
        class="quiet"
        aria-label="Remove the second model"
        @click=${() => this.setSubjects(this.subjects.slice(0, 1))}
      >
        ${icons.close}
      </button>`;
  }

  private renderLooks(): TemplateResult {
    return html`<label class="label"
        >Picture
        ${renderSelect({
          label: "Picture",
          value: this.look,
          choices: looks.map((look) => [look, lookTitles[look]] as const),
          onSelect: (look) => {
            this.look = look;
            this.readPictures();
            this.changed();
          },
        })}</label
      >
      <vscode-checkbox
        .checked=${live(this.logarithmic)}
        @change=${(event: Event) => {
          this.logarithmic = isChecked(event);
          this.changed();
        }}
        >Logarithmic counts</vscode-checkbox
      >`;
  }

  /** A placeholder for a title that is not known yet. */
  private getPlaceholder(position: 0 | 1): string {
    const subject = this.subjects[position];
    if (this.problem === undefined || subject === undefined) return "…";
    const path =
      subject.kind === "plan" ? subject.experiment : subject.kind === "run" ? subject.run : subject.path;
    return getFileName(path);
  }

  private renderContent(): TemplateResult {
    const { pictures, problem } = this;
    if (problem !== undefined)
      return html`<div role="alert">${renderEmptyState("These weights can't be shown", problem)}</div>`;
    if (pictures === undefined)
      return html`<p class="muted waiting" role="status">
        ${this.models === undefined ? "Reading the model…" : "Reading the weights…"}
      </p>`;
    const roles = (this.models ?? []).flatMap(
      ({ roles: modelRoles }) => modelRoles.find(({ role }) => role === pictures.role) ?? [],
    );
    const representations = [...new Set(roles.map(({ representation }) => representation))];
    const titles = this.createTitles(pictures.distributions.length);
    const colors = [0, 1].map((slot) => getColor(slot, this.theme));
    return html`<header>
        <h1>${pictures.role}</h1>
        <span class="muted">${roles[0]?.shape.join(" × ")}, ${representations.join(", then ")}</span>
      </header>
      <div class="pair">
        <div class="wide">
          ${renderHistogram({
            distributions: pictures.distributions,
            titles,
            colors,
            logarithmic: this.logarithmic,
            hovered: this.hoveredBin,
            hover: (bin) => {
              this.hoveredBin = bin;
              this.stage.redraw();
            },
          })}
        </div>
        ${renderStatistics(pictures.distributions, titles, colors)}
      </div>
      ${renderWeightFigures({
        role: pictures.role,
        look: pictures.look,
        titles,
        maps: pictures.maps,
        heatMaps: this.createHeatMaps(),
        view: this.view,
        theme: this.theme,
        host: this.page.host,
        stage: this.stage,
        setView: (view) => {
          this.view = view;
          this.changed();
        },
      })}`;
  }

  private createHeatMaps(): readonly HeatMapView[] {
    const { maps, limit } = this.pictures ?? { maps: [], limit: 1 };
    return maps.map((map, i) => ({
      title: this.createTitles(maps.length)[i]!,
      map,
      limit,
      ground: this.theme.ground,
      hovered: this.hoveredCells[i],
      hover: (cell) => {
        // Both pictures are read at the same place, where they have the same shape.
        this.hoveredCells = maps.map((other, j) =>
          j === i || (other.rows === map.rows && other.columns === map.columns) ? cell : undefined,
        );
        this.stage.redraw();
      },
    }));
  }

  private createTitles(number: number): readonly string[] {
    const modelTitles = (this.models ?? []).map(({ title }) => title);
    const isSame = modelTitles[0] === modelTitles[1];
    return Array.from({ length: number }, (_, i) =>
      number === 1 || !isSame
        ? (modelTitles[i] ?? "")
        : `${modelTitles[i]!} (${i === 0 ? "before" : "after"})`,
    );
  }

  private setSubjects(subjects: readonly Subject[]): void {
    this.subjects = subjects.slice(0, 2);
    this.readModels();
    this.changed();
  }

  private choose(role: string): void {
    if (role === this.role && this.pictures?.role === role) return;
    this.role = role;
    this.readPictures();
    this.changed();
  }

  private readModels(): void {
    this.models = undefined;
    this.pictures = undefined;
    this.problem = undefined;
    const { subjects } = this;
    if (subjects.length === 0) return;
    this.stage.attempt(async () => {
      const loaded = await Promise.all(
        subjects.map(async (subject): Promise<LoadedModel> => ({
          subject,
          ...(await this.page.host.request("weights.roles", { subject })),
        })),
      ).catch((thrown: unknown) => {
        if (subjects !== this.subjects) return undefined;
        this.problem = toWorkbenchError(thrown).message;
        this.stage.redraw();
        return undefined;
      });
      if (loaded === undefined || subjects !== this.subjects) return;
      this.models = loaded;
      const { roles } = loaded[0]!;
      if (!roles.some(({ role }) => role === this.role))
        // A matrix of the first layer shows more than an embedding does.
        this.role = (roles.find(({ layer, shape }) => shape.length > 1 && layer !== undefined) ?? roles[0])
          ?.role;
      this.readPictures();
      this.changed();
    });
  }

  /** A later choice leaves the earlier one unanswered. */
  private readPictures(): void {
    const { models, role, look } = this;
    if (models === undefined || role === undefined) return;
    this.request?.abort();
    const { signal } = (this.request = new AbortController());
    this.hoveredBin = undefined;
    this.hoveredCells = [];
    const modelsWithRole = models.filter(({ roles }) => roles.some((each) => each.role === role));
    this.stage.attempt(async () => {
      const subjects = modelsWithRole.map(({ subject }) => subject);
      const { host } = this.page;
      const [{ distributions }, maps] = await Promise.all([
        host.request("weights.histogram", { subjects, role, bins }, signal),
        Promise.all(
          subjects.map((subject) =>
            look === "map" || look === "surface"
              ? host.request("weights.heatMap", { subject, role, ...maxMapSize }, signal)
              : host.request(
                  "weights.correlation",
                  { subject, role, along: look === "inputs" ? "rows" : "columns", most: maxCorrelated },
                  signal,
                ),
          ),
        ),
      ]);
      if (signal.aborted) return;
      const limit = look === "map" || look === "surface" ? computeLimit(maps) : 1;
      this.pictures = { role, look, distributions, maps, limit };
      this.stage.redraw();
    });
  }

  private changed(): void {
    const { subjects, role, filter, logarithmic, look, view, isOverSteps } = this;
    const [first] = subjects;
    if (isOverSteps) this.overSteps.follow(first?.kind === "run" ? first.run : undefined);
    this.stage.redraw();
    const overSteps = this.overSteps.state;
    this.page.keep({ subjects, role, filter, logarithmic, look, view, isOverSteps, overSteps });
  }
}
