/** The contract of every metric, on the smallest model of every family. */
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import type { DataSet } from "../../src/backend/data/dataSet";
import { metrics } from "../../src/backend/evaluation/catalog";
import { models } from "../../src/backend/models/catalog";
import type { AnyMetric, Subject } from "../../src/backend/evaluation/metric";
import { WorkbenchError } from "../../src/protocol/errors";
import { distinctFamilies } from "../support/families";
import { useGrammar } from "../support/grammar";
import {
  openGrammarData,
  openLabeledData,
  createQuietLab,
  openScoredData,
  createTinyClassifier,
  createTinySubject,
} from "../support/subject";

const grammar = useGrammar();
let words: DataSet;
let scores: DataSet;
let passkeys: DataSet;
beforeAll(async () => {
  words = await openLabeledData(grammar.folder);
  scores = await openScoredData(grammar.folder);
  // The text of the grammar lacks the characters of prompts with passkeys.
  passkeys = await openGrammarData(grammar.folder, {
    grammar: undefined,
    passkeys: { documents: 50, length: 100 },
    packing: false,
    sequence_len: 100,
  });
});
afterAll(() => {
  words[Symbol.dispose]();
  scores[Symbol.dispose]();
  passkeys[Symbol.dispose]();
});

function subjectOf(id: string, { of }: AnyMetric, family: string): Subject {
  const hasExits = id === "exits" && models[family]!.mask === "causal";
  if (of === undefined || of === "encoder")
    return createTinySubject(
      family,
      id === "retrieval" ? passkeys : grammar.data,
      hasExits ? { exit_layers: [1] } : {},
    );
  return createTinyClassifier(family, of === "classifier" ? words : scores);
}

it("is in the catalog for every file that defines one", () => {
  const sources = new URL("../../src/backend/evaluation/", import.meta.url);
  const files = readdirSync(sources).filter(
    (file) => file.endsWith(".ts") && readFileSync(new URL(file, sources), "utf8").includes("export default"),
  );
  expect(Object.keys(metrics).sort()).toEqual(files.map((file) => file.replace(".ts", "")).sort());
});

const cases = Object.entries(metrics).flatMap(([id, metric]) =>
  metric.samples.flatMap((sample) => distinctFamilies.map((family) => ({ id, metric, sample, family }))),
);

/** Available for models that predict the next token, but not for masked language models. */
const causal = new Set([
  "cache",
  "decoding",
  "exits",
  "generate",
  "longbench",
  "perplexity",
  "repetition",
  "retrieval",
  "robustness",
  "tasks",
]);

function isRefused(id: string, { of }: AnyMetric, family: string): boolean {
  const { task } = models[family]!.heads.language;
  return task === "causal-lm" ? of === "encoder" : causal.has(id);
}
const [refused, measured] = [true, false].map((wanted) =>
  cases.filter(({ id, metric, family }) => isRefused(id, metric, family) === wanted),
);

it.each(refused!)(
  "$id of $family with $sample is refused by the plan, with an alternative",
  ({ id, metric, family }) => {
    const check = () => metric.checkModel!(subjectOf(id, metric, family).shape);
    expect(check).toThrow(WorkbenchError);
    expect(check).toThrow(/Evaluate it with (masked|perplexity)/);
  },
);

it.each(measured!)(
  "$id of $family with $sample gives the same plain, finite data twice",
  async ({ id, metric, sample, family }) => {
    const subject = subjectOf(id, metric, family);
    const options = metric.options.parse(sample) as unknown;
    // What another model is compared with is a further one of the family.
    const lab = { ...createQuietLab(grammar.engine), openModel: async () => subjectOf(id, metric, family) };
    const once = await metric.evaluate(subject, options, lab);
    const again = await metric.evaluate(subject, options, lab);
    if (metric.changes === true) expect(Object.keys(again.values)).toEqual(Object.keys(once.values));
    else expect(again).toEqual(once);
    expect(JSON.parse(JSON.stringify(once))).toEqual(once);
    expect(Object.values(once.values).every(Number.isFinite)).toBe(true);
    expect(once.lines.length).toBeGreaterThan(0);
  },
);

describe.each(Object.entries(metrics))("%s", (id, metric) => {
  it("names its values in two parts and explains each option", () => {
    expect(metric.title).toMatch(/^[A-Z]/);
    expect(metric.options).toBeInstanceOf(z.ZodObject);
    for (const [key, option] of Object.entries(
      (metric.options as z.ZodObject<Record<string, z.ZodType>>).shape,
    ))
      expect(option.description, `${id}.${key}`).toMatch(/\.$/);
  });

  it("reports what it lacks", async () => {
    const family = metric.of === "encoder" ? "bert" : "gpt2";
    const { data: _data, tokenizer: _tokenizer, ...bare } = subjectOf(id, metric, family);
    // These read files of their own, so they have no samples.
    const withoutSamples: Readonly<Record<string, object>> = {
      tasks: { names: ["piqa"] },
      longbench: { path: "rows.jsonl" },
    };
    const sample = withoutSamples[id] ?? metric.samples[0];
    const options = metric.options.parse(sample) as unknown;
    const result = metric.evaluate(bare, options, createQuietLab(grammar.engine));
    if (metric.needs.length === 0) await result;
    else await expect(result).rejects.toMatchObject({ code: "invalid-input" });
  });
});
