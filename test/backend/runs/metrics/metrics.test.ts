import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { addToSummary, parseMetricLine, type Summary } from "../../../../src/backend/runs/metrics/metricLine";
import { MetricsTail, readMetrics } from "../../../../src/backend/runs/metrics/metricsReader";
import { MetricsWriter } from "../../../../src/backend/runs/metrics/metricsWriter";
import type { MetricLine } from "../../../../src/protocol/run";
import { temporaryFolder } from "../workbench";

let path: string;
beforeEach(() => {
  path = join(temporaryFolder(), "metrics.jsonl");
});

const line = (step: number): MetricLine => ({ step, seconds: step / 10, "train/loss": 5 - step / 100 });

function writeSteps(from: number, to: number): void {
  const writer = new MetricsWriter(path);
  for (let step = from; step <= to; step++) writer.append(line(step));
  writer.close();
}

const steps = async () => (await readMetrics(path)).lines.map(({ step }) => step);

describe("reading", () => {
  it("returns the lines that were written", async () => {
    writeSteps(1, 3);
    expect(await readMetrics(path)).toEqual({ lines: [line(1), line(2), line(3)], bad: 0 });
  });

  it("finds no history if there is no file yet", async () => {
    expect(await readMetrics(path)).toEqual({ lines: [], bad: 0 });
  });

  it("recovers the complete lines of a file cut off anywhere", async () => {
    writeSteps(1, 5);
    const bytes = readFileSync(path);
    for (let length = 0; length <= bytes.length; length++) {
      writeFileSync(path, bytes.subarray(0, length));
      const whole = bytes.subarray(0, length).toString().split("\n").length - 1;
      expect(await readMetrics(path)).toEqual({ lines: [1, 2, 3, 4, 5].slice(0, whole).map(line), bad: 0 });
    }
  });

  it("counts invalid lines and keeps the others", async () => {
    writeSteps(1, 1);
    appendFileSync(path, 'nonsense\n{"step":"2"}\n[1]\n{"step":2,"seconds":1,"a/b":"x"}\n\0\0\0\n');
    writeSteps(2, 2);
    expect(await readMetrics(path)).toEqual({ lines: [line(1), line(2)], bad: 5 });
  });

  it("reads a NaN loss as NaN", () => {
    expect(parseMetricLine('{"step":1,"seconds":2,"train/loss":null}')).toEqual({
      step: 1,
      seconds: 2,
      "train/loss": NaN,
    });
  });

  it("reads a file of many chunks, and skips an endless line", async () => {
    const many = Array.from({ length: 60_000 }, (_, step) => JSON.stringify(line(step))).join("\n");
    writeFileSync(path, `${many}\n${"x".repeat(9_000_000)}\n${JSON.stringify(line(60_000))}\n`);
    const read = await readMetrics(path);
    expect(read.lines.length).toBe(60_001);
    expect(read.lines.at(-1)).toEqual(line(60_000));
    expect(read.bad).toBe(1);
  });
});

describe("following", () => {
  it("returns each line once, and a torn one when it is complete", async () => {
    const tail = new MetricsTail(path);
    expect((await tail.next()).lines).toEqual([]);
    writeSteps(1, 2);
    expect((await tail.next()).lines).toEqual([line(1), line(2)]);
    const text = JSON.stringify(line(3));
    appendFileSync(path, text.slice(0, 10));
    expect((await tail.next()).lines).toEqual([]);
    appendFileSync(path, `${text.slice(10)}\n`);
    expect((await tail.next()).lines).toEqual([line(3)]);
    expect((await tail.next()).lines).toEqual([]);
  });

  it("starts over, and reports it, when a resumed run has rewritten the file, even to the same length", async () => {
    writeSteps(1, 9);
    const tail = new MetricsTail(path);
    await tail.next();
    const writer = new MetricsWriter(path);
    writer.rewind(8);
    writer.append(line(9));
    writer.close();
    const chunk = await tail.next();
    expect(chunk.restarted).toBe(true);
    expect(chunk.lines.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

describe("resuming", () => {
  it("removes a torn tail before appending", async () => {
    writeSteps(1, 2);
    appendFileSync(path, '{"step":3,"sec');
    writeSteps(3, 3);
    expect(await readMetrics(path)).toEqual({ lines: [line(1), line(2), line(3)], bad: 0 });
  });

  it("drops the lines after the checkpoint and nothing before it", async () => {
    writeSteps(1, 10);
    const writer = new MetricsWriter(path);
    const kept = writer.rewind(6);
    expect(kept).toEqual([1, 2, 3, 4, 5, 6].map(line));
    for (let step = 7; step <= 10; step++) writer.append(line(step));
    writer.close();
    expect(await steps()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it("keeps a damaged line in the history, and is empty before the first step", async () => {
    writeSteps(0, 3);
    appendFileSync(path, "damaged\n");
    const writer = new MetricsWriter(path);
    writer.rewind(1);
    expect(await readMetrics(path)).toEqual({ lines: [line(0), line(1)], bad: 1 });
    writer.rewind(-1);
    expect((await readMetrics(path)).lines).toEqual([]);
    writer.close();
  });
});

it("keeps the last, lowest and highest value, and skips non-numbers", () => {
  const values = [3, 1, NaN, 2];
  const lines = values.map((value, step): MetricLine => ({ step, seconds: 0, "train/loss": value }));
  expect(lines.reduce<Summary>(addToSummary, {})).toEqual({ "train/loss": { last: 2, min: 1, max: 3 } });
});
