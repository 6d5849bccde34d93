import { describe, expect, test } from "vitest";
import { Sampler } from "../../../src/backend/data/sampler";
import type { Batch } from "../../../src/backend/data/split";
import { failureOf, openIn, temporaryFolder, writeFiles } from "./fixtures";

const END = 256;

function rowsOf(batch: Batch, values: Int32Array): number[][] {
  return Array.from({ length: batch.rows }, (_, row) => [
    ...values.subarray(row * batch.length, (row + 1) * batch.length),
  ]);
}

async function withTexts(texts: readonly string[], options: Parameters<typeof openIn>[1]) {
  const folder = temporaryFolder();
  await writeFiles(folder, { "rows.jsonl": texts.map((text) => JSON.stringify({ text })).join("\n") });
  return openIn(folder, { text: "rows.jsonl", val_fraction: 0, ...options });
}

describe("packing", () => {
  test("blocks overlap by one token, so every token but the first is predicted once", async () => {
    using data = await withTexts(["abcdef", "ghij"], { sequence_len: 5 });
    const stream = [...Buffer.from("abcdef"), END, ...Buffer.from("ghij"), END];
    expect([...data.train.read(0, data.train.tokens)]).toEqual(stream);
    expect(data.train.sequences).toBe(2);
    const batch = data.train.batch([0, 1]);
    expect(rowsOf(batch, batch.tokens)).toEqual([stream.slice(0, 5), stream.slice(5, 10)]);
    expect(rowsOf(batch, batch.labels)).toEqual([stream.slice(1, 6), stream.slice(6, 11)]);
    expect(batch.segments).toBeUndefined();
    expect(batch.positions).toBeUndefined();
  });

  test("a document mask numbers documents, restarts positions and drops the label across a boundary", async () => {
    using data = await withTexts(["ab", "c", "defgh"], { sequence_len: 8, document_mask: true });
    const batch = data.train.batch([0]);
    const [a, b, c, d, e, f, g] = Buffer.from("abcdefg");
    expect([...batch.tokens]).toEqual([a, b, END, c, END, d, e, f]);
    expect([...batch.labels]).toEqual([b, END, -100, END, -100, e, f, g]);
    expect([...(batch.segments ?? [])]).toEqual([1, 1, 1, 2, 2, 3, 3, 3]);
    expect([...(batch.positions ?? [])]).toEqual([0, 1, 2, 0, 1, 0, 1, 2]);
  });

  test("a label across a boundary after the last token of a row is dropped too", async () => {
    using data = await withTexts(["abc", "defgh"], { sequence_len: 4, document_mask: true });
    const batch = data.train.batch([0, 1]);
    expect(batch.labels[3]).toBe(-100);
    expect([...(batch.segments ?? [])]).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
    expect([...batch.labels.subarray(4)]).toEqual([...Buffer.from("efgh")]);
  });

  test("batches in order end with rows of padding", async () => {
    using data = await withTexts(["abcdefghijklm"], { sequence_len: 4 });
    const batches = [...data.train.batches(2)];
    expect(batches.map((batch) => batch.rows)).toEqual([2, 2]);
    expect(rowsOf(batches[1]!, batches[1]!.labels)[1]).toEqual([-100, -100, -100, -100]);
    expect([...data.train.batches(2, 1)].length).toBe(1);
  });
});

describe("one document per sequence", () => {
  test("short documents are padded, long ones continue in the next sequence", async () => {
    using data = await withTexts(["ab", "cdefgh"], { sequence_len: 4, packing: false });
    const [a, b, c, d, e, f, g, h] = Buffer.from("abcdefgh");
    const batch = data.train.batch([0, 1, 2]);
    expect(data.train.sequences).toBe(3);
    expect(rowsOf(batch, batch.tokens)).toEqual([
      [a, b, END, END],
      [c, d, e, f],
      [g, h, END, END],
    ]);
    expect(rowsOf(batch, batch.labels)).toEqual([
      [b, END, -100, -100],
      [d, e, f, g],
      [h, END, -100, -100],
    ]);
    expect(rowsOf(batch, batch.segments!)).toEqual([
      [1, 1, 0, 0],
      [1, 1, 1, 1],
      [1, 1, 0, 0],
    ]);
    expect(batch.positions).toBeUndefined();
  });
});

