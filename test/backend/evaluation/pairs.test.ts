/**
 * Texts and pairs of texts for an encoder: special tokens, token types, padding and truncation, compared with
 * transformers (scripts/reference/pairs.py).
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeSafetensors } from "../../../src/backend/checkpoints/safetensors";
import { calibrationSchema } from "../../../src/backend/compression/calibration/batches";
import { computeGradients } from "../../../src/backend/compression/calibration/gradients";
import { type DataSet, openData } from "../../../src/backend/data/dataSet";
import { matchToModel } from "../../../src/backend/data/labels";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import classification from "../../../src/backend/evaluation/classification";
import { computeHeadOutputs } from "../../../src/backend/evaluation/headOutputs";
import { importModel } from "../../../src/backend/imports/importModel";
import { getHead } from "../../../src/backend/models/classifier";
import { createPrepare } from "../../../src/backend/training/objective";
import { dataSchema } from "../../../src/schema/experiment";
import { createReferenceTensor, drawUniform } from "../../support/referenceModel";
import { createQuietLab, createTemporaryFolder } from "../../support/subject";

interface Encoded {
  readonly ids: readonly (readonly number[])[];
  readonly types: readonly (readonly number[])[];
}
type Case = "single right" | "single left" | "pair right" | "pair left";
interface Fixture {
  readonly bound: number;
  readonly length: number;
  readonly rows: readonly { readonly first: string; readonly second: string; readonly label: string }[];
  readonly tokenizer: Readonly<Record<string, unknown>>;
  readonly post_processors: Readonly<
    Record<string, { readonly post_processor: unknown; readonly encoded: Readonly<Record<Case, Encoded>> }>
  >;
  readonly model: {
    readonly config: Readonly<Record<string, unknown>>;
    readonly tensors: Readonly<Record<string, number[]>>;
    readonly results: Readonly<
      Record<
        Case,
        {
          readonly logits: readonly (readonly number[])[];
          readonly loss: number;
          readonly accuracy: number;
          readonly gradients: Readonly<Record<string, { readonly norm: number; readonly probe: number }>>;
        }
      >
    >;
  };
}
const path = new URL("../../fixtures/pairs.json", import.meta.url);
const fixture = JSON.parse(readFileSync(path, "utf8")) as Fixture;
const { bound, length, rows, model } = fixture;
const cases = ["single right", "single left", "pair right", "pair left"] as const;

let engine: Engine;
const folder = createTemporaryFolder();
beforeAll(async () => {
  engine = await openEngine("cpu", { threads: 1 });
  writeFileSync(join(folder.path, "rows.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
});
afterAll(async () => {
  folder[Symbol.dispose]();
  await engine[Symbol.asyncDispose]();
});

function open(
  postProcessor: string,
  given: Case,
  options: Readonly<Record<string, unknown>> = {},
): Promise<DataSet> {
  const [texts, side] = given.split(" ");
  const tokenizer = `${postProcessor.replaceAll(" ", "-")}.json`;
  const { post_processor } = fixture.post_processors[postProcessor]!;
  writeFileSync(join(folder.path, tokenizer), JSON.stringify({ ...fixture.tokenizer, post_processor }));
  return openData(
    dataSchema.parse({
      text: "rows.jsonl",
      tokenizer,
      text_column: "first",
      ...(texts === "pair" ? { text_pair_column: "second" } : {}),
      label_column: "label",
      truncation: side,
      sequence_len: length,
      val_fraction: 0,
      ...options,
    }),
    { baseFolder: folder.path, cacheFolder: folder.path },
  );
}

/** Ids and token types of each row, without padding. */
function encodedBy({ train }: DataSet): Encoded {
  const batches = rows.map((_, row) => train.batch([row]));
  const textOf = (values: Int32Array | undefined, segments: Int32Array) =>
    Array.from(
      segments.filter((segment) => segment > 0),
      (_, i) => values?.[i] ?? 0,
    );
  return {
    ids: batches.map(({ tokens, segments }) => textOf(tokens, segments!)),
    types: batches.map(({ types, segments }) => textOf(types, segments!)),
  };
}

async function load(changes: Readonly<Record<string, unknown>> = {}) {
  const path = join(folder.path, `model-${Object.keys(changes).join("-")}`);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "config.json"), JSON.stringify({ ...model.config, ...changes }));
  const tensors = new Map(
    Object.entries(model.tensors).map(([name, given]) => {
      const shape = name in changes ? [1, given[1]!] : given;
      return [name, { shape, data: createReferenceTensor(name, shape, bound) }];
    }),
  );
  writeSafetensors(join(path, "model.safetensors"), tensors);
  const { shape, tensors: read } = await importModel(path, {});
  return { shape, tensors: read };
}

describe.each(Object.entries(fixture.post_processors))("the post-processor %s", (name, { encoded }) => {
  // If texts have no closing token, a pair stays one text with a separator, as for decoders.
  it.each(name === "opens" ? cases.slice(0, 2) : cases)("gives transformers' ids: %s", async (given) => {
    using data = await open(name, given);
    expect(encodedBy(data)).toEqual(encoded[given]);
  });
});

it("a pair is one text if a separator is set, or texts have no closing token", async () => {
  using joined = await open("template", "pair right", { pair_separator: " , ", sequence_len: 64 });
  const separator = joined.tokenizer;
  const [first] = rows;
  const text = Array.from(await separator.encode(`${first!.first} , ${first!.second}`));
  expect(encodedBy(joined).ids[0]).toEqual([2, ...text, 3]);
  expect(joined.train.batch([0]).types).toBeUndefined();
  using opened = await open("opens", "pair right", { sequence_len: 64 });
  const plain = Array.from(await separator.encode(`${first!.first}\n${first!.second}`));
  expect(encodedBy(opened).ids[0]).toEqual([5, ...plain]);
});

