/** The comparison below the table of runs: which runs it shows, and how high it is. */
import { html, nothing, type TemplateResult } from "lit";
import type { Block } from "../../src/protocol/blocks";
import type { CsvValue } from "../../src/protocol/csv";
import type { Host } from "../../src/protocol/page";
import type { RunSummary } from "../../src/protocol/service/runs";
import { type Differences, renderComparison } from "./comparison";
import { renderSplitter } from "./splitter";

export interface ComparisonPanePage {
  readonly host: Host;
  attempt(work: () => Promise<unknown>): void;
  changed(): void;
  save(name: string, rows: readonly (readonly CsvValue[])[]): void;
  closed(): void;
}

export class ComparisonPane {
  private differences: Differences | undefined;
  private tasks: readonly Block[] = [];

  constructor(
    private readonly page: ComparisonPanePage,
    public compared: readonly string[],
    public height = 260,
  ) {}

  draw(runs: ReadonlyMap<string, RunSummary>): TemplateResult | typeof nothing {
    const compared = this.compared.flatMap((key) => runs.get(key) ?? []);
    if (compared.length === 0) return nothing;
    return html`${renderSplitter("Height of the comparison", this.height, (height) => {
        this.height = height;
        this.page.changed();
      })}
      <section class="comparison" aria-label="Comparison" style="height:${this.height}px">
        ${renderComparison({
          runs: compared,
          getAll: () => [...runs.values()],
          differences: compared.length === this.differences?.values.length ? this.differences : undefined,
          tasks: this.tasks,
          close: () => {
            this.compared = [];
            this.page.closed();
          },
          exportCsv: (rows) => this.page.save("comparison.csv", rows),
        })}
      </section>`;
  }

  /** `known` has the runs that can be compared, as soon as they have been read. */
  compare(runs: readonly string[], known: ReadonlyMap<string, RunSummary> | undefined): void {
    this.compared = known === undefined ? runs : runs.filter((run) => known.has(run));
    this.differences = undefined;
    this.tasks = [];
    this.page.changed();
    if (known === undefined || this.compared.length === 0) return;
    const requested = this.compared;
    this.page.attempt(async () => {
      const differences = await this.page.host.request("runs.differences", { runs: requested });
      if (this.compared !== requested) return;
      this.differences = differences;
      this.page.changed();
    });
    this.page.attempt(async () => {
      const { blocks } = await this.page.host.request("runs.tasks", { runs: requested });
      if (this.compared !== requested) return;
      this.tasks = blocks;
      this.page.changed();
    });
  }
}
