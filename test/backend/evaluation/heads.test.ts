/**
 * Compares classifiers with a different order of classes, and regressions, with transformers and SciPy
 * (scripts/reference/heads.py).
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeSafetensors } from "../../../src/backend/checkpoints/safetensors";
import { type DataSet, openData } from "../../../src/backend/data/dataSet";
import { matchToModel } from "../../../src/backend/data/labels";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { testDevice } from "../../support/device";
import classification from "../../../src/backend/evaluation/classification";
import { computeAverageRanks, pearson } from "../../../src/statistics/correlation";
import regression from "../../../src/backend/evaluation/regression";
import { importModel } from "../../../src/backend/imports/importModel";
import { getHead } from "../../../src/backend/models/classifier";
import { computeGradients } from "../../../src/backend/compression/calibration/gradients";
import { calibrationSchema } from "../../../src/backend/compression/calibration/batches";
import { dataSchema } from "../../../src/schema/experiment";
import { createQuietLab, createTemporaryFolder } from "../../support/subject";
import { createReferenceTensor, drawUniform } from "../../support/referenceModel";

interface Reference {
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: Readonly<Record<string, number[]>>;
}
interface Fixture {
  readonly bound: number;
  readonly texts: readonly string[];
  readonly labels: readonly string[];
  readonly scores: readonly number[];
  readonly families: Readonly<
    Record<
      string,
      {
        readonly config: Readonly<Record<string, unknown>>;
        readonly classes: Reference & {
          readonly accuracy: number;
          readonly loss: number;
          readonly confusion: readonly (readonly number[])[];
        };
        readonly regression: Reference & {
          readonly mean_squared_error: number;
          readonly pearson: number;
          readonly spearman: number;
          readonly gradients: Readonly<Record<string, { readonly norm: number; readonly probe: number }>>;
        };
      }
    >
  >;
  readonly ties: {
    readonly a: number[];
    readonly b: number[];
    readonly pearson: number;
    readonly spearman: number;
  };
}
const path = new URL("../../fixtures/heads.json", import.meta.url);
const { bound, texts, labels, scores, families, ties } = JSON.parse(readFileSync(path, "utf8")) as Fixture;
const cases = Object.keys(families);

let engine: Engine;
const folder = createTemporaryFolder();
beforeAll(async () => {
  engine = await openEngine(testDevice, { threads: 1 });
});
afterAll(async () => {
  folder[Symbol.dispose]();
  await engine[Symbol.asyncDispose]();
});

/** The model, loaded from the format that transformers saves. */
async function load(
  family: string,
  kind: "classes" | "regression",
  changes: Readonly<Record<string, unknown>> = {},
) {
  const { config, [kind]: reference } = families[family]!;
  const path = join(folder.path, `${family}-${kind}-${Object.keys(changes).join("-")}`);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "config.json"), JSON.stringify({ ...config, ...reference.config, ...changes }));
  const tensors = new Map(
    Object.entries(reference.tensors).map(([name, shape]) => [
      name,
      { shape, data: createReferenceTensor(name, shape, bound) },
    ]),
  );
  writeSafetensors(join(path, "model.safetensors"), tensors);
  const { shape, tensors: read } = await importModel(path, {});
  return { shape, tensors: read };
}

let files = 0;
function open(
  column: readonly (string | number)[],
  options: Readonly<Record<string, unknown>> = {},
): Promise<DataSet> {
  const name = `rows-${++files}.tsv`;
  writeFileSync(join(folder.path, name), texts.map((text, i) => `${column[i]!}\t${text}`).join("\n"));
  return openData(
    dataSchema.parse({
      text: name,
      header: false,
      label_column: "1",
      text_column: "2",
      sequence_len: 12,
      val_fraction: 0,
      ...options,
    }),
    { baseFolder: folder.path, cacheFolder: folder.path },
  );
}

async function classify(
  family: string,
  column: readonly (string | number)[],
  options: Readonly<Record<string, unknown>> = {},
  changes: Readonly<Record<string, unknown>> = {},
) {
  const model = await load(family, "classes", changes);
  using data = await open(column, options);
  return await classification.evaluate(
    { ...model, data: data },
    classification.options.parse({ split: "train", resamples: 0 }),
    createQuietLab(engine),
  );
}

