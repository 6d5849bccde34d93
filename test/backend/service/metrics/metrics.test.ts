import { appendFileSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { controlRun } from "../../../../src/backend/runs/control/controlClient";
import { readMetrics } from "../../../../src/backend/runs/metrics/metricsReader";
import { MetricsWriter } from "../../../../src/backend/runs/metrics/metricsWriter";
import { resumeRun, startRun } from "../../../../src/backend/runs/process/startRun";
import { MetricHistories } from "../../../../src/backend/service/metrics/metricHistories";
import { MetricHistory } from "../../../../src/backend/service/metrics/metricHistory";
import { selectSeries } from "../../../../src/backend/service/metrics/metricSeries";
import type { MetricLine } from "../../../../src/protocol/run";
import type { Series, SeriesName, SeriesQuery } from "../../../../src/protocol/service/metrics";
import { append } from "../../../../webview/charts/curve";
import { bundleLoop, ended, loopPlan, pastStep } from "../../runs/workbench";
import { Window } from "../window";

let window: Window;
beforeEach(async () => {
  window = await new Window().open();
});

const line = (step: number, more: Readonly<Record<string, number>> = {}): MetricLine => ({
  step,
  tokens: step * 100,
  seconds: step / 10,
  "train/loss": 5 / step,
  ...more,
});

function write(run: string, lines: readonly MetricLine[]): void {
  const writer = new MetricsWriter(join(run, "metrics.jsonl"));
  for (const each of lines) writer.append(each);
  writer.close();
}

const lines = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => line(from + i));

const lossOf = (run: string): SeriesName => ({ run, metric: "train/loss", axis: "step" });

async function series(run: string, query: Partial<SeriesQuery> = {}) {
  const whole: SeriesQuery = { ...lossOf(run), points: 100, ...query };
  return (await window.ask("metrics.series", { queries: [whole] })).series[0]!;
}

/** The series with every point, of the file read at once. */
async function wholeSeries(run: string): Promise<Series> {
  const history = new MetricHistory(join(run, "metrics.jsonl"));
  await history.refresh();
  return selectSeries(history.columns, { ...lossOf(run), points: 10_000 });
}

const watch = (watcher: string, runs: readonly string[]) =>
  window.ask("metrics.watch", { watcher, series: runs.map(lossOf) });

/** A page that follows the rule of the protocol for the loss of one run: it asks again after a restart. */
class Page {
  /** Undefined until it has asked. */
  curve: Series | undefined;
  private heard = 0;

  constructor(private readonly run: string) {}

  /** Takes the increments that have been reported since; true if the history restarted. */
  hear(): boolean {
    const events = window.events("metricsAppended").filter(({ run }) => run === this.run);
    const fresh = events.slice(this.heard);
    this.heard = events.length;
    for (const { from, series: increments, restarted } of fresh) {
      if (restarted) this.curve = undefined;
      if (this.curve === undefined) continue;
      // Nothing is missing in between, and nothing is reported twice.
      expect(from).toBe(this.curve.lines);
      this.curve = append(this.curve, from, increments[0]!) as Series;
    }
    return fresh.some(({ restarted }) => restarted);
  }

  /** The increments reported before a series make up the same curve. */
  async ask(): Promise<void> {
    const whole = await series(this.run, { points: 10_000 });
    this.hear();
    if (this.curve !== undefined) expect(this.curve).toEqual(whole);
    this.curve = whole;
  }
}

