/** The curves of a page, fed by the real service from a real history. */
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { MetricsWriter } from "../../../src/backend/runs/metrics/metricsWriter";
import { MetricHistory } from "../../../src/backend/service/metrics/metricHistory";
import { selectSeries } from "../../../src/backend/service/metrics/metricSeries";
import type { Events } from "../../../src/protocol/backend";
import { Connection, type Empty } from "../../../src/protocol/connection";
import type { Host, PageEvents, PageRequests } from "../../../src/protocol/page";
import type { MetricLine } from "../../../src/protocol/run";
import type { Axis, MetricRequests } from "../../../src/protocol/service/metrics";
import { CurveFeed } from "../../../webview/charts/curveFeed";
import { Window } from "../../backend/service/window";
import { createChannels } from "../../support/channels";

const axes: readonly Axis[] = ["step", "tokens", "seconds"];
const metrics = ["train/loss", "eval/loss", "late/loss"];
const firstLate = 60;

/** Lines with gaps, without a loss, without a token count, and with metrics that are not in every line. */
function createLines(step: number, attempt: number): readonly MetricLine[] {
  const seconds = step / 8;
  if (step % 6 === 0) return [{ step, seconds, "system/cpu": step }];
  const line: MetricLine = {
    step,
    ...(step % 13 === 0 ? {} : { tokens: step * 64 }),
    seconds,
    "train/loss": step % 7 === 0 ? NaN : step % 11 === 0 ? Infinity : attempt / step,
    ...(step % 5 === 0 ? { "eval/loss": attempt + 1 / step } : {}),
    ...(step >= firstLate ? { "late/loss": -attempt * step } : {}),
  };
  // Between two training steps, an evaluation reports the loss again at the same step.
  return step % 25 === 0 ? [line, { step, seconds: seconds + 0.1, "eval/loss": attempt }] : [line];
}

/** A run and a page that follows its curves on every axis. */
class FollowedRun {
  readonly faults: string[] = [];
  /** How often the page has requested series. */
  requests = 0;
  private readonly answers: Promise<unknown>[] = [];
  private readonly window: Window;
  private readonly feeds: readonly (readonly [Axis, CurveFeed])[];
  private run = "";

  private constructor() {
    const [pageEnd, hostEnd] = createChannels();
    const onFault = ({ message }: Error) => void this.faults.push(message);
    const host: Host = new Connection<PageRequests, PageEvents, Empty, Empty>(pageEnd, {}, { onFault });
    const server = new Connection<Empty, Empty, MetricRequests, Events>(
      hostEnd,
      {
        "metrics.series": (params, { signal }) => {
          this.requests++;
          return this.keep(this.window.ask("metrics.series", params, signal));
        },
        "metrics.watch": (params, { signal }) => this.keep(this.window.ask("metrics.watch", params, signal)),
      },
      { onFault },
    );
    this.window = new Window((name, payload) => server.emit(name, payload));
    const listener = {
      onChange: () => undefined,
      onFault: (_: string, message: string | undefined) => {
        if (message !== undefined) this.faults.push(message);
      },
    };
    this.feeds = axes.map((axis) => [axis, new CurveFeed(host, axis, listener)]);
  }

  static async create(): Promise<FollowedRun> {
    const followed = new FollowedRun();
    await followed.window.open();
    followed.run = await followed.window.run();
    return followed;
  }

  private keep<T>(answer: Promise<T>): Promise<T> {
    this.answers.push(answer);
    return answer;
  }

  /** Writes lines, after rewinding the history to the step before as a resumed run does. */
  write(from: number, to: number, attempt = 1): void {
    const writer = new MetricsWriter(join(this.run, "metrics.jsonl"));
    writer.rewind(from - 1);
    for (let step = from; step <= to; step++)
      for (const line of createLines(step, attempt)) writer.append(line);
    writer.close();
  }

  follow(names: readonly string[]): void {
    const curves = names.map((metric) => ({ run: this.run, metric }));
    for (const [axis, feed] of this.feeds) feed.follow(curves, axis, false);
  }

  /** Makes the service read and report new lines. */
  async report(): Promise<void> {
    const series = [{ run: this.run, metric: "train/loss", axis: "step" }] as const;
    await this.window.ask("metrics.watch", { watcher: "test", series });
  }

  /** The curves equal those of the file read at once. */
  async expectWhole(names: readonly string[]): Promise<void> {
    const history = new MetricHistory(join(this.run, "metrics.jsonl"));
    await history.refresh();
    for (const [axis, feed] of this.feeds)
      for (const metric of names) {
        const query = { run: this.run, metric, axis, points: 10_000 };
        const whole = selectSeries(history.columns, query);
        await expect.poll(() => feed.points(query), { interval: 5 }).toEqual(whole);
      }
    await Promise.all(this.answers);
    expect(this.faults).toEqual([]);
  }
}

describe("a curve with its increments equals the whole file read at once", () => {
  it("through several training steps, with lines one by one and many at a time, and a metric that appears late", async () => {
    const run = await FollowedRun.create();
    run.write(1, 50);
    run.follow(metrics);
    await run.expectWhole(metrics);
    for (let step = 51; step <= 70; step++) {
      run.write(step, step);
      await run.report();
    }
    await run.expectWhole(metrics);
    run.write(71, 6200);
    await run.report();
    await run.expectWhole(metrics);
    expect(run.requests).toBe(axes.length);
  });

  it("when a resumed run overwrites later steps", async () => {
    const run = await FollowedRun.create();
    run.write(1, 90);
    run.follow(metrics);
    await run.expectWhole(metrics);
    run.write(41, 55, 2);
    await run.report();
    await run.expectWhole(metrics);
    for (let step = 56; step <= 80; step++) {
      run.write(step, step, 2);
      await run.report();
    }
    await run.expectWhole(metrics);
    // Once more after the restart.
    expect(run.requests).toBe(2 * axes.length);
  });

  it("when a request of the page is what finds the run resumed, without repeating it forever", async () => {
    const run = await FollowedRun.create();
    run.write(1, 90);
    run.follow(["train/loss"]);
    await run.expectWhole(["train/loss"]);
    run.write(41, 70, 2);
    run.follow(metrics);
    await run.expectWhole(metrics);
    for (let turn = 0; turn < 50; turn++) await setImmediate();
    const { requests } = run;
    run.write(71, 75, 2);
    await run.report();
    await run.expectWhole(metrics);
    expect(run.requests).toBe(requests);
  });
});