describe.each(cases)("a %s classifier with a different order of classes", (family) => {
  const { accuracy, loss, confusion } = families[family]!.classes;
  const expectSame = ({ values, details }: Awaited<ReturnType<typeof classify>>) => {
    expect(values["classification/accuracy"]).toBeCloseTo(accuracy, 12);
    expect(values["classification/loss"]).toBeCloseTo(loss, 4);
    expect(details.confusion).toEqual(confusion);
    expect(details.labels).toEqual(["Spam", "not-sure", "HAM"]);
  };

  it("has transformers' accuracy, loss and confusion: labels are matched by name", async () => {
    expectSame(await classify(family, labels));
    // Neither the order in the data nor alphabetical order has an effect.
    expectSame(await classify(family, labels, { labels: ["spam", "ham", "not_sure"] }));
  });

  it("has the same for numbers with names, and for the model's own numbers, with a notice", async () => {
    const places: Readonly<Record<string, number>> = { ham: 0, not_sure: 1, spam: 2 };
    const named = { labels: ["0", "1", "2"], label_names: ["Ham", "Not sure", "Spam"] };
    expectSame(
      await classify(
        family,
        labels.map((label) => places[label]!),
        named,
      ),
    );
    const own: Readonly<Record<string, number>> = { spam: 0, not_sure: 1, ham: 2 };
    const found = await classify(
      family,
      labels.map((label) => own[label]!),
    );
    expectSame(found);
    expect(found.lines.join("\n")).toContain("0 = Spam, 1 = not-sure, 2 = HAM");
  });

  it("may have more classes than the data", async () => {
    const two = labels.map((label) => (label === "not_sure" ? "ham" : label));
    const { details } = await classify(family, two);
    const [spam, unsure, ham] = confusion;
    expect(details.confusion[0]).toEqual(spam);
    expect(details.confusion[1]).toEqual([0, 0, 0]);
    expect(details.confusion[2]).toEqual(ham!.map((count, i) => count + unsure![i]!));
  });

  it("takes the names from label2id if id2label has none", async () => {
    const id2label = { "0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2" };
    expectSame(await classify(family, labels, {}, { id2label }));
  });

  it("without names uses the numbers of its classes", async () => {
    const names = { id2label: { "0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2" }, label2id: undefined };
    const own: Readonly<Record<string, number>> = { spam: 0, not_sure: 1, ham: 2 };
    const numbers = labels.map((label) => own[label]!);
    const { values } = await classify(family, numbers, {}, names);
    expect(values["classification/accuracy"]).toBeCloseTo(accuracy, 12);
    const listed = await classify(family, labels, { labels: ["spam", "not_sure", "ham"] }, names);
    expect(listed.values["classification/accuracy"]).toBeCloseTo(accuracy, 12);
  });

  it.each([
    [
      {},
      { id2label: { "0": "good", "1": "bad", "2": "ugly" }, label2id: undefined },
      /Data: "ham", "not_sure", "spam"; model: "good", "bad", "ugly"/,
    ],
    [
      {},
      { label2id: { HAM: 0, "not-sure": 1, Spam: 2 } },
      /id2label names the classes Spam, not-sure, HAM, but label2id gives the order HAM, not-sure, Spam/,
    ],
    [{}, { problem_type: "multi_label_classification" }, /multi_label_classification is not implemented/],
    [
      { label_names: ["ham", "not sure", "eggs"] },
      { id2label: { "0": "Ham", "1": "Not-sure", "2": "Bacon" }, label2id: undefined },
      /not in the model: "eggs"|Data: "ham", "not sure", "eggs"/,
    ],
  ] as const)("is refused where names do not match: %j, %j", async (options, changes, message) => {
    await expect(classify(family, labels, options, changes)).rejects.toThrow(message);
  });
});