describe("train and validation", () => {
  const texts = Array.from({ length: 200 }, (_, i) => `document ${String(i).padStart(4, "0")}`);

  test("whole documents are drawn by a seed, each into one split", async () => {
    const documents = async (split_seed: number) => {
      using data = await withTexts(texts, { sequence_len: 16, val_fraction: 0.1, split_seed });
      const { tokenizer } = data;
      const read = (split: typeof data.train): string[] =>
        Array.from({ length: split.documents }, (_, i) => tokenizer.decode(split.read(i * 14, 14)));
      expect(data.notices).toEqual([]);
      return { train: read(data.train), validation: read(data.validation!) };
    };
    const first = await documents(1);
    expect(first.validation.length).toBe(20);
    expect([...first.train, ...first.validation].sort()).toEqual(texts);
    expect(await documents(1)).toEqual(first);
    expect((await documents(2)).validation).not.toEqual(first.validation);
  });

  test("reads that span documents of the other split return only this split's tokens", async () => {
    using data = await withTexts(texts, { sequence_len: 16, val_fraction: 0.3 });
    const whole = [...data.train.read(0, data.train.tokens)];
    for (let from = 0; from + 50 < whole.length; from += 37)
      expect([...data.train.read(from, 50)]).toEqual(whole.slice(from, from + 50));
  });

  test("a text of few documents is split at its end, with a notice", async () => {
    const words = Array.from({ length: 5000 }, (_, i) => `w${i}`);
    using data = await withTexts([words.join(" ")], { sequence_len: 16, val_fraction: 0.1 });
    expect(data.notices.join()).toContain("one document");
    const { train, validation } = data.summary;
    const share = validation!.tokens / (train.tokens + validation!.tokens);
    expect(Math.abs(share - 0.1)).toBeLessThan(0.005);
    expect(train.words + validation!.words).toBe(5000);
    expect(train.bytes + validation!.bytes).toBe(words.join(" ").length);
    expect(data.tokenizer.decode(data.validation!.read(0, validation!.tokens)).trimEnd()).toMatch(/w4999$/);
  });

  test("words and bytes of both splits add up to those of the whole", async () => {
    using data = await withTexts(texts, { sequence_len: 16, val_fraction: 0.25 });
    const { train, validation } = data.summary;
    expect(train.words + validation!.words).toBe(400);
    expect(train.documents + validation!.documents).toBe(200);
    expect(train.bytes + validation!.bytes).toBe(texts.join("").length);
  });
});

describe("sampling", () => {
  test("an epoch draws every sequence once, in a different order from the next epoch", async () => {
    using data = await withTexts(["abcdefghijklmnopqrstuvwxyz"], { sequence_len: 2 });
    const { sequences } = data.train;
    const sampler = new Sampler(data.train, 1, 7);
    const epoch = () => Array.from({ length: sequences }, () => sampler.next().tokens[0]!);
    const [first, second] = [epoch(), epoch()];
    expect([...first].sort()).toEqual([...second].sort());
    expect(new Set(first).size).toBe(sequences);
    expect(first).not.toEqual(second);
    expect(new Sampler(data.train, sequences, 8).next().tokens).not.toEqual(
      new Sampler(data.train, sequences, 7).next().tokens,
    );
  });

  test("a sampler restored from its state continues with the next batch, also across epochs", async () => {
    using data = await withTexts(["abcdefghijklmnopqrstuvwxyz".repeat(3)], { sequence_len: 3 });
    const sampler = new Sampler(data.train, 4, 3);
    for (let step = 0; step < 20; step++) {
      const state = JSON.parse(JSON.stringify(sampler.state)) as typeof sampler.state;
      const again = Sampler.restore(data.train, 4, state);
      expect(again.next()).toEqual(sampler.next());
      expect(again.next()).toEqual(Sampler.restore(data.train, 4, sampler.state).next());
    }
    expect(sampler.state.epoch).toBe(3);
  });

  test("the state of other data is refused", async () => {
    using data = await withTexts(["abcdefghij"], { sequence_len: 3 });
    const state = { seed: 0, epoch: 0, position: 0, sequences: 99 };
    const error = await failureOf((async () => Sampler.restore(data.train, 1, state))());
    expect(error.message).toContain("99 training sequences");
  });
});
