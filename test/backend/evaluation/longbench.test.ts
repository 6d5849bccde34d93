/** LongBench: its scores against the published code (scripts/reference/longbench.py), and answers of a tiny model. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createCharactersTokenizer } from "../../../src/backend/data/tokenizers/characters";
import { continuePrompts, greedyOptions } from "../../../src/backend/evaluation/generation";
import longbench from "../../../src/backend/evaluation/longbench";
import { createPrompt } from "../../../src/backend/evaluation/longbench/createPrompt";
import { longBenchDatasets } from "../../../src/backend/evaluation/longbench/datasets";
import { scorePrediction } from "../../../src/backend/evaluation/longbench/scores";
import { computeSequenceRatio } from "../../../src/backend/evaluation/longbench/sequenceRatio";
import type { EvaluationLab, Subject } from "../../../src/backend/evaluation/metric";
import { splitEvaluation } from "../../../src/backend/evaluation/parseInference";
import { compareTask } from "../../../src/backend/runs/folder/compareTasks";
import { readDocumentFiles } from "../../../src/backend/runs/folder/documentResults";
import { useGrammar } from "../../support/grammar";
import { createQuietLab, createTinyShape, drawModelTensors } from "../../support/subject";
import { failureOf, temporaryFolder, writeFiles } from "../data/fixtures";

interface Figures {
  readonly classes: readonly string[];
  readonly cases: readonly {
    readonly dataset: string;
    readonly prediction: string;
    readonly answers: readonly string[];
    readonly percent: number;
  }[];
}
const figures = JSON.parse(
  readFileSync(new URL("../../fixtures/longbench.json", import.meta.url), "utf8"),
) as Figures;

describe("scores equal those of the published code", () => {
  it.each(figures.cases)("of $dataset: $prediction", ({ dataset, prediction, answers, percent }) => {
    const score = scorePrediction(longBenchDatasets[dataset]!, prediction, answers, figures.classes);
    expect(100 * score).toBeCloseTo(percent, 9);
  });

  it("cover every score, right and wrong predictions", () => {
    for (const name of ["qa_f1", "rouge_l", "classification", "retrieval", "count", "code_sim"]) {
      const percents = figures.cases.flatMap(({ dataset, percent }) =>
        longBenchDatasets[dataset]!.score === name ? [percent] : [],
      );
      expect(Math.min(...percents), name).toBe(0);
      expect(Math.max(...percents), name).toBeGreaterThan(90);
      expect(new Set(percents).size, name).toBeGreaterThan(2);
    }
  });

  it("have closed forms for texts of one character", () => {
    expect(computeSequenceRatio("", "")).toBe(1);
    expect(computeSequenceRatio("aaaa", "aa")).toBe(4 / 6);
    // A character in more than 1 + 1 % of the places of 200 begins no block, except where both texts begin.
    const [late, frequent] = [`b${"a".repeat(198)}`, "a".repeat(200)];
    expect(computeSequenceRatio(frequent, late)).toBe((2 * 198) / 399);
    expect(computeSequenceRatio(late, frequent)).toBe(0);
    expect(computeSequenceRatio("a".repeat(199), frequent)).toBe((2 * 199) / 399);
  });
});

const ascii = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));
const tokenizer = createCharactersTokenizer(["\n", " ", ...ascii], true);
const shape = createTinyShape("llama", { vocab_size: tokenizer.vocabSize, max_position_embeddings: 96 });
const subject = { shape, tensors: drawModelTensors(shape, 8), tokenizer };

const grammar = useGrammar();
const folder = temporaryFolder();
const lab = (): EvaluationLab => ({
  ...createQuietLab(grammar.engine),
  places: { baseFolder: folder, cacheFolder: folder },
});

const row = (number: number, others: object = {}) => ({
  input: `Who has ${number}?`,
  context: `Ann has ${number}. Bob has ${number + 1}.`,
  answers: ["Ann"],
  length: 6,
  dataset: "hotpotqa",
  language: "en",
  all_classes: null,
  _id: `row ${number}`,
  ...others,
});
const toLines = (rows: readonly object[]) => rows.map((each) => `${JSON.stringify(each)}\n`).join("");

interface Line {
  readonly task: string;
  readonly doc_id: number;
  readonly id: string;
  readonly values: { readonly score: number };
  readonly resps: readonly [string];
  readonly prompt_tokens: number;
  readonly cut: boolean;
}

async function evaluate(rows: readonly object[], options: object = {}, measured: Subject = subject) {
  await writeFiles(folder, { "rows.jsonl": toLines(rows) });
  const parsed = longbench.options.parse({ path: "rows.jsonl", max_new_tokens: 5, ...options });
  const result = await longbench.evaluate(measured, parsed, lab());
  const documents = result.files!["documents-longbench.jsonl"]!.trim().split("\n");
  return { ...result, documents: documents.map((line) => JSON.parse(line) as Line) };
}

describe("answers", () => {
  it("are what the model continues each prompt with, and the score is their mean with its standard error", async () => {
    const prompts = [1, 2, 3, 4].map(
      (i) => `Ann has ${i}. Bob has ${i + 1}.\n\nQuestion: Who has ${i}?\nAnswer:`,
    );
    const greedy = await continuePrompts(subject, prompts, { ...greedyOptions, max_new_tokens: 5 }, lab());
    const texts = greedy.map(({ text }) => text);
    // The code score is 1 for the text itself and 0 for one without a common character.
    const rows = texts.map((text, i) =>
      row(i + 1, { dataset: undefined, answers: i === 0 ? ["no", text] : ["\u00e9"] }),
    );
    const { values, details, documents, protocols, lines } = await evaluate(rows, { score: "code_sim" });
    expect(documents.map(({ resps }) => resps[0])).toEqual(texts);
    expect(documents.map((each) => each.values.score)).toEqual([1, 0, 0, 0]);
    expect(values).toEqual({ "longbench/score": 0.25, "longbench/score_stderr": 0.25 });
    expect(details.datasets).toEqual([
      {
        dataset: "questions",
        score: "code_sim",
        value: 0.25,
        stderr: 0.25,
        documents: 4,
        cut: 0,
        prompt_tokens: prompts[0]!.length,
      },
    ]);
    expect(lines).toEqual([
      `questions: code_sim 0.2500 ± 0.2500; 4 documents of ${prompts[0]!.length} tokens on average`,
    ]);
    expect(protocols!["longbench/score"]).toMatchObject({ data: "questions", tokens: 4, unit: "rows" });
  });

  it("of several datasets have a score each, by their names", async () => {
    const rows = [
      row(1),
      row(2, { dataset: "gov_report" }),
      row(3, { dataset: "trec", all_classes: ["Ann", "Bob"] }),
      row(4, { dataset: "passage_retrieval_en", answers: ["Paragraph 4"] }),
      row(5, { dataset: "passage_count", answers: ["4"] }),
      row(6, { dataset: "lcc_e" }),
      row(7, { dataset: "lsht", language: "zh", all_classes: ["Ann"] }),
      row(8),
    ];
    const { details, values, documents } = await evaluate(rows);
    expect(details.datasets.map(({ dataset, score, documents: count }) => [dataset, score, count])).toEqual([
      ["hotpotqa", "qa_f1", 2],
      ["gov_report", "rouge_l", 1],
      ["trec", "classification", 1],
      ["passage_retrieval_en", "retrieval", 1],
      ["passage_count", "count", 1],
      ["lcc_e", "code_sim", 1],
      ["lsht", "classification", 1],
    ]);
    expect(Object.keys(values)).toContain("longbench/score_hotpotqa_stderr");
    expect(Object.keys(values)).not.toContain("longbench/score_lcc_e_stderr");
    expect(documents.map(({ task, doc_id: id }) => `${task} ${id}`)[1]).toBe("hotpotqa 1");
    expect((await evaluate(rows, { limit: 1 })).documents).toHaveLength(1);
  });

  it("to rows without a dataset are scored as questions", async () => {
    const { details } = await evaluate([row(1, { dataset: undefined })]);
    expect(details.datasets[0]).toMatchObject({ dataset: "questions", score: "qa_f1", stderr: null });
  });

  it("can be compared row by row", async () => {
    const read = async (name: string, options: object) => {
      const { files, protocols } = await evaluate([row(1), row(2), row(3)], options);
      const where = join(folder, name);
      await writeFiles(where, files!);
      return { id: name, documents: readDocumentFiles(where), protocols: protocols! };
    };
    const [first, second] = [await read("first", {}), await read("second", { batch_size: 1 })];
    expect(compareTask("longbench", first, second, { resamples: 100, seed: 0 })).toMatchObject([
      { value: "longbench/score", documents: 3, difference: 0 },
    ]);
    const other = await read("other", { prompt: "{context} {input}" });
    expect(() => compareTask("longbench", first, other, { resamples: 100, seed: 0 })).toThrow(
      /in different ways: .*template/,
    );
  });
});

describe("a prompt that is too long", () => {
  const text = "0123456789abcdefghij";
  const cut = (most: number) =>
    createPrompt("{context}{input}", { context: text, input: "?!" }, tokenizer, most);

  it("keeps the first and the last half of the tokens that are allowed", async () => {
    expect(await cut(22)).toMatchObject({ text: `${text}?!`, isCut: false, questionLength: 2 });
    expect(await cut(21)).toMatchObject({ text: "0123456789cdefghij?!", isCut: true, questionLength: 2 });
    expect(await cut(8)).toMatchObject({ text: "0123ij?!", questionLength: 2 });
    const short = await cut(3);
    expect(short).toMatchObject({ text: "0!", isCut: true, questionLength: 2 });
    expect(short.ids).toHaveLength(2);
  });

  it("is reported", async () => {
    const { details, documents } = await evaluate([row(1), row(2)], { max_length: 20 });
    expect(details.datasets[0]).toMatchObject({ cut: 2, prompt_tokens: 20 });
    expect(documents.every(({ cut: isCut }) => isCut)).toBe(true);
  });

  it("does not take the texts of a row for places of the template", async () => {
    const prompt = await createPrompt(
      "{input}: {context}.",
      { context: "{input}", input: "{context}" },
      tokenizer,
      99,
    );
    expect(prompt).toMatchObject({ text: "{context}: {input}.", questionLength: 1 });
  });
});

describe("inference", () => {
  const withInference = (inference: object) => ({ ...subject, ...splitEvaluation({ inference }) });
  const predict = async (inference: object) => {
    const { documents } = await evaluate([row(1), row(2)], {}, withInference(inference));
    return documents.map(({ resps, prompt_tokens: tokens }) => ({ text: resps[0], tokens }));
  };

  it("with room for the whole text changes nothing", async () => {
    const whole = await predict({});
    expect(await predict({ cache: { window: { budget: 96 } } })).toEqual(whole);
    expect(await predict({ prompt: { recent: { budget: 1 } } })).toEqual(whole);
  });

  it("shortens the context and not the question", async () => {
    const whole = "Ann has 1. Bob has 2.\n\nQuestion: Who has 1?\nAnswer:";
    const [first] = await predict({ prompt: { recent: { budget: 0.5 } } });
    expect(first!.tokens).toBe(whole.length - "Ann has 1. ".length);
    const [greedy] = await continuePrompts(
      subject,
      [whole.replace("Ann has 1. ", "")],
      { ...greedyOptions, max_new_tokens: 5 },
      lab(),
    );
    expect(first!.text).toBe(greedy!.text);
  });

  it("with a small cache reads the whole prompt, and generates with few tokens", async () => {
    const inference = { cache: { window: { budget: 6 } } };
    const found = await predict(inference);
    const whole = await predict({});
    expect(found.map(({ tokens }) => tokens)).toEqual(whole.map(({ tokens }) => tokens));
    expect(found).not.toEqual(whole);
    const prompts = [1, 2].map((i) => `Ann has ${i}. Bob has ${i + 1}.\n\nQuestion: Who has ${i}?\nAnswer:`);
    const greedy = await continuePrompts(
      withInference(inference),
      prompts,
      { ...greedyOptions, max_new_tokens: 5 },
      lab(),
    );
    expect(found.map(({ text }) => text)).toEqual(greedy.map(({ text }) => text));
  });
});

describe("bad input", () => {
  const refuse = async (rows: readonly object[] | string, options: object = {}) => {
    const content = typeof rows === "string" ? rows : toLines(rows);
    await writeFiles(folder, { "bad.jsonl": content });
    const parsed = longbench.options.parse({ path: "bad.jsonl", ...options });
    const places = { baseFolder: folder, cacheFolder: folder };
    return (await failureOf(Promise.resolve(longbench.check!({ ...subject }, parsed, places)))).message;
  };

  it.each<[string, readonly object[] | string, object, RegExp]>([
    ["a missing file", [], { path: "gone.jsonl" }, /no file matches gone\.jsonl in .*Name a JSONL file/],
    ["no rows", "", {}, /bad\.jsonl has no rows/],
    ["a line that is not JSON", "{", {}, /bad\.jsonl:1 is not JSON/],
    ["a missing field", [row(1), { input: "a", answers: ["b"] }], {}, /bad\.jsonl:2 .* has no field context/],
    [
      "a wrong type",
      [row(1, { answers: "Ann" })],
      {},
      /field answers has to be a list of texts, but is "Ann"/,
    ],
    ["a number for a text", [row(1, { context: 5 })], {}, /field context has to be a text, but is 5/],
    ["no answers", [row(1, { answers: [] })], {}, /field answers is empty, so that no prediction/],
    [
      "an unknown dataset",
      [row(1, { dataset: "hotpot" })],
      {},
      /dataset hotpot is not one of LongBench \(narrativeqa.*set longbench\.score/,
    ],
    [
      "a name that is not plain",
      [row(1, { dataset: "a/b" })],
      { score: "count" },
      /dataset has to consist of letters, .* but is "a\/b"/,
    ],
    ["classes that are missing", [row(1, { dataset: "trec" })], {}, /field all_classes has to be a list/],
    [
      "an answer that is not a class",
      [row(1, { dataset: "trec", all_classes: ["Bob"] })],
      {},
      /answer "Ann" is not among its all_classes/,
    ],
    [
      "an answer without a paragraph",
      [row(1, { dataset: "passage_retrieval_en" })],
      {},
      /answer "Ann" names no paragraph/,
    ],
    [
      "Chinese words",
      [row(1, { dataset: "dureader" })],
      {},
      /rouge_l of the Chinese dataset dureader needs .* jieba/,
    ],
    ["a Chinese row", [row(1, { language: "zh" })], {}, /qa_f1 of the Chinese dataset hotpotqa needs/],
    [
      "too many new tokens",
      [row(1)],
      { max_new_tokens: 95 },
      /generates 95 tokens, but the model's context is 96/,
    ],
    [
      "too long prompts",
      [row(1)],
      { max_length: 80 },
      /max_length is 80, but with 32 new tokens .* at most 64/,
    ],
  ])("refuses %s", async (_, rows, options, message) => {
    expect(await refuse(rows, options)).toMatch(message);
  });

  it("refuses a template without the context", () => {
    expect(longbench.options.safeParse({ path: "a", prompt: "{input}" }).error?.issues[0]?.message).toMatch(
      /write \{context\} once/,
    );
  });
});