describe("metrics.series", () => {
  it("returns a whole short history on each axis, with gaps as null", async () => {
    const run = await window.run();
    write(run, [line(1), line(2, { "train/loss": NaN }), line(3), line(4, { "eval/loss": 2 })]);
    expect(await series(run)).toEqual({
      run,
      metric: "train/loss",
      axis: "step",
      x: [1, 2, 3, 4],
      y: [5, null, 5 / 3, 5 / 4],
      total: 4,
      lines: 4,
    });
    expect((await series(run, { axis: "tokens" })).x).toEqual([100, 200, 300, 400]);
    expect((await series(run, { axis: "seconds" })).x).toEqual([0.1, 0.2, 0.3, 0.4]);
    expect(await series(run, { metric: "eval/loss" })).toMatchObject({ x: [4], y: [2], total: 1, lines: 4 });
    expect(await series(run, { metric: "eval/none" })).toMatchObject({ x: [], y: [], total: 0, lines: 4 });
  });

  it("returns a part of the axis, including both ends, thinned without losing a spike", async () => {
    const run = await window.run();
    write(run, [...lines(1, 4000), line(4001, { "train/loss": 99 }), ...lines(4002, 9000)]);
    const all = await series(run, { points: 50 });
    expect(all.total).toBe(9000);
    expect(all.x.length).toBeLessThanOrEqual(50);
    expect([all.x[0], all.x.at(-1)]).toEqual([1, 9000]);
    expect(all.y[all.x.indexOf(4001)]).toBe(99);
    const part = await series(run, { from: 100, to: 120 });
    expect([part.x[0], part.x.at(-1), part.total]).toEqual([100, 120, 21]);
  });

  it("leaves out lines without tokens on the token axis", async () => {
    const run = await window.run();
    write(run, [line(1), { step: 2, seconds: 1, "train/loss": 1 }, line(3)]);
    expect(await series(run, { axis: "tokens" })).toMatchObject({ x: [100, 300], total: 2, lines: 3 });
  });

  it("reads new lines, and starts over when the history was truncated", async () => {
    const run = await window.run();
    expect(await series(run)).toMatchObject({ x: [], lines: 0 });
    write(run, lines(1, 5));
    expect((await series(run)).lines).toBe(5);
    appendFileSync(join(run, "metrics.jsonl"), '{"step":6,"seconds":1,');
    expect((await series(run)).lines).toBe(5);
    const writer = new MetricsWriter(join(run, "metrics.jsonl"));
    writer.rewind(2);
    writer.append(line(3, { "train/loss": 7 }));
    writer.close();
    expect(await series(run)).toMatchObject({ x: [1, 2, 3], y: [5, 2.5, 7], lines: 3 });
  });

  it("refuses a run outside the window, and fewer points than a curve has", async () => {
    const run = await window.run();
    await expect(series(join(run, "..", "other"))).rejects.toMatchObject({ code: "not-found" });
    await expect(series(run, { points: 3 })).rejects.toMatchObject({ code: "invalid-input" });
  });

  it("follows no link and waits for no pipe in place of a history", async () => {
    const elsewhere = join(window.workspace, "secret.jsonl");
    writeFileSync(elsewhere, '{"step":1,"seconds":1,"train/loss":1}\n');
    const [linked, folder] = [await window.run("done", "linked"), await window.run("done", "folder")];
    symlinkSync(elsewhere, join(linked, "metrics.jsonl"));
    mkdirSync(join(folder, "metrics.jsonl"));
    for (const run of [linked, folder]) await expect(series(run)).rejects.toMatchObject({ code: "io" });
    if (process.platform === "win32") return;
    const pipe = await window.run("done", "pipe");
    execFileSync("mkfifo", [join(pipe, "metrics.jsonl")]);
    await expect(series(pipe)).rejects.toMatchObject({ code: "io" });
  });

  it("stops immediately when the request is canceled", async () => {
    const run = await window.run();
    write(run, lines(1, 5));
    const queries = [{ run, metric: "train/loss", axis: "step", points: 10 }] as const;
    const gone = AbortSignal.abort(new Error("gone"));
    await expect(window.ask("metrics.series", { queries }, gone)).rejects.toThrow("gone");
    expect((await series(run)).lines).toBe(5);
  });
});

