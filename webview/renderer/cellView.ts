/**
 * The output of one cell: the states of its runs, their curves, the results of each step. It shows the snapshot in the
 * notebook, and follows the runs from there if the extension is connected.
 */
import { html, nothing, render, type TemplateResult } from "lit";
import type { Block } from "../../src/protocol/blocks";
import type { CellOutput, CellRun } from "../../src/protocol/cellOutput";
import type { Unsubscribe } from "../../src/protocol/connection";
import { toWorkbenchError } from "../../src/protocol/errors";
import type { Host, PageCommand } from "../../src/protocol/page";
import { ProtocolMarks } from "../../src/protocol/protocolMarks";
import { describePruning } from "../../src/protocol/pruning";
import type { RunSummary } from "../../src/protocol/service/runs";
import { type BoardState, ChartBoard } from "../charts/chartBoard";
import { groupMetrics } from "../charts/chartGroups";
import { chartStyles } from "../charts/chartStyles";
import { assignSlots } from "../../src/pictures/palette";
import { collectReferences } from "../charts/references";
import { findOldest, groupRuns, listGroupings } from "../kit/runGroups";
import { createRunNames } from "../kit/runNames";
import { RunSlots } from "../kit/runSlots";
import { readTheme } from "../kit/chartColors";
import { icons } from "../kit/icons";
import { renderSelect } from "../kit/select";
import type { TrackGroup } from "../charts/deriveTracks";
import { cellStyles } from "./cellStyles";
import { FigureViews } from "./figureViews";
import { renderRunLines } from "./runLines";
import { renderCard, renderStepResults } from "./stepResults";

const lossCharts = groupMetrics(["eval/loss", "train/loss"]);

export class CellView {
  private readonly root: ShadowRoot;
  private readonly board: ChartBoard;
  private readonly subscriptions: Unsubscribe[];
  private runs: readonly CellRun[] = [];
  private card: readonly Block[] = [];
  private slots = new Map<string, number>();
  private readonly sharedSlots: RunSlots | undefined;
  private trains = false;
  private readonly figures = new FigureViews(() => this.redraw());
  /** The width of the output in pixels; 0 until the editor shows it. */
  private width = 0;
  private readonly resizing = new ResizeObserver(() => this.resize());
  private frame: number | undefined;
  private fault: string | undefined;

  constructor(
    readonly element: HTMLElement,
    private readonly host: Host | undefined,
    state: BoardState,
    onState: (state: BoardState) => void,
  ) {
    // Outputs of other extensions share the document: in a shadow, neither's styles reach the other.
    this.root = element.shadowRoot ?? element.attachShadow({ mode: "open" });
    this.root.adoptedStyleSheets = [chartStyles, cellStyles].flatMap(({ styleSheet }) => styleSheet ?? []);
    render(nothing, this.root);
    this.board = new ChartBoard(host, state, { redraw: () => this.redraw(), onState });
    if (host !== undefined) {
      const update = () => {
        this.assignSlots();
        this.showOnBoard();
      };
      this.sharedSlots = new RunSlots(host, update, (work) => this.attempt(work));
    }
    this.subscriptions =
      host === undefined ? [] : [host.on("runsChanged", ({ changed }) => this.update(changed))];
    this.resizing.observe(element);
  }

  show(output: CellOutput): void {
    this.runs = output.runs;
    this.card = output.card ?? [];
    this.trains =
      output.series.length > 0 ||
      output.runs.some(({ steps }) => steps.some(({ action }) => action === "train"));
    this.assignSlots();
    this.board.seed(output.series);
    this.showOnBoard();
    // At once: the editor measures the output when this returns.
    this.draw();
  }

  dispose(): void {
    if (this.frame !== undefined) cancelAnimationFrame(this.frame);
    this.resizing.disconnect();
    for (const each of this.subscriptions) each.dispose();
    this.board.dispose();
    render(nothing, this.root);
  }

  /** As everywhere in the workspace once the host has answered; until then, and without a host, in their order. */
  private assignSlots(): void {
    const folders = this.runs.map(({ summary }) => summary.folder);
    this.sharedSlots?.request(folders);
    const shared = this.sharedSlots?.distinguish(folders);
    this.slots = shared?.size === folders.length ? shared : assignSlots(folders, this.slots);
  }

  private showOnBoard(): void {
    const names = this.createNames();
    const shownRuns = this.runs.map(({ summary: { folder, losses, pruned } }) => ({
      run: folder,
      name: names.get(folder)!,
      slot: this.slots.get(folder)!,
      losses,
      pruned: pruned && describePruning(pruned),
    }));
    this.board.show(
      this.trains ? shownRuns : [],
      this.trains ? lossCharts : [],
      collectReferences(this.runs.map(({ summary }) => summary)),
      { groups: this.createGroups(), marks: this.createMarks() },
    );
  }

  private createMarks(): ProtocolMarks {
    return new ProtocolMarks(() => this.runs.map(({ summary }) => summary));
  }

  private get grouping(): string {
    const { grouping = "" } = this.board.state.view;
    const choices = listGroupings(this.runs.map(({ summary }) => summary));
    // A setting that another cell varies is none of this one.
    return this.runs.length > 1 && choices.some(([id]) => id === grouping) ? grouping : "";
  }

