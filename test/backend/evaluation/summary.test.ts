/** The prompt policy `summary`: what the model writes, within the budget of the model that reads it. */
import { describe, expect, it } from "vitest";
import { createBytesTokenizer } from "../../../src/backend/data/tokenizers/bytes";
import { createCharactersTokenizer } from "../../../src/backend/data/tokenizers/characters";
import type { Tokenizer } from "../../../src/backend/data/tokenizers/tokenizer";
import type { Engine } from "../../../src/backend/engine/engine";
import generate from "../../../src/backend/evaluation/generate";
import { continuePrompts, greedyOptions } from "../../../src/backend/evaluation/generation";
import { splitEvaluation } from "../../../src/backend/evaluation/parseInference";
import summary from "../../../src/backend/evaluation/prompts/summary";
import { shortenPrompt } from "../../../src/backend/evaluation/prompts/shorten";
import type { PromptReader } from "../../../src/backend/evaluation/prompts/promptPolicy";
import { dimensionsOf } from "../../../src/backend/models/model";
import { useGrammar } from "../../support/grammar";
import { createQuietLab, createTinyShape, drawModelTensors } from "../../support/subject";

const grammar = useGrammar();
const lab = () => createQuietLab(grammar.engine);
const ascii = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));
const characters = createCharactersTokenizer(["\n", " ", ...ascii], true);
const bytes = createBytesTokenizer();

function createModel(tokenizer: Tokenizer, seed: number, context = 160) {
  const shape = createTinyShape("llama", {
    vocab_size: tokenizer.vocabSize,
    max_position_embeddings: context,
  });
  return { shape, tensors: drawModelTensors(shape, seed), tokenizer };
}
const models = { characters: createModel(characters, 4), bytes: createModel(bytes, 4) };

const text = "One day, a fox met a crow. The crow had some cheese.";
const question = "\nWho had cheese?";
const shorten = (reader: PromptReader, values: object, prompt = text + question) => {
  const options = summary.options.parse(values);
  return shortenPrompt(prompt, { name: "summary", policy: summary, options }, reader, lab(), 0);
};

describe("a summary", () => {
  it("is what the model continues the template with, greedily", async () => {
    const template = "Shorter: {text} =";
    const written = await shorten(models.characters, { budget: 0.5, template });
    const [greedy] = await continuePrompts(
      models.characters,
      [`Shorter: ${text} =`],
      { ...greedyOptions, max_new_tokens: text.length / 2 },
      lab(),
    );
    expect(greedy!.text.trim().length).toBeGreaterThan(3);
    expect(written).toBe(greedy!.text.trim() + question);
    expect(await shorten(models.characters, { budget: 0.5, template })).toBe(written);
  });

  it.each(["characters", "bytes"] as const)(
    "of %s has at most its budget of tokens, and the question is kept",
    async (name) => {
      const { tokenizer } = models[name];
      const whole = await tokenizer.encode(text);
      for (const budget of [0.001, 0.1, 0.34, 0.5, 0.9]) {
        const written = await shorten(models[name], { budget });
        expect(written.endsWith(question)).toBe(true);
        const { length } = await tokenizer.encode(written.slice(0, -question.length));
        expect(length).toBeLessThanOrEqual(Math.max(1, Math.round(budget * whole.length)));
        // The bytes of a model without training are seldom whole characters.
        if (name === "characters") expect(length).toBeGreaterThan(0);
      }
    },
  );

  it("changes nothing if the budget has room for the whole text", async () => {
    for (const prompt of [text + question, text, "x", question])
      expect(await shorten(models.characters, { budget: 1 }, prompt)).toBe(prompt);
    expect(await shorten(models.characters, { budget: 0.999 })).toBe(text + question);
  });

  it("of another model has the budget in tokens of the model that reads it", async () => {
    const opened: string[] = [];
    const { inference } = splitEvaluation({
      inference: { prompt: { summary: { budget: 0.25, model: "writer" } } },
    });
    const options = generate.options.parse({ prompts: [text + question], max_new_tokens: 2 });
    const { details } = await generate.evaluate({ ...models.bytes, inference }, options, {
      ...lab(),
      openModel: (name) => {
        opened.push(name);
        return Promise.resolve(models.characters);
      },
    });
    expect(opened).toEqual(["writer"]);
    const [sample] = details.samples;
    const [expected] = await continuePrompts(
      models.characters,
      [`${text}\n\nSummary:`],
      { ...greedyOptions, max_new_tokens: text.length / 4 },
      lab(),
    );
    expect(sample!.prompt).toBe(expected!.text.trim() + question);
    expect(sample!.prompt_tokens).toBeLessThanOrEqual(text.length / 4 + question.length);
  });

  it("uploads its model once for all prompts", async () => {
    const { shape } = models.characters;
    const { vocabulary, width } = dimensionsOf(shape);
    let uploads = 0;
    const { engine } = grammar;
    const counting: Engine = {
      device: engine.device,
      keeps: engine.keeps,
      compile: (...graph) => engine.compile(...graph),
      upload: (type, data) => {
        if (type.shape[0] === vocabulary && type.shape[1] === width) uploads++;
        return engine.upload(type, data);
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const prompts = ["A fox met a crow.", "A crow had cheese.", "The fox ate it all."].map(
      (each) => each + question,
    );
    const measure = async (inference: object, count: number) => {
      uploads = 0;
      await continuePrompts(
        { ...models.characters, ...splitEvaluation({ inference }) },
        prompts.slice(0, count),
        { ...greedyOptions, max_new_tokens: 2 },
        { ...lab(), engine: counting },
      );
      return uploads;
    };
    const plain = await measure({}, 3);
    const [one, three] = [
      await measure({ prompt: { summary: { budget: 0.5 } } }, 1),
      await measure({ prompt: { summary: { budget: 0.5 } } }, 3),
    ];
    expect(plain).toBeGreaterThan(0);
    expect([one, three]).toEqual([2 * plain, 2 * plain]);
  });
});

it("refuses a text that the model cannot read with its summary", async () => {
  const reader = createModel(characters, 4, text.length + 20);
  await expect(shorten(reader, { budget: 0.5 })).rejects.toThrow(
    /has 62 tokens with its template, and its summary up to 26, but the context of the model .* is 72/,
  );
});

it.each(["Summarize.", "{text} and {text}"])("refuses the template %j", (template) => {
  expect(summary.options.safeParse({ template }).error?.issues[0]).toMatchObject({
    path: ["template"],
    message: "write {text} once, where the text to summarize belongs",
  });
});
