import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ChatMessage, createChat } from "../../../src/backend/data/tokenizers/chatTemplate";
import type { Tokenizer } from "../../../src/backend/data/tokenizers/tokenizer";
import { createBytesTokenizer } from "../../../src/backend/data/tokenizers/bytes";
import { createCharactersTokenizer } from "../../../src/backend/data/tokenizers/characters";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { testDevice } from "../../support/device";
import generate, { resolveGeneration } from "../../../src/backend/evaluation/generate";
import { splitEvaluation } from "../../../src/backend/evaluation/parseInference";
import { continuePrompts, type GenerationOptions } from "../../../src/backend/evaluation/generation";
import type { Subject } from "../../../src/backend/evaluation/metric";
import type { Prompt, GenerationTimes } from "../../../src/backend/evaluation/generatedText";
import { findMostLikely } from "../../../src/backend/evaluation/sampling";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input } from "../../../src/backend/graph/op";
import { dimensionsOf, forward, parametersOf } from "../../../src/backend/models/model";
import { drawModelTensors, createQuietLab, createTinyShape } from "../../support/subject";
import { createLookup, createValues } from "../../support/tensors";

let engine: Engine;
beforeAll(async () => (engine = await openEngine(testDevice)));
afterAll(() => engine[Symbol.asyncDispose]());

function subjectOf(tokenizer: Tokenizer, family = "gpt2"): Subject {
  const shape = createTinyShape(family, { vocab_size: tokenizer.vocabSize });
  return { shape, tensors: drawModelTensors(shape, 3), tokenizer };
}
const letters = subjectOf(createCharactersTokenizer(Array.from("abcdefgh"), true));

const greedy: GenerationOptions = {
  max_new_tokens: 6,
  do_sample: false,
  temperature: 1,
  top_k: 0,
  top_p: 1,
  repetition_penalty: 1,
  stop: [],
  stop_token_ids: [],
  use_cache: true,
  add_special_tokens: true,
  seed: 1,
};
const write = (prompts: Prompt[], options: Partial<GenerationOptions>, subject = letters) =>
  continuePrompts(subject, prompts, { ...greedy, ...options }, createQuietLab(engine));

/** The most likely next ids by the plain evaluator, with a full pass for each token. */
async function reference(
  { shape, tensors, tokenizer }: Subject,
  prompt: string,
  count: number,
): Promise<number[]> {
  const { context, vocabulary } = dimensionsOf(shape);
  const values = createValues(parametersOf(shape));
  const ids = [...(await tokenizer!.encode(prompt))];
  const weights = Object.fromEntries([...tensors].map(([name, { data }]) => [name, data]));
  for (let step = 0; step < count; step++) {
    const tokens = ids.slice(-context);
    const logits = forward(shape, createLookup(values), {
      tokens: input("tokens", [1, tokens.length], "int32"),
    });
    const all = evaluateGraph({ outputs: { logits } }, { ...weights, tokens })["logits"]!;
    const next = findMostLikely(Float32Array.from(all.subarray(-vocabulary)));
    if (next === tokenizer!.endOfText) break;
    ids.push(next);
  }
  return ids.slice((await tokenizer!.encode(prompt)).length);
}

