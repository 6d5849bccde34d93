/** Classification metrics: calculated by hand, checked by their definitions, and measured on a trained model. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DataSet } from "../../../src/backend/data/dataSet";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { testDevice } from "../../support/device";
import { distinctFamilies } from "../../support/families";
import classification from "../../../src/backend/evaluation/classification";
import { bootstrap, computeScores } from "../../../src/backend/evaluation/classScores";
import generate from "../../../src/backend/evaluation/generate";
import perplexity from "../../../src/backend/evaluation/perplexity";
import { createClassifierShape } from "../../../src/backend/models/classifier";
import { initialize } from "../../../src/backend/models/initialize";
import { createTrainOptions } from "../../support/tinyModels";
import { trainTiny } from "../../support/tinyRun";
import { createUniform } from "../../support/sampleValues";
import {
  openLabeledData,
  createQuietLab,
  createTemporaryFolder,
  createTinyClassifier,
  createTinyShape,
  createTinySubject,
} from "../../support/subject";

describe("the metrics", () => {
  it("of two classes match hand calculations", () => {
    // 50 ham with 45 predicted correctly, and 10 spam with 8 predicted correctly.
    const scores = computeScores(
      [
        [45, 5],
        [2, 8],
      ],
      1,
      [0.1, 0.3],
    );
    expect(scores.accuracy).toBeCloseTo(53 / 60, 12);
    expect(scores.precision).toBeCloseTo(8 / 13, 12);
    expect(scores.recall).toBeCloseTo(0.8, 12);
    expect(scores.f1).toBeCloseTo(16 / 23, 12);
    expect(scores.matthews).toBeCloseTo((45 * 8 - 5 * 2) / Math.sqrt(13 * 10 * 50 * 47), 12);
    expect(scores.loss).toBeCloseTo(0.2, 12);
  });

  it("of three classes without a positive class are means over the classes", () => {
    const scores = computeScores(
      [
        [3, 1, 0],
        [0, 2, 2],
        [1, 0, 1],
      ],
      undefined,
      [0],
    );
    const f1 = [6 / 8, 4 / 7, 2 / 5];
    expect(scores.f1).toBeCloseTo((f1[0]! + f1[1]! + f1[2]!) / 3, 12);
    expect(scores.f1_weighted).toBeCloseTo((4 * f1[0]! + 4 * f1[1]! + 2 * f1[2]!) / 10, 12);
    // Gorodkin's R_K from its sums: 6 of 10 correct, predicted 4, 3, 3, actual 4, 4, 2.
    expect(scores.matthews).toBeCloseTo((6 * 10 - (16 + 12 + 6)) / Math.sqrt((100 - 34) * (100 - 36)), 12);
  });

  it("of a class that is never predicted are 0, with a notice", () => {
    const scores = computeScores(
      [
        [5, 0],
        [3, 0],
      ],
      1,
      [0],
    );
    expect([scores.precision, scores.recall, scores.f1, scores.matthews]).toEqual([0, 0, 0, 0]);
    expect(scores.undefined_scores).toEqual([1]);
  });

  it("satisfy the properties of their definitions for any predictions", () => {
    const random = createUniform(5);
    for (let tries = 0; tries < 200; tries++) {
      const classes = 2 + Math.floor(random() * 3);
      const confusion = Array.from({ length: classes }, () =>
        Array.from({ length: classes }, () => Math.floor(random() * 8)),
      );
      confusion[0]![0]! += 1;
      const scores = computeScores(confusion, undefined, [0]);
      expect(scores.recall_weighted).toBeCloseTo(scores.accuracy, 12);
      expect(scores.f1_weighted).toBeLessThanOrEqual(
        (scores.precision_weighted + scores.recall_weighted) / 2 + 1e-12,
      );
      expect(Math.abs(scores.matthews)).toBeLessThanOrEqual(1 + 1e-12);
    }
  });

  it("have intervals that contain the value and shrink with the number of examples", () => {
    const random = createUniform(11);
    const width = (examples: number) => {
      const truths = Array.from({ length: examples }, () => Number(random() < 0.4));
      const said = truths.map((truth) => (random() < 0.8 ? truth : 1 - truth));
      const options = { classes: 2, positive: 1, resamples: 500, seed: 3 };
      const [low, high] = bootstrap(truths, said, options)["accuracy"]!;
      const accuracy = truths.filter((truth, i) => truth === said[i]).length / examples;
      expect(low).toBeLessThan(accuracy);
      expect(high).toBeGreaterThan(accuracy);
      expect(bootstrap(truths, said, options)).toEqual(bootstrap(truths, said, options));
      return high - low;
    };
    expect(width(2000)).toBeLessThan(width(100) / 2);
  });
});

describe("a model", () => {
  let engine: Engine;
  let data: DataSet;
  const folder = createTemporaryFolder();
  beforeAll(async () => {
    engine = await openEngine(testDevice);
    data = await openLabeledData(folder.path);
  });
  afterAll(async () => {
    data[Symbol.dispose]();
    folder[Symbol.dispose]();
    await engine[Symbol.asyncDispose]();
  });

  it.each(distinctFamilies)(
    "%s learns to distinguish two kinds of words by its last token",
    async (family) => {
      const before = createTinyClassifier(family, data);
      const quiet = { vocab_size: data.tokenizer.vocabSize };
      const shape = createClassifierShape(createTinyShape(family, quiet), data.labels!);
      const options = createTrainOptions({
        max_steps: 120,
        learning_rate: 0.01,
        per_device_train_batch_size: 16,
      });
      const { result } = await trainTiny({ engine, shape, data, options, tensors: initialize(shape, 2) });
      const subject = { ...before, shape, tensors: result.tensors };
      const { values, details } = await classification.evaluate(
        subject,
        classification.options.parse({}),
        createQuietLab(engine),
      );
      expect(values["classification/accuracy"]).toBeGreaterThan(0.9);
      expect(details.examples).toBe(data.validation!.sequences);
      expect(details.labels).toEqual(["even", "odd"]);
      expect(details.positive).toBe("odd");
    },
  );

  it("with a classification head has no perplexity and generates no text; one without cannot classify", async () => {
    const classifier = createTinyClassifier("gpt2", data);
    const lab = createQuietLab(engine);
    await expect(perplexity.evaluate(classifier, perplexity.options.parse({}), lab)).rejects.toThrow(
      /predicts no tokens/,
    );
    const written = generate.evaluate(classifier, generate.options.parse({ prompts: ["a"] }), lab);
    await expect(written).rejects.toThrow(/predicts no tokens/);
    const plain = createTinySubject("gpt2", data);
    await expect(classification.evaluate(plain, classification.options.parse({}), lab)).rejects.toThrow(
      /language model, not a classifier/,
    );
    const options = classification.options.parse({ positive_label: "strange" });
    const places = { baseFolder: ".", cacheFolder: "." };
    expect(() => classification.check!(classifier, options, places)).toThrow(/Allowed: even, odd/);
  });
});