describe.each(cases)("a %s regression", (family) => {
  const reference = families[family]!.regression;

  it("has transformers' mean squared error and SciPy's correlations", async () => {
    const model = await load(family, "regression");
    using data = await open(scores);
    expect(data.notices.join("\n")).toContain("so this is a regression");
    const { values } = await regression.evaluate(
      { ...model, data: data },
      regression.options.parse({ split: "train" }),
      createQuietLab(engine),
    );
    expect(values["regression/mean_squared_error"]! / reference.mean_squared_error).toBeCloseTo(1, 5);
    expect(values["regression/pearson"]).toBeCloseTo(reference.pearson, 5);
    expect(values["regression/spearman"]).toBeCloseTo(reference.spearman, 5);
  });

  it("has transformers' loss and gradients in training", async () => {
    const model = await load(family, "regression");
    using data = await open(scores);
    const { train } = matchToModel(data, getHead(model.shape.config));
    const names = Object.keys(reference.gradients);
    const { loss, moments } = await computeGradients(
      model,
      new Set(names),
      calibrationSchema.parse({ samples: texts.length, batch_size: texts.length }),
      { engine, train, seed: 0, signal: new AbortController().signal, progress: () => undefined },
    );
    expect(loss / reference.mean_squared_error).toBeCloseTo(1, 4);
    for (const name of names) {
      const gradient = Array.from(moments.get(name)!.mean);
      const probing = drawUniform(`${name}#probe`, gradient.length, bound);
      const { norm, probe } = reference.gradients[name]!;
      expect(Math.hypot(...gradient) / norm).toBeCloseTo(1, 4);
      expect(
        Math.abs(gradient.reduce((sum, each, i) => sum + each * probing[i]!, 0) - probe) / norm,
      ).toBeLessThan(1e-4);
    }
  });

  it("is refused for words, and a classifier for numbers", async () => {
    const model = await load(family, "regression");
    using words = await open(labels);
    const evaluate = (data: DataSet, subject: typeof model) =>
      regression.evaluate(
        { ...subject, data: data },
        regression.options.parse({ split: "train" }),
        createQuietLab(engine),
      );
    await expect(evaluate(words, model)).rejects.toThrow(
      /regression model, but the labels of the data are not numbers: "ham"/,
    );
    await expect(evaluate(words, await load(family, "classes"))).rejects.toThrow(
      /3-class classifier, not a regression/,
    );
    await expect(classify(family, scores)).rejects.toThrow(/labels of the data are numbers/);
  });
});

describe("labels that are numbers", () => {
  const numbers = (of: (i: number) => number | string) => texts.map((_, i) => of(i));

  it("are a regression if they have decimals, or classes on request", async () => {
    using data = await open(scores);
    expect(data.labels!.kind).toBe("numbers");
    using classes = await open(scores, { problem_type: "single_label_classification" });
    expect(classes.labels!.kind).toBe("classes");
  });

  it("are a regression on request if they are whole, also for a loaded regression model", async () => {
    using data = await open(
      numbers((i) => i % 6),
      { problem_type: "regression" },
    );
    expect(data.labels!.kind).toBe("numbers");
    using bare = await open(numbers((i) => i % 6));
    const { train } = matchToModel(bare, { kind: "regression" });
    const { labels: counted, targets } = train.batch([5]);
    expect(targets![counted.indexOf(0)]).toBe(5);
  });

  it.each([
    [
      numbers((i) => i),
      {},
      /24 different whole numbers without names. For scores set data.problem_type: regression/,
    ],
    [numbers((i) => `${i % 2}.0`), {}, /could be classes or scores/],
    [
      numbers((i) => (i === 3 ? "n/a" : i / 2)),
      { problem_type: "regression" },
      /has "n\/a", which is not a number/,
    ],
  ] as const)("are refused where they could be either: %j", async (column, options, message) => {
    await expect(open(column, options)).rejects.toThrow(message);
  });
});

it("correlations average tied ranks like SciPy", () => {
  expect(pearson(ties.a, ties.b)).toBeCloseTo(ties.pearson, 8);
  expect(pearson(computeAverageRanks(ties.a), computeAverageRanks(ties.b))).toBeCloseTo(ties.spearman, 8);
  expect(pearson([0.1, 0.1, 0.1], [1, 2, 3])).toBeNull();
});
