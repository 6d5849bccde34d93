/** A small trained model generates the same text as its authors' program, and its perplexity is measured. */
import { dirname, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { openData } from "../../../src/backend/data/dataSet";
import { openTokenizer } from "../../../src/backend/data/tokenizers/openTokenizer";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { continuePrompts } from "../../../src/backend/evaluation/generation";
import type { Subject } from "../../../src/backend/evaluation/metric";
import perplexity from "../../../src/backend/evaluation/perplexity";
import { importModel } from "../../../src/backend/imports/importModel";
import { dataSchema } from "../../../src/schema/experiment";
import { createQuietLab, createTemporaryFolder } from "../../support/subject";
import { sharedFile } from "../data/fixtures";

let engine: Engine;
beforeAll(async () => (engine = await openEngine("cpu")));
afterAll(() => engine[Symbol.asyncDispose]());

async function stories(context: TestContext): Promise<Subject> {
  const tokenizer = await openTokenizer(sharedFile(context, "stories260k", "tok512.bin"), ".");
  return { ...(await importModel(sharedFile(context, "stories260k", "stories260K.bin"))), tokenizer };
}

const text =
  "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball.";
const ids = [
  403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338, 401, 396, 267, 337, 410,
  408, 419, 292, 411, 322, 265, 282, 295, 433, 426,
];

describe("stories260K", () => {
  it("generates its known text greedily, id by id", async (context) => {
    const options = {
      max_new_tokens: 80,
      do_sample: false,
      temperature: 1,
      top_k: 0,
      top_p: 1,
      repetition_penalty: 1,
      stop: [],
      stop_token_ids: [],
      use_cache: true,
      add_special_tokens: true,
      seed: 0,
    };
    const [sample] = await continuePrompts(await stories(context), [""], options, createQuietLab(engine));
    expect(sample!.prompt_tokens).toBe(1);
    expect(sample!.ids.slice(0, ids.length)).toEqual(ids);
    expect(sample!.text.slice(0, text.length)).toBe(text);
  });

  it("predicts its training stories, and better with longer context", async (context) => {
    const subject = await stories(context);
    const file = sharedFile(context, "tinystories", "tinystories_sample.txt");
    using folder = createTemporaryFolder();
    using data = await openData(
      dataSchema.parse({
        dataset: "tinystories",
        tokenizer: sharedFile(context, "stories260k", "tok512.bin"),
        sequence_len: 512,
        val_fraction: 0,
      }),
      { baseFolder: ".", cacheFolder: folder.path, dataFolder: resolve(dirname(file), "..") },
    );
    const measured = { ...subject, data: { ...data, title: "tinystories" } };
    const losses: number[] = [];
    for (const [length, stride] of [
      [64, 64],
      [512, 512],
      [512, 128],
    ] as const) {
      const options = { split: "train", context: length, stride, max_tokens: 16_384 };
      const { details, lines } = await perplexity.evaluate(
        measured,
        perplexity.options.parse(options),
        createQuietLab(engine),
      );
      console.info(`stories260K: ${lines.join("; ")}`);
      losses.push(details.loss);
    }
    expect(losses[2]).toBeLessThan(losses[1]!);
    expect(losses[1]).toBeLessThan(losses[0]!);
    expect(losses[2]).toBeGreaterThan(1);
    expect(losses[2]).toBeLessThan(1.5);
  });
});