  private createGroups(): readonly TrackGroup[] | undefined {
    const { grouping } = this;
    if (grouping === "") return undefined;
    return groupRuns(
      this.runs.map(({ summary }) => summary),
      grouping,
    ).map(({ key, name, runs }) => ({
      key,
      name: runs.length === 1 ? name : `${name} (${runs.length})`,
      slot: this.slots.get(findOldest(runs).folder)!,
      runs: runs.map(({ folder }) => folder),
    }));
  }

  private renderGrouping(): TemplateResult | typeof nothing {
    if (this.runs.length < 2) return nothing;
    return html`<label class="control"
      ><span>Group by</span> ${renderSelect<string>({
        label: "Group by",
        value: this.grouping,
        choices: [["", "none"], ...listGroupings(this.runs.map(({ summary }) => summary))],
        onSelect: (grouping) => {
          this.board.change({ grouping });
          this.showOnBoard();
        },
      })}</label
    >`;
  }

  private createNames(): Map<string, string> {
    return createRunNames(this.runs.map(({ summary }) => summary));
  }

  /** Figures are drawn for the width of the output. */
  private resize(): void {
    if (this.element.clientWidth !== this.width) this.redraw();
  }

  private redraw(): void {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.draw();
    });
  }

  private draw(): void {
    this.width = this.element.clientWidth;
    render(this.renderContent(), this.root);
    this.board.draw();
  }

  private renderContent(): TemplateResult {
    const theme = readTheme();
    const names = this.createNames();
    const folders = this.runs.map(({ summary }) => summary.folder);
    const options = { runs: this.runs, names, slots: this.slots, theme };
    const onFile =
      this.host === undefined
        ? undefined
        : (path: string) => this.attempt((host) => host.request("page.openFile", { path }));
    const results = {
      ...options,
      onFile,
      figures: this.figures,
      // Until the width is known, figures have the one that they prefer.
      room: this.width === 0 ? Infinity : this.width,
    };
    return html`<div class="cell">
      ${
        this.trains
          ? html`<div class="bar">
              ${this.renderGrouping()} ${this.board.controls()}
              <span class="spring"></span>
              ${
                this.host === undefined
                  ? nothing
                  : html`<button
                      type="button"
                      class="plain open"
                      @click=${() =>
                        this.attempt((host) =>
                          host.request("page.openPanel", { panel: "charts", input: { runs: folders } }),
                        )}
                    >
                      ${icons.chart} Open in Charts
                    </button>`
              }
            </div>`
          : nothing
      }
      ${renderRunLines({
        ...options,
        trains: this.trains,
        marks: this.createMarks(),
        onCommand: this.host === undefined ? undefined : (command, run) => this.command(command, run),
      })}
      ${this.board.elements}
      ${this.fault === undefined ? nothing : html`<p class="note fault" role="alert">${this.fault}</p>`}
      ${renderCard(this.card, results)} ${renderStepResults(results)}
    </div>`;
  }

  private command(command: PageCommand, run: string): void {
    this.attempt((host) => host.request("page.command", { command, runs: [run] }));
  }

  private attempt(work: (host: Host) => Promise<unknown>): void {
    if (this.host === undefined) return;
    this.fault = undefined;
    work(this.host).catch((thrown: unknown) => {
      const { code, message } = toWorkbenchError(thrown);
      if (code === "cancelled") return;
      this.fault = message;
      this.redraw();
    });
  }

  private update(changed: readonly RunSummary[]): void {
    const byFolder = new Map(changed.map((summary) => [summary.folder, summary]));
    const advanced: string[] = [];
    const runs = this.runs.map((run) => {
      const summary = byFolder.get(run.summary.folder);
      if (summary === undefined) return run;
      const previous = run.summary;
      if (summary.state !== previous.state || summary.progress?.action !== previous.progress?.action)
        advanced.push(summary.folder);
      return { ...run, summary };
    });
    if (!changed.some(({ folder }) => this.slots.has(folder))) return;
    const previousRuns = this.runs;
    this.runs = runs;
    if (changed.some(({ folder }) => isMeasuredAnew(previousRuns, byFolder.get(folder)!))) this.showOnBoard();
    for (const run of advanced) this.attempt((host) => this.readResults(host, run));
    this.redraw();
  }

  /** A step that has ended has left something. */
  private async readResults(host: Host, run: string): Promise<void> {
    const { steps } = await host.request("runs.results", { run });
    this.runs = this.runs.map((each) => {
      if (each.summary.folder !== run) return each;
      const indices = new Set(each.steps.map(({ index }) => index));
      return { ...each, steps: steps.filter(({ index }) => indices.has(index)) };
    });
    this.redraw();
  }
}

/** Whether it has a metric, or a way of measuring one, that it did not have. */
function isMeasuredAnew(previousRuns: readonly CellRun[], { folder, losses, metrics }: RunSummary): boolean {
  const previous = previousRuns.find(({ summary }) => summary.folder === folder)?.summary;
  const describe = (run: Pick<RunSummary, "losses" | "metrics">) =>
    JSON.stringify([run.losses ?? {}, Object.keys(run.metrics)]);
  return previous !== undefined && describe(previous) !== describe({ metrics, ...(losses && { losses }) });
}