describe("continuePrompts", () => {
  it("takes the most likely token each time, even beyond the model's context", async () => {
    const [short, long] = await write(["abc", "hgfedcba"], { max_new_tokens: 20 });
    expect(short!.ids).toEqual(await reference(letters, "abc", 20));
    expect(long!.ids).toEqual(await reference(letters, "hgfedcba", 20));
    expect(short!.text).toBe(letters.tokenizer!.decode(short!.ids));
    expect(dimensionsOf(letters.shape).context).toBe(16);
  });

  it("generates the same text for a prompt alone and in a batch", async () => {
    const options = { do_sample: true, seed: 4, max_new_tokens: 8 };
    const alone = await write(["abc"], options);
    const among = await write(["abc", "d", "ee", "f", "g", "h", "a", "b", "c", "d"], options);
    expect(among[0]).toEqual(alone[0]);
    expect(among).toHaveLength(10);
  });

  it("generates the same texts with a cache policy, however they are divided into batches", async () => {
    const { inference } = splitEvaluation({ inference: { cache: { keyformer: { budget: 0.4 } } } });
    const prompts = ["abcdefgh", "d", "ee", "fgh"];
    const options = { do_sample: true, temperature: 2, max_new_tokens: 9 };
    const write4 = (batch_size: number, subject: Subject) =>
      write(prompts, { ...options, batch_size }, subject);
    const subject = { ...letters, inference };
    const together = await write4(4, subject);
    expect(await write4(1, subject)).toEqual(together);
    // Fewer tokens than all of them give other texts.
    expect(await write4(4, letters)).not.toEqual(together);
  });

  it("draws the same tokens for the same seed, and different ones for another seed or position", async () => {
    const options = { do_sample: true, temperature: 3, max_new_tokens: 12 };
    const prompts = Array.from({ length: 9 }, () => "a");
    const once = await write(prompts, { ...options, seed: 1 });
    expect(await write(prompts, { ...options, seed: 1 })).toEqual(once);
    expect(await write(prompts, { ...options, seed: 2 })).not.toEqual(once);
    expect(new Set(once.map(({ text }) => text)).size).toBeGreaterThan(7);
  });

  it("gives the most likely tokens as the temperature approaches zero, or with one candidate", async () => {
    const [wanted] = await write(["cab"], {});
    for (const options of [{ temperature: 1e-4 }, { temperature: 0 }, { top_k: 1 }, { top_p: 0 }])
      expect((await write(["cab"], { do_sample: true, ...options }))[0]!.ids).toEqual(wanted!.ids);
  });

  it("repeats less with a repetition penalty", async () => {
    const distinct = async (repetition_penalty: number) =>
      new Set((await write(["a"], { repetition_penalty, max_new_tokens: 6 }))[0]!.ids).size;
    expect(await distinct(1e6)).toBeGreaterThan(await distinct(1));
  });

  it("ends at the end-of-text token, which is not part of the generated text", async () => {
    // The first generated token becomes the end-of-text token.
    const [first] = await reference(letters, "abc", 1);
    const tokenizer = { ...letters.tokenizer!, endOfText: first };
    const [ended] = await write(["abc"], {}, { ...letters, tokenizer });
    expect(ended).toEqual({ prompt: "abc", text: "", prompt_tokens: 3, ids: [], finish: "end_of_text" });
    expect((await write(["abc"], { max_new_tokens: 1 }))[0]!.finish).toBe("length");
  });

  it("streams pieces that join to the text, without partial characters", async () => {
    const subject = subjectOf(createBytesTokenizer());
    const pieces: string[][] = [[], []];
    const samples = await continuePrompts(
      subject,
      ["é", "x"],
      { ...greedy, max_new_tokens: 40, do_sample: true, temperature: 2, seed: 9 },
      createQuietLab(engine),
      { onText: (prompt, text) => pieces[prompt]!.push(text) },
    );
    expect(pieces.map((each) => each.join(""))).toEqual(samples.map(({ text }) => text));
    expect(pieces[1]!.length).toBeGreaterThan(5);
  });

  it("holds back a character until all of its bytes are generated", async () => {
    // "a", and the two bytes of "é" as separate tokens.
    const bytes = [0x61, 0xc3, 0xa9];
    const tokenizer: Tokenizer = {
      ...createCharactersTokenizer(["a", "b", "c"], false),
      decode: (ids) => createBytesTokenizer().decode(Array.from(ids, (id) => bytes[id]!)),
    };
    const shown: string[] = [];
    const [sample] = await continuePrompts(
      subjectOf(tokenizer),
      ["a"],
      { ...greedy, do_sample: true, temperature: 5, max_new_tokens: 30 },
      createQuietLab(engine),
      { onText: (_, text) => shown.push(text) },
    );
    expect(shown.join("")).toBe(sample!.text);
    expect(shown.slice(0, -1).filter((piece) => piece.endsWith("\uFFFD"))).toEqual([]);
    expect(sample!.text).toContain("é");
  });

  it("ends before a stop string and shows no part of it", async () => {
    const [free] = await write(["abc"], { max_new_tokens: 12 });
    const stop = free!.text.slice(4, 7);
    const at = free!.text.indexOf(stop);
    const shown: string[] = [];
    const [ended] = await continuePrompts(
      letters,
      ["abc"],
      { ...greedy, max_new_tokens: 12, stop: ["never", stop] },
      createQuietLab(engine),
      { onText: (_, piece) => shown.push(piece) },
    );
    expect(ended).toMatchObject({ text: free!.text.slice(0, at), finish: "stop" });
    expect(ended!.ids).toEqual(free!.ids.slice(0, at + stop.length));
    expect(shown.join("")).toBe(ended!.text);
    // Text that only looks like the start of a stop string is shown in the end.
    const almost = `${free!.text.slice(-2)}z`;
    expect((await write(["abc"], { max_new_tokens: 12, stop: [almost] }))[0]).toEqual(free);
  });

  it("ends at a stop token, even if it is specified only by its text", async () => {
    const [free] = await write(["abc"], { max_new_tokens: 12 });
    const id = free!.ids[3]!;
    const before = free!.ids.slice(0, free!.ids.indexOf(id));
    const [ended] = await write(["abc"], { max_new_tokens: 12, stop_token_ids: [id] });
    expect(ended).toMatchObject({ ids: before, finish: "stop" });
    const tokenizer = {
      ...letters.tokenizer!,
      encode: async (text: string) =>
        text === "<end>" ? Int32Array.of(id) : letters.tokenizer!.encode(text),
      decode: (ids: ArrayLike<number>) =>
        letters.tokenizer!.decode(Array.from(ids).filter((each) => each !== id)),
    };
    const special = await write(["d"], { max_new_tokens: 12, stop: ["<end>"] }, { ...letters, tokenizer });
    const plainly = await write(["d"], { max_new_tokens: 12, stop_token_ids: [id] });
    expect(special[0]!.ids).toEqual(plainly[0]!.ids);
    const { shape } = letters;
    const configured = { ...letters, shape: { ...shape, config: { ...shape.config, eos_token_id: [id] } } };
    expect((await write(["abc"], { max_new_tokens: 12 }, configured))[0]).toMatchObject({
      ids: before,
      finish: "end_of_text",
    });
  });

  it("answers conversations in the format of the chat template", async () => {
    const chat = createChat("letters", "{% for m in messages %}a{{ m.content }}b{% endfor %}c", {});
    const subject = { ...letters, tokenizer: { ...letters.tokenizer!, chat, bos: 1 } };
    const messages: ChatMessage[] = [{ role: "user", content: "de" }];
    const [answer, plainly] = await write([[...messages], "adebc"], { add_special_tokens: false }, subject);
    expect(answer).toEqual({ ...plainly, messages });
    // The template itself writes the opening token, if there is one.
    expect((await write([messages], {}, subject))[0]).toEqual(answer);
    await expect(write([messages], {})).rejects.toThrow(/characters has no chat template/);
  });

  it.each([true, false])(
    "generates the same text in batches of any size, use_cache %s",
    async (use_cache) => {
      const prompts = ["a", "abcdefgh", "hg", "abcabcabcabc", "d", "dd", "ddd", "e", "ee"];
      const together = await write(prompts, { use_cache, max_new_tokens: 9 });
      for (const [i, prompt] of prompts.entries())
        expect(together[i]!.ids).toEqual(await reference(letters, prompt, 9));
    },
  );

  it("reports how long prefill and generation took", async () => {
    const times: GenerationTimes[] = [];
    await continuePrompts(letters, ["abc", "d"], greedy, createQuietLab(engine), {
      onTimed: (each) => times.push(each),
    });
    expect(times).toMatchObject([{ prompt_tokens: 4, new_tokens: 10 }]);
    expect(Math.min(times[0]!.prompt_seconds, times[0]!.new_seconds)).toBeGreaterThan(0);
  });

  it("stops between two tokens on request", async () => {
    const stopping = new AbortController();
    const shown: string[] = [];
    const writing = continuePrompts(letters, ["abc"], greedy, createQuietLab(engine, stopping.signal), {
      onText: (_, piece) => {
        shown.push(piece);
        if (shown.length === 3) stopping.abort();
      },
    });
    await expect(writing).rejects.toMatchObject({ code: "cancelled" });
    expect(shown).toHaveLength(3);
  });

  it("refuses a prompt longer than the model's context before generating anything", async () => {
    await expect(write(["a", "abcdefghabcdefgha"], {})).rejects.toThrow(
      /Prompt 2 has 17 tokens, but the model's context is 16 tokens/,
    );
    expect((await write(["abcdefghabcdefgh"], { max_new_tokens: 3 }))[0]!.ids).toHaveLength(3);
  });

  it("starts from the opening token of a document if the prompt is empty", async () => {
    const opened = { ...letters.tokenizer!, bos: 2 };
    const [sample] = await write([""], {}, { ...letters, tokenizer: opened });
    expect(sample!.prompt_tokens).toBe(1);
    const [closed] = await write([""], {}, { ...letters, tokenizer: { ...opened, bos: undefined } });
    expect(closed!.prompt_tokens).toBe(1);
    await expect(write([""], { add_special_tokens: false })).rejects.toThrow(/no token to continue from/);
  });

  it("refuses a prompt with a token that has no row in the model's embedding", async () => {
    const other = { ...letters, tokenizer: createBytesTokenizer() };
    await expect(write(["a"], {}, other)).rejects.toThrow(
      /token a \(id 97\) occurs in token 1 of prompt 1, but the model has only 9 rows/,
    );
  });
});