it("refuses a text or pair without space beside special tokens, or that must not be truncated", async () => {
  await expect(open("template", "pair right", { sequence_len: 3 })).rejects.toThrow(
    "A sequence of 3 tokens has no room for text beside the tokenizer's 3 special tokens. Raise data.sequence_len.",
  );
  await expect(open("template", "pair right", { truncation: "none" })).rejects.toThrow(
    /A text has \d+ tokens, and a sequence has 9/,
  );
});

describe.each(cases)("a BERT classifier on texts: %s", (given) => {
  const reference = model.results[given];

  it("has transformers' logits, accuracy and loss, for any batch size", async () => {
    const subject = await load();
    using data = await open("template", given);
    for (const batch_size of [1, 7]) {
      const { values } = await classification.evaluate(
        { ...subject, data },
        classification.options.parse({ split: "train", resamples: 0, batch_size }),
        createQuietLab(engine),
      );
      expect(values["classification/accuracy"]).toBeCloseTo(reference.accuracy, 12);
      expect(values["classification/loss"]! / reference.loss).toBeCloseTo(1, 5);
      const { train } = matchToModel(data, getHead(subject.shape.config));
      let row = 0;
      for await (const { logits } of computeHeadOutputs(
        subject,
        train,
        { batch_size },
        createQuietLab(engine),
      )) {
        const wanted = reference.logits[row++]!;
        logits.forEach((each, i) => expect(Math.abs(each - wanted[i]!)).toBeLessThan(1e-4));
      }
      expect(row).toBe(rows.length);
    }
  });

  it("has transformers' loss and gradients in training", async () => {
    const subject = await load();
    using data = await open("template", given);
    const { train } = matchToModel(data, getHead(subject.shape.config));
    const names = Object.keys(reference.gradients);
    const { loss, moments } = await computeGradients(
      subject,
      new Set(names),
      calibrationSchema.parse({ samples: rows.length, batch_size: rows.length }),
      {
        engine,
        train,
        prepare: createPrepare(subject.shape, data.tokenizer),
        seed: 0,
        signal: new AbortController().signal,
        progress: () => undefined,
      },
    );
    expect(loss / reference.loss).toBeCloseTo(1, 4);
    const largest = Math.max(...names.map((name) => reference.gradients[name]!.norm));
    for (const name of names) {
      const gradient = Array.from(moments.get(name)!.mean);
      const probing = drawUniform(`${name}#probe`, gradient.length, bound);
      const { norm, probe } = reference.gradients[name]!;
      // The gradient of a key bias is only rounding error.
      expect(Math.abs(Math.hypot(...gradient) - norm), name).toBeLessThan(1e-4 * norm + 1e-6 * largest);
      const found = gradient.reduce((sum, each, i) => sum + each * probing[i]!, 0);
      expect(Math.abs(found - probe), name).toBeLessThan(1e-4 * norm + 1e-6 * largest);
    }
  });
});

describe("text for a masked language model", () => {
  const text = "kaka kalo.";
  const framed = async (options: Readonly<Record<string, unknown>>) => {
    using data = await open("template", "single right");
    const { tokenizer } = data;
    writeFileSync(
      join(folder.path, "lines.jsonl"),
      Array.from({ length: 3 }, () => `${JSON.stringify({ text })}\n`).join(""),
    );
    const file = { text: "lines.jsonl", tokenizer: "template.json", val_fraction: 0, ...options };
    const places = { baseFolder: folder.path, cacheFolder: folder.path };
    using lines = await openData(dataSchema.parse(file), places);
    return { line: [2, ...(await tokenizer.encode(text)), 3], batch: lines.train.batch([0]), tokenizer };
  };

  it("has the special tokens around each document, packed or not, up to the last [SEP]", async () => {
    const packed = await framed({ sequence_len: 10 });
    expect([...packed.batch.tokens]).toEqual([...packed.line, ...packed.line]);
    const apart = await framed({ sequence_len: 8, packing: false });
    expect([...apart.batch.tokens.subarray(0, 5)]).toEqual(apart.line);
    expect([...apart.batch.segments!]).toEqual([1, 1, 1, 1, 1, 0, 0, 0]);
    const exact = await framed({ sequence_len: 5, packing: false });
    expect([...exact.batch.tokens]).toEqual(exact.line);
  });

  it("never masks special tokens, and masks every other one at a rate of 1", async () => {
    const { line, batch, tokenizer } = await framed({ sequence_len: 8, packing: false });
    const { num_labels: _, id2label: __, label2id: ___, ...language } = (await load()).shape.config;
    const prepare = createPrepare({ family: "bert", config: language, representations: {} }, tokenizer, 1)!;
    const { labels } = prepare(batch, () => () => 0.5);
    expect([...labels]).toEqual([-100, ...line.slice(1, -1), -100, -100, -100, -100]);
  });
});

it("refuses pairs for a model with a single token type", async () => {
  const types = "bert.embeddings.token_type_embeddings.weight";
  const subject = await load({ type_vocab_size: 1, [types]: undefined });
  using data = await open("template", "pair right");
  await expect(
    classification.evaluate(
      { ...subject, data },
      classification.options.parse({ split: "train", resamples: 0 }),
      createQuietLab(engine),
    ),
  ).rejects.toThrow(/token type 1, but the model has type_vocab_size 1. Set data.pair_separator/);
});
