import { describe, expect, test } from "vitest";
import { type BlockOptions, BlockSampler } from "../../../src/backend/data/blockSampler";
import type { DataSet } from "../../../src/backend/data/dataSet";
import { failureOf, openIn, temporaryFolder, writeFiles } from "./fixtures";

/** Documents of one byte, so that each is one sequence of two tokens. */
async function letters(count: number, more: Parameters<typeof openIn>[1] = {}): Promise<DataSet> {
  const folder = temporaryFolder();
  const rows = Array.from({ length: count }, (_, i) => ({ text: String.fromCodePoint(0x100 + i) }));
  await writeFiles(folder, { "rows.jsonl": rows.map((row) => JSON.stringify(row)).join("\n") });
  return openIn(folder, { text: "rows.jsonl", val_fraction: 0, sequence_len: 2, packing: false, ...more });
}

const usual: BlockOptions = {
  batchSize: 1,
  batchesPerStep: 1,
  seed: 3,
  rows: 40,
  replacement: true,
  epochs: undefined,
};

/** The documents that a block draws, in the order of its sequences. */
function drawn(sampler: BlockSampler): { documents: number[]; sequences: string[] } {
  const first = sampler.next();
  const { documents } = sampler.block;
  const sequences = [[...first.tokens].join()];
  while (!sampler.blockIsOver) sequences.push([...sampler.next().tokens].join());
  return { documents: [...documents], sequences };
}

describe("blocks drawn with replacement", () => {
  test("have the expected number of duplicates, and the same draws for the same seed", async () => {
    using data = await letters(1000);
    const options = { ...usual, rows: 1000 };
    const sampler = new BlockSampler(data.train, options);
    const different = Array.from({ length: 20 }, () => new Set(drawn(sampler).documents).size);
    // Of n draws from n, 1 − (1 − 1/n)ⁿ of the documents are expected: 632.3, with a deviation of about 10.
    const expected = 1000 * (1 - (1 - 1 / 1000) ** 1000);
    const mean = different.reduce((sum, count) => sum + count) / different.length;
    expect(Math.abs(mean - expected)).toBeLessThan(10);
    for (const count of different) expect(Math.abs(count - expected)).toBeLessThan(50);
    // The result of this seed, so that a change of the draw is noticed.
    expect(different.slice(0, 3)).toMatchInlineSnapshot(`
      [
        637,
        640,
        635,
      ]
    `);
    const again = new BlockSampler(data.train, options);
    expect(drawn(again)).toEqual(drawn(new BlockSampler(data.train, options)));
  });

  test("differ from each other and between seeds, and every draw is a sequence", async () => {
    using data = await letters(60);
    const sampler = new BlockSampler(data.train, usual);
    const [first, second] = [drawn(sampler), drawn(sampler)];
    expect(first.documents).toHaveLength(40);
    expect(second.documents).not.toEqual(first.documents);
    expect(drawn(new BlockSampler(data.train, { ...usual, seed: 4 })).documents).not.toEqual(first.documents);
    const tokens = first.documents.map((document) => [...data.train.read(document * 3, 2)].join());
    expect([...first.sequences].sort()).toEqual([...tokens].sort());
    expect(first.sequences).not.toEqual(tokens);
  });
});

describe("blocks drawn without replacement", () => {
  test("visit every document once an epoch, across block boundaries", async () => {
    using data = await letters(60);
    const sampler = new BlockSampler(data.train, { ...usual, replacement: false });
    const stream = [drawn(sampler), drawn(sampler), drawn(sampler)].flatMap(({ documents }) => documents);
    const all = Array.from({ length: 60 }, (_, i) => i);
    const [first, second] = [stream.slice(0, 60), stream.slice(60)];
    expect([...first].sort((a, b) => a - b)).toEqual(all);
    expect([...second].sort((a, b) => a - b)).toEqual(all);
    expect(first).not.toEqual(second);
    expect(first).not.toEqual(all);
  });

  test("end after exactly the requested epochs, with a shorter last block", async () => {
    using data = await letters(60);
    const options = { ...usual, replacement: false, epochs: 2.5 };
    const sampler = new BlockSampler(data.train, options);
    expect(sampler.steps).toBe(150);
    const sizes = Array.from({ length: 4 }, () => drawn(sampler).documents.length);
    expect(sizes).toEqual([40, 40, 40, 30]);
  });
});

test("with replacement the blocks are whole: 19 for three epochs of the published split", async () => {
  using data = await letters(60);
  // 3 · 60 / 9.54 = 18.87, as 3 · 2,515,658 / 400,000 is.
  const rows = 9;
  const epochs = (18.87 * rows) / 60;
  expect(new BlockSampler(data.train, { ...usual, rows, epochs }).steps).toBe(19 * rows);
});

test("a block ends with a full step, padded if necessary", async () => {
  using data = await letters(60);
  const sampler = new BlockSampler(data.train, { ...usual, batchSize: 3, batchesPerStep: 2, rows: 13 });
  const batches = Array.from({ length: 6 }, () => sampler.next());
  expect(sampler.block).toMatchObject({ index: 0, step: 3, steps: 3, sequences: 13 });
  expect(sampler.blockIsOver).toBe(true);
  const labels = batches.map((batch) => [0, 2, 4].filter((at) => batch.labels[at] !== -100).length);
  expect(labels).toEqual([3, 3, 3, 3, 1, 0]);
  sampler.next();
  expect(sampler.block).toMatchObject({ index: 1, step: 0, steps: 3 });
  expect(sampler.blockIsOver).toBe(false);
});

test.each([true, false])(
  "resumes from its state with the next batch, replacement %s",
  async (replacement) => {
    using data = await letters(50);
    const options = { ...usual, batchSize: 4, rows: 18, replacement };
    const sampler = new BlockSampler(data.train, options);
    for (let batch = 0; batch < 14; batch++) {
      const state = JSON.parse(JSON.stringify(sampler.state)) as typeof sampler.state;
      const again = BlockSampler.restore(data.train, { ...options, seed: 99 }, state);
      expect(again.blockIsOver).toBe(sampler.blockIsOver);
      const expected = sampler.next();
      expect(again.next()).toEqual(expected);
      expect(again.next()).toEqual(BlockSampler.restore(data.train, options, sampler.state).next());
    }
    expect(sampler.state.block).toBe(2);
  },
);

test("blocks smaller than a sequence, and the state of other data, are refused", async () => {
  using data = await letters(50, { packing: true, sequence_len: 32 });
  const none = await failureOf((async () => new BlockSampler(data.train, { ...usual, rows: 2 }))());
  expect(none.message).toContain("A block of 2 documents does not fill a single sequence of 32 tokens");
  const state = { seed: 0, block: 0, position: 0, documents: 49 };
  const other = await failureOf((async () => BlockSampler.restore(data.train, usual, state))());
  expect(other.message).toContain("49 documents to train on, but the data now has 50");
});
