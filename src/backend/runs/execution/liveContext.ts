/** The context of an executing run: writes what the body reports to the run folder. */
import type { MetricLine } from "../../../protocol/run";
import { MetricsWriter } from "../metrics/metricsWriter";
import { addToSummary, type Summary } from "../metrics/metricLine";
import type { RunClock } from "../metrics/runClock";
import type { RunContext } from "../steps/runContext";
import type { RunControl } from "../control/runControl";
import type { RunFolder } from "../folder/runFolder";
import { findRunWorkspace } from "../folder/runLocation";

export class LiveContext implements RunContext, Disposable {
  private readonly metrics: MetricsWriter;
  readonly workspace: string;

  constructor(
    readonly folder: RunFolder,
    readonly control: RunControl,
    readonly resumed: boolean,
    private readonly clock: RunClock,
    readonly push: boolean,
  ) {
    this.metrics = new MetricsWriter(folder.inside("metrics.jsonl"));
    this.workspace = findRunWorkspace(folder.path, folder.record.workspace);
  }

  get plan() {
    return this.folder.record.plan;
  }

  get signal(): AbortSignal {
    return this.control.signal;
  }

  readonly metric: RunContext["metric"] = (values) => {
    const line = { ...values, seconds: this.clock.seconds };
    this.metrics.append(line);
    this.folder.remember({ summary: addToSummary(this.folder.record.summary, line) });
  };

  readonly rewind: RunContext["rewind"] = (step) => {
    const lines = this.metrics.rewind(step);
    this.control.step = Math.max(step, 0);
    this.continueAfter(lines);
    return lines;
  };

  get lines(): number {
    return this.metrics.lines;
  }

  readonly truncate: RunContext["truncate"] = (lines) => {
    if (lines < this.lines) this.continueAfter(this.metrics.truncate(lines));
  };

  readonly sync: RunContext["sync"] = () => this.metrics.sync();

  readonly log: RunContext["log"] = (message) => {
    this.folder.log(message);
  };

  readonly notice: RunContext["notice"] = (message) => {
    this.folder.log(`Notice: ${message}`);
    const { notices } = this.folder.record;
    // A resumed run repeats notices that are already recorded.
    if (!notices.includes(message)) this.folder.update({ notices: [...notices, message] });
  };

  readonly progress: RunContext["progress"] = (progress) => {
    this.control.step = progress.step;
    const patch = { progress, seconds: this.clock.seconds };
    if (this.folder.record.progress === undefined) this.folder.update(patch);
    else this.folder.remember(patch);
  };

  readonly describe: RunContext["describe"] = (facts) => {
    const versions = { ...this.folder.record.versions, ...facts.versions };
    this.folder.update({ ...facts, versions });
  };

  readonly stepFolder: RunContext["stepFolder"] = (index, action) => this.folder.stepFolder(index, action);

  private continueAfter(lines: readonly MetricLine[]): void {
    this.clock.rewind(lines.at(-1)?.seconds ?? 0);
    this.folder.update({ summary: lines.reduce<Summary>(addToSummary, {}), seconds: this.clock.seconds });
  }

  [Symbol.dispose](): void {
    this.metrics.close();
  }
}