describe("metrics.watch", () => {
  let script: string;
  beforeAll(async () => {
    script = await bundleLoop();
  });

  it("sends each line of a real run once and in order, through its end, a stop and the truncation by a resumption", async () => {
    const plan = loopPlan({ steps: 200, milliseconds: 5, saveSteps: 7 });
    const { folder } = await startRun(plan, { workspace: window.workspace, script });
    await window.service.runs.rescan();
    const page = new Page(folder);
    const { lines: reported } = await watch("page", [folder]);
    await page.ask();
    expect(page.curve?.lines).toBeGreaterThanOrEqual(reported[folder]!);
    await pastStep(folder, 40);
    // Requests for series in between neither lose lines nor repeat them.
    for (let i = 0; i < 20; i++) await page.ask();
    await controlRun(folder, { command: "stop" });
    await ended(folder);
    // As if it had been killed: lines after the last checkpoint, which will be repeated.
    appendFileSync(join(folder, "metrics.jsonl"), '{"step":199,"seconds":9,"train/loss":1}\n');
    await window.service.runs.refresh(folder);
    await page.ask();
    expect(page.curve?.x.at(-1)).toBe(199);
    await resumeRun(folder, { script });
    await expect.poll(() => page.hear(), { interval: 50 }).toBe(true);
    await page.ask();
    await ended(folder);
    const whole = await wholeSeries(folder);
    await expect.poll(() => (page.hear(), page.curve)).toEqual(whole);
    const { lines: inFile } = await readMetrics(join(folder, "metrics.jsonl"));
    expect([whole.x.length, whole.lines]).toEqual([200, inFile.length]);
    expect(window.events("metricsAppended").filter(({ restarted }) => restarted)).toHaveLength(1);
  });

  it("sends nothing about runs that are no longer watched", async () => {
    const run = await window.run();
    await watch("a", [run]);
    await watch("b", [run]);
    await watch("a", []);
    write(run, lines(1, 3));
    await series(run);
    expect(window.events("metricsAppended")).toHaveLength(1);
    await watch("b", []);
    write(run, lines(4, 6));
    await series(run);
    expect(window.events("metricsAppended")).toHaveLength(1);
  });

  it("reports where a second watcher begins", async () => {
    const run = await window.run();
    write(run, lines(1, 3));
    const first = await watch("a", [run]);
    expect(first.lines[run]).toBe(3);
    write(run, [line(4, { "train/loss": NaN })]);
    const second = await watch("b", [run]);
    expect(second.lines[run]).toBe(4);
    const increment: Series = { ...lossOf(run), x: [4], y: [null], total: 1, lines: 4 };
    expect(window.events("metricsAppended")).toEqual([
      { run, from: 3, series: [increment], restarted: false },
    ]);
  });

  it("sends many lines in messages of bounded size", async () => {
    const run = await window.run();
    await watch("a", [run]);
    writeFileSync(
      join(run, "metrics.jsonl"),
      lines(1, 12_000)
        .map((each) => `${JSON.stringify(each)}\n`)
        .join(""),
    );
    await series(run);
    const events = window.events("metricsAppended");
    const increments = events.map((event) => event.series[0]!);
    expect(events.map(({ from }, i) => [from, increments[i]!.lines, increments[i]!.total])).toEqual([
      [0, 5000, 5000],
      [5000, 10_000, 5000],
      [10_000, 12_000, 2000],
    ]);
    expect(increments.flatMap(({ x }) => x)).toEqual(lines(1, 12_000).map(({ step }) => step));
    expect(increments.flatMap(({ y }) => y)).toEqual(lines(1, 12_000).map((each) => each["train/loss"]));
  });

  it("continues with the others when the history of one can no longer be read", async () => {
    const [good, broken] = [await window.run("done", "good"), await window.run("done", "broken")];
    write(good, lines(1, 2));
    await watch("a", [good, broken]);
    mkdirSync(join(broken, "metrics.jsonl"));
    write(good, lines(3, 4));
    await expect.poll(() => window.events("metricsAppended").length).toBe(1);
    await expect
      .poll(() =>
        window
          .events("logged")
          .map(({ message }) => message)
          .join(),
      )
      .toMatch(/broken.*not a regular file/);
  });
});

describe("histories in memory", () => {
  it("are evicted when there are too many, the least recently used first, but never while in use", async () => {
    const runs = await Promise.all(["a", "b", "c", "d"].map((name) => window.run("done", name)));
    for (const run of runs) write(run, lines(1, 1000));
    const needed = runs[1];
    // Space for two histories.
    const histories = new MetricHistories({ limit: 100_000, isNeeded: (run) => run === needed });
    const known = () => runs.map((run) => histories.has(run));
    for (const run of runs.slice(0, 3)) await histories.of(run).refresh();
    expect(histories.of(runs[0]!).columns.bytes).toBeGreaterThan(40_000);
    await histories.of(runs[3]!).refresh();
    expect(known()).toEqual([true, true, false, true]);
    histories.makeRoom();
    expect(known()).toEqual([false, true, false, true]);
  });

  it("survive a move to the trash and back", async () => {
    const run = await window.run();
    write(run, lines(1, 3));
    await series(run);
    renameSync(run, `${run}-away`);
    await window.service.runs.rescan();
    await expect(series(run)).rejects.toMatchObject({ code: "not-found" });
    renameSync(`${run}-away`, run);
    await window.service.runs.rescan();
    expect((await series(run)).lines).toBe(3);
    rmSync(run, { recursive: true });
  });
});
