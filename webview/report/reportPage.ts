/** The panel Report: what the runs of an experiment came to, again whenever one of them has ended. */
import { html, nothing, type TemplateResult } from "lit";
import { getFileName } from "../../src/protocol/fileName";
import type { PanelInputs } from "../../src/protocol/page";
import { isActive } from "../../src/protocol/run";
import type { ReportDocument as Report } from "../../src/protocol/service/reports";
import type { RunSummary } from "../../src/protocol/service/runs";
import { onThemeChange, readTheme } from "../kit/chartColors";
import { DelayedSave } from "../kit/delayedSave";
import { icons } from "../kit/icons";
import type { Panel, Stage } from "../kit/stage";
import { renderEmptyState, renderSpinner } from "../kit/states";
import type { Page } from "../page";
import { ReportDocument } from "./reportDocument";

export interface ReportState {
  readonly scrollTop: number;
}

export class ReportPage implements Panel {
  private experiment: string | undefined;
  private report: Report | undefined;
  private readonly document = new ReportDocument();
  /** How each run ended, of those that were seen to end. */
  private readonly ends = new Map<string, string>();
  private isReading = false;
  private isOutdated = false;
  private hasFailed = false;
  private scrollTop: number;
  private readonly saving = new DelayedSave(() => this.saveState());

  constructor(
    private readonly page: Page<"report", ReportState>,
    private readonly stage: Stage,
  ) {
    const { host, input, state } = page;
    this.experiment = input.experiment;
    this.scrollTop = state?.scrollTop ?? 0;
    this.document.setGround(readTheme().ground);
    onThemeChange(() => this.document.setGround(readTheme().ground));
    host.on("inputChanged", ({ input: next }) => this.open((next as PanelInputs["report"]).experiment));
    host.on("runsChanged", ({ changed, removed }) => {
      // Each of them, not only the first.
      const ends = changed.filter((run) => this.isNewEnd(run));
      if (removed.length > 0 || ends.length > 0) this.read();
    });
    host.on("backendRestarted", () => this.read());
    this.read();
  }

  draw(): TemplateResult {
    const { experiment, report } = this;
    if (experiment === undefined)
      return renderEmptyState("No experiment", "Run “Lathe: Open Report” and select an experiment.");
    if (report === undefined)
      return this.hasFailed
        ? renderEmptyState(
            "No report",
            "The message above states why. Fix it, then create the report again.",
            html`<vscode-button appearance="secondary" @click=${() => this.read()}
              >Create Report</vscode-button
            >`,
          )
        : renderSpinner("Reading the runs…");
    const { finished, planned } = report;
    return html`<div class="toolbar">
        <b class="experiment" title=${experiment}>${getFileName(experiment)}</b>
        <span class="muted" role="status"
          >${finished === planned ? `${planned} of ${planned} runs` : `${finished} of ${planned} runs are finished`}${this.isReading ? ", reading…" : nothing}</span
        >
        <span class="spring"></span>
        <button class="quiet" @click=${() => this.read()}>Refresh</button>
        <button class="quiet" @click=${() => this.export(report)}>${icons.export} Export as HTML…</button>
        <button
          class="quiet"
          title="Writes the report and opens it in the browser, whose Print dialog also saves as PDF"
          @click=${() => this.print()}
        >
          Print or Save as PDF…
        </button>
      </div>
      <div
        class="scroll"
        tabindex="0"
        role="region"
        aria-label="Report"
        @scroll=${() => this.saving.request()}
      >
        ${this.document.element}
      </div>`;
  }

  afterDraw(): void {
    const scroller = document.querySelector(".scroll");
    if (scroller === null || this.scrollTop === 0 || this.report === undefined) return;
    scroller.scrollTop = this.scrollTop;
    this.scrollTop = 0;
  }

  /** A note or a star changes no report, and neither does a step. */
  private isNewEnd(run: RunSummary): boolean {
    const end = `${run.state} ${run.endedAt ?? ""}`;
    if (run.experiment !== this.experiment || isActive(run) || this.ends.get(run.folder) === end)
      return false;
    this.ends.set(run.folder, end);
    return true;
  }

  private open(experiment: string | undefined): void {
    if (experiment === this.experiment) return;
    this.experiment = experiment;
    this.report = undefined;
    this.scrollTop = 0;
    this.read();
  }

  /** One at a time; what happens meanwhile is read afterwards. */
  private read(): void {
    this.isOutdated = true;
    if (this.isReading) return;
    this.stage.attempt(async () => {
      this.isReading = true;
      this.hasFailed = false;
      this.stage.redraw();
      try {
        while (this.isOutdated && this.experiment !== undefined) {
          this.isOutdated = false;
          const { experiment } = this;
          const report = await this.page.host.request("experiment.report", { experiment });
          if (experiment !== this.experiment) continue;
          this.report = report;
          this.document.show(report.html);
        }
      } catch (thrown) {
        this.hasFailed = true;
        throw thrown;
      } finally {
        this.isReading = false;
        this.stage.redraw();
      }
    });
  }

  private export({ name, html: text }: Report): void {
    this.stage.attempt(() =>
      this.page.host.request("page.save", { name: `${name}.html`, content: { text } }),
    );
  }

  private print(): void {
    const { experiment } = this;
    if (experiment === undefined) return;
    this.stage.attempt(async () => {
      const { file } = await this.page.host.request("experiment.report", { experiment, write: true });
      await this.page.host.request("page.openInBrowser", { path: file! });
    });
  }

  private saveState(): void {
    this.page.keep({ scrollTop: document.querySelector(".scroll")?.scrollTop ?? 0 });
  }
}
