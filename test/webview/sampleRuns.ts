/** Run folders like those of real runs, created by the same writers, with curves that look like trainings. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { getOwnIdentity } from "../../src/backend/runs/process/processIdentity";
import { addToSummary } from "../../src/backend/runs/metrics/metricLine";
import { MetricsWriter } from "../../src/backend/runs/metrics/metricsWriter";
import { type RecordPatch, RunFolder } from "../../src/backend/runs/folder/runFolder";
import type { ActionKey } from "../../src/schema/cellKeys";
import type { MetricLine, RunPlan, RunRecord } from "../../src/protocol/run";
import type { RunSummary } from "../../src/protocol/service/runs";

export interface SampleRun {
  readonly name: string;
  readonly variant?: string;
  readonly experiment?: string;
  readonly steps?: number;
  /** Lines that exist from the start. */
  readonly lines?: number;
  readonly start?: number;
  readonly floor?: number;
  readonly seed?: number;
  readonly sweep?: Readonly<Record<string, unknown>>;
  /** Results of evaluations, in a last line. */
  readonly measured?: Readonly<Record<`${string}/${string}`, number>>;
  readonly spikes?: Readonly<Record<number, number>>;
  /** The actions after the training. */
  readonly then?: readonly ActionKey[];
  readonly state?: "done" | "running" | "paused" | "failed" | "stopped";
  readonly system?: boolean;
  readonly record?: RecordPatch;
}

export class WrittenRun {
  private step = 0;
  private readonly random: () => number;
  private readonly writer: MetricsWriter;
  private summary: RunRecord["summary"] = {};

  private constructor(
    readonly folder: RunFolder,
    private readonly sample: SampleRun,
  ) {
    this.random = randomOf(sample.seed ?? 1);
    this.writer = new MetricsWriter(join(folder.path, "metrics.jsonl"));
  }

  /** `running` is valid as long as the test process lives. */
  static async write(workspace: string, sample: SampleRun): Promise<WrittenRun> {
    const { name, state = "done", steps = 400, variant = "" } = sample;
    mkdirSync(join(workspace, ".lathe"), { recursive: true });
    const process = { ...(await getOwnIdentity()), socket: "" };
    const plan: RunPlan = {
      experiment: sample.experiment ?? "sample.lathe.md",
      name,
      folder: ".",
      variant,
      sweep: sample.sweep ?? {},
      seed: 42,
      device: "cpu",
      data: undefined,
      model: undefined,
      baseModel: undefined,
      steps: (["train", ...(sample.then ?? [])] as const).map((action, index) => ({
        index,
        action,
        options: action === "train" ? { max_steps: steps } : {},
        key: `${name} ${index}`,
      })),
    };
    const now = new Date().toISOString();
    const folder = RunFolder.create(join(workspace, ".lathe/runs"), plan, {
      workspace,
      startedAt: now,
      process,
    });
    const run = new WrittenRun(folder, sample);
    run.grow(sample.lines ?? steps);
    if (sample.measured !== undefined) run.measure(sample.measured);
    const secondsLeft = (steps - run.step) * 0.35;
    folder.update({
      state,
      seconds: run.step * 0.35,
      ...(state === "done" ? { endedAt: now } : {}),
      progress: { step: run.step, steps, action: "train", ...(state === "running" ? { secondsLeft } : {}) },
      ...sample.record,
    });
    return run;
  }

  get path(): string {
    return this.folder.path;
  }

  /**
   * Whether the service lists this run as last written. A scan between the creation of the folder and its last record
   * lists it without progress and notices.
   */
  isListed(summaries: Iterable<RunSummary>): boolean {
    const { state, progress, notices } = this.folder.record;
    for (const summary of summaries)
      if (summary.folder === this.path)
        return (
          summary.state === state &&
          summary.progress?.step === progress?.step &&
          summary.notices.length === notices.length
        );
    return false;
  }

  /** Appends this many steps and updates the record. */
  grow(steps: number): void {
    for (let i = 0; i < steps; i++) {
      const line = this.next();
      this.writer.append(line);
      this.summary = addToSummary(this.summary, line);
    }
    const { progress } = this.folder.record;
    this.folder.update({
      summary: this.summary,
      ...(progress === undefined ? {} : { progress: { ...progress, step: this.step } }),
    });
  }

  private measure(values: NonNullable<SampleRun["measured"]>): void {
    const line = { step: this.step, seconds: this.step * 0.35, ...values };
    this.writer.append(line);
    this.summary = addToSummary(this.summary, line);
    this.folder.update({ summary: this.summary });
  }

  /** A line that the test defines. */
  append(line: MetricLine): void {
    this.writer.append(line);
  }

  private next(): MetricLine {
    const { start = 5.5, floor = 1.6, steps = 400, spikes = {}, system = false } = this.sample;
    const step = ++this.step;
    const rest =
      (start - floor) * (0.72 * Math.exp(-step / (steps / 14)) + 0.28 * Math.exp(-step / (steps / 2.6)));
    const noise = (this.random() + this.random() + this.random() - 1.5) * 0.09;
    const loss = spikes[step] ?? floor + rest + noise * (0.6 + rest);
    const evaluates = step === 1 || step % Math.max(1, Math.round(steps / 20)) === 0;
    return {
      step,
      tokens: step * 2048,
      seconds: step * 0.35,
      "train/loss": loss,
      "train/learning_rate":
        1e-3 * Math.min(1, step / 20) * (0.55 + 0.45 * Math.cos((Math.PI * step) / steps)),
      "train/grad_norm": 0.4 + rest * 0.3 + Math.abs(noise) * 2,
      "train/tokens_per_second": 5800 + noise * 1500,
      ...(evaluates ? { "eval/loss": floor + 0.14 + rest * 1.02 + noise * 0.15 } : {}),
      ...(system && step % 4 === 0
        ? { "system/cpu": 92 + noise * 40, "system/memory_gb": 7.4 + step / steps }
        : {}),
    };
  }
}

function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
