import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "csv-parse/sync";
import { describe, expect, it } from "vitest";
import { historyExporters } from "../../../src/backend/exports/histories/catalog";
import { exportHistory } from "../../../src/backend/exports/histories/exportHistory";
import { createHistorySubject } from "../../../src/backend/runs/folder/exportedHistory";
import { readMetrics } from "../../../src/backend/runs/metrics/metricsReader";
import { MetricsWriter } from "../../../src/backend/runs/metrics/metricsWriter";
import { RunFolder } from "../../../src/backend/runs/folder/runFolder";
import { loopPlan, temporaryFolder } from "../runs/workbench";
import { createUniform } from "../../support/sampleValues";

const startedAt = "2026-01-02T03:04:05.250Z";

function runWith(lines: number): RunFolder {
  const random = createUniform(5);
  const run = RunFolder.create(temporaryFolder(), loopPlan(), { state: "done", startedAt });
  const writer = new MetricsWriter(run.inside("metrics.jsonl"));
  for (let step = 1; step <= lines; step++)
    writer.append({
      step,
      ...(step % 3 === 0 ? {} : { tokens: step * 512 }),
      "train/loss": step === 7 ? NaN : 5 * random(),
      'strange, "one"/<b>µ': -random() * 1e-30,
      ...(step % 100 === 0 ? { "eval/loss": random() } : {}),
      seconds: step * 0.125,
    });
  writer.close();
  return run;
}

async function exported(run: RunFolder, format: string): Promise<Buffer> {
  const folder = join(temporaryFolder(), format);
  const { files } = await exportHistory(
    createHistorySubject(run.path, run.record),
    historyExporters[format]!,
    folder,
  );
  expect(readdirSync(folder)).toEqual(files.map(({ name }) => name));
  expect(files).toHaveLength(1);
  return readFileSync(join(folder, files[0]!.name));
}

/** CRC-32C bit by bit, according to its definition. */
function crc32c(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1;
  }
  return ~sum >>> 0;
}

const unmasked = (masked: number) => {
  const turned = (masked - 0xa282ead8) >>> 0;
  return ((turned >>> 17) | (turned << 15)) >>> 0;
};

function* records(file: Buffer): Generator<Buffer> {
  for (let at = 0; at < file.length;) {
    const length = Number(file.readBigUInt64LE(at));
    expect(unmasked(file.readUInt32LE(at + 8))).toBe(crc32c(file.subarray(at, at + 8)));
    const bytes = file.subarray(at + 12, at + 12 + length);
    expect(unmasked(file.readUInt32LE(at + 12 + length))).toBe(crc32c(bytes));
    at += 16 + length;
    yield bytes;
  }
}

/** Field number → values in the wire format of protocol buffers. */
function fields(message: Buffer): Map<number, (number | Buffer)[]> {
  const found = new Map<number, (number | Buffer)[]>();
  let at = 0;
  const varint = () => {
    for (let value = 0, scale = 1; ; scale *= 128) {
      const byte = message[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const read = (bytes: number, value: number | Buffer) => ((at += bytes), value);
    const kinds: Record<number, () => number | Buffer> = {
      0: varint,
      1: () => read(8, message.readDoubleLE(at)),
      2: () => {
        const length = varint();
        return read(length, message.subarray(at, at + length));
      },
      5: () => read(4, message.readFloatLE(at)),
    };
    found.set(tag >> 3, [...(found.get(tag >> 3) ?? []), kinds[tag & 7]!()]);
  }
  return found;
}

describe("a TensorBoard event file", () => {
  it("contains every value with its step and wall time", async () => {
    const run = runWith(500);
    const [header, ...events] = [...records(await exported(run, "tensorboard"))].map(fields);
    expect(String(header!.get(3)![0])).toBe("brain.Event:2");
    expect(header!.get(1)).toEqual([Date.parse(startedAt) / 1000]);
    const { lines } = await readMetrics(run.inside("metrics.jsonl"));
    expect(events).toHaveLength(lines.length);
    for (const [i, event] of events.entries()) {
      const { step, tokens: _, seconds, ...metrics } = lines[i]!;
      expect(event.get(1)).toEqual([Date.parse(startedAt) / 1000 + seconds]);
      expect(event.get(2)).toEqual([step]);
      const values = fields(event.get(5)![0] as Buffer).get(1) as Buffer[];
      const found = values.map(fields).map((value) => [String(value.get(1)![0]), value.get(2)![0]]);
      expect(Object.fromEntries(found)).toEqual(
        Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, Math.fround(value)])),
      );
    }
  });

  it("is well formed for a run without metrics", async () => {
    const run = RunFolder.create(temporaryFolder(), loopPlan(), { state: "queued" });
    expect([...records(await exported(run, "tensorboard"))]).toHaveLength(1);
  });
});

describe("a CSV table", () => {
  it("has one row per line and one column per metric, at full precision", async () => {
    const run = runWith(300);
    const { lines } = await readMetrics(run.inside("metrics.jsonl"));
    const rows = (await exported(run, "csv")).toString().trimEnd().split("\n");
    expect(rows[0]).toBe('step,tokens,seconds,eval/loss,"strange, ""one""/<b>µ",train/loss');
    expect(rows).toHaveLength(301);
    for (const [i, line] of lines.entries()) {
      const { step, tokens = "", seconds } = line;
      const metrics = ["eval/loss", 'strange, "one"/<b>µ', "train/loss"] as const;
      const values = metrics.map((name) => (line as unknown as Record<string, number>)[name] ?? "");
      expect(rows[i + 1]).toBe([step, tokens, seconds, ...values].join(","));
    }
  });

  it("escapes metric names that look like formulas or contain separators", async () => {
    const run = RunFolder.create(temporaryFolder(), loopPlan(), { state: "done" });
    const names = ["=HYPERLINK(1)/a", "＋1/a", "\t-2/a", 'a/\n"b",c'];
    const values = Object.fromEntries(names.map((name, i) => [name, -i - 1]));
    writeFileSync(run.inside("metrics.jsonl"), `${JSON.stringify({ step: 1, seconds: 0.5, ...values })}\n`);
    const rows: string[][] = parse(await exported(run, "csv"));
    expect(rows).toHaveLength(2);
    const [head, line] = rows as [string[], string[]];
    expect(head.slice(3).sort()).toEqual([...names.slice(0, 3).map((name) => `'${name}`), names[3]!].sort());
    for (const name of names)
      expect(line[head.findIndex((each) => each.endsWith(name))]).toBe(`${values[name]}`);
  });
});

it.each(Object.keys(historyExporters))("%s reads a long history in chunks", async (format) => {
  const run = RunFolder.create(temporaryFolder(), loopPlan(), { state: "done" });
  const text = Array.from(
    { length: 100_000 },
    (_, i) => `{"step":${i},"train/loss":${i / 7},"seconds":${i}}\n`,
  );
  writeFileSync(run.inside("metrics.jsonl"), text.join(""));
  const pieces: number[] = [];
  for await (const some of createHistorySubject(run.path, run.record).lines()) pieces.push(some.length);
  expect(pieces.length).toBeGreaterThan(1);
  expect((await exported(run, format)).length).toBeGreaterThan(2_000_000);
});