describe("generate", () => {
  it("samples if a sampling option is set, with Hugging Face's defaults", () => {
    const resolve = (given: object) =>
      resolveGeneration(generate.options.parse({ prompts: ["a"], ...given }), 7);
    expect(resolve({})).toMatchObject({ do_sample: false, repetition_penalty: 1, seed: 7 });
    expect(resolve({ temperature: 0.5 })).toMatchObject({
      do_sample: true,
      temperature: 0.5,
      top_k: 50,
      top_p: 1,
    });
    expect(resolve({ do_sample: true, seed: 3 })).toMatchObject({ temperature: 1, top_k: 50, seed: 3 });
  });

  it.each([
    [{ top_p: 1.1 }, "top_p"],
    [{ temperature: -1 }, "temperature"],
    [{ repetition_penalty: 0 }, "repetition_penalty"],
    [{ do_sample: false, top_k: 3 }, "top_k"],
    [{ prompts: [] }, "prompts"],
    [{ prompts: [[]] }, "prompts"],
    [{ prompts: [[{ role: "robot", content: "a" }]] }, "prompts"],
    [{ stop: 3 }, "stop"],
    [{ stop: "" }, "stop"],
    [{ stop_token_ids: "2" }, "stop_token_ids"],
  ])("refuses %j", (given, key) => {
    const parsed = generate.options.safeParse({ prompts: ["a"], ...given });
    expect(parsed.error?.issues.map(({ path }) => path[0])).toEqual([key]);
  });
});
