/** The metrics of cache policies: loss, agreement and bytes against plain passes; times that exist; sizes that are refused. */
import { describe, expect, it } from "vitest";
import cache from "../../../src/backend/evaluation/cache";
import decoding from "../../../src/backend/evaluation/decoding";
import { splitEvaluation } from "../../../src/backend/evaluation/parseInference";
import type { Subject } from "../../../src/backend/evaluation/metric";
import { scoreTokens } from "../../../src/backend/evaluation/scoreTokens";
import { useGrammar } from "../../support/grammar";
import { createQuietLab, createTinySubject } from "../../support/subject";

const grammar = useGrammar();

function createSubject(choice?: Readonly<Record<string, unknown>>): Subject {
  const { inference } = splitEvaluation(choice === undefined ? {} : { inference: { cache: choice } });
  return { ...createTinySubject("llama", grammar.data), inference };
}
const sizes = { context: 12, prompt: 4, max_tokens: 120, split: "train" };
const evaluate = (choice?: Readonly<Record<string, unknown>>, changes = {}) =>
  cache.evaluate(
    createSubject(choice),
    cache.options.parse({ ...sizes, ...changes }),
    createQuietLab(grammar.engine),
  );

describe("the loss with a cache policy", () => {
  it("is that of whole passes where all tokens are kept", async () => {
    const { details } = await evaluate();
    const ids = [...grammar.data.train.read(0, 120)];
    let nats = 0;
    for (let start = 0; start < 120; start += 12) {
      const text = ids.slice(start, start + 12);
      const parts = { context: text.slice(0, 4), ids: text.slice(4) };
      for (const score of await scoreTokens(createSubject(), parts, createQuietLab(grammar.engine)))
        nats -= score!;
    }
    expect(details.loss).toBeCloseTo(nats / 80, 5);
    expect(details).toMatchObject({
      policy: "full",
      texts: 10,
      scored_tokens: 80,
      agreement: 1,
      kl: 0,
      kept: null,
    });
    // Two layers, keys and values of two heads with four channels.
    expect(details.bytes).toBe(2 * 2 * 2 * 4 * 4 * 12);
    expect(details.full_loss).toBe(details.loss);
  });

  it("does not change with a budget for the whole text, and does with a smaller one", async () => {
    const full = await evaluate();
    const same = await evaluate({ h2o: { budget: 12 } });
    expect(same.details).toMatchObject({ loss: full.details.loss, agreement: 1, kl: 0, policy: "h2o" });
    const { details, values, protocols } = await evaluate({ h2o: { budget: 3 } });
    expect(details.loss).not.toBe(full.details.loss);
    expect(details.full_loss).toBe(full.details.loss);
    expect(details.kl).toBeGreaterThan(0);
    // Four slots, each with a key, a value, a position and a score.
    expect(details.bytes).toBe(2 * 2 * 4 * (2 * 4 + 2) * 4);
    expect(values["cache/bytes_percent"]).toBeCloseTo((100 * details.bytes) / details.full_bytes, 10);
    expect(protocols).toEqual(full.protocols);
    expect(details.kept!.tokens).toHaveLength(12);
    expect(details.kept!.layers.map((heads) => heads.map(({ length }) => length))).toEqual([
      [4, 4],
      [4, 4],
    ]);
  });

  it("does not depend on the batch", async () => {
    const [alone, together] = [
      await evaluate({ keyformer: { budget: 5 } }, { batch_size: 1 }),
      await evaluate({ keyformer: { budget: 5 } }, { batch_size: 7 }),
    ];
    expect(alone.details.loss).toBeCloseTo(together.details.loss, 5);
  });

  it.each([
    [{ context: 17 }, /17 tokens, but the model has only 16 positions/],
    [{ context: 8, prompt: 8 }, /none is left to score. Set prompt to at most 7/],
    [{ context: 16, prompt: 4, max_tokens: 15 }, /too few for a text of 16/],
  ])("refuses %j", async (changes, message) => {
    await expect(evaluate(undefined, changes)).rejects.toThrow(message);
  });
});

describe("times of generation", () => {
  it("are measured at each length, with the bytes of the cache", async () => {
    const options = decoding.options.parse({ lengths: [8, 5], new_tokens: 4, repeats: 1 });
    const measured = await decoding.evaluate(
      createSubject({ window: { budget: 4, sinks: 1 } }),
      options,
      createQuietLab(grammar.engine),
    );
    const { lengths, policy } = measured.details;
    expect(policy).toBe("window");
    expect(lengths.map(({ length }) => length)).toEqual([5, 8]);
    // Five slots with a key, a value and a position.
    expect(lengths.map(({ bytes }) => bytes)).toEqual([720, 720]);
    expect(lengths.map(({ full_bytes }) => full_bytes)).toEqual([128 * 9, 128 * 12]);
    for (const { first_token_ms, token_ms, speedup } of lengths)
      for (const number of [first_token_ms, token_ms, speedup]) expect(number).toBeGreaterThan(0);
    expect(measured.values).toHaveProperty(["decoding/token_ms_5"]);
    expect(measured.values["decoding/bytes"]).toBe(720);
  });

  it("refuses lengths beyond the context", () => {
    const check = (options: object) => () => {
      void decoding.check!(createSubject(), decoding.options.parse(options), {
        baseFolder: "",
        cacheFolder: "",
      });
    };
    expect(check({ lengths: [14], new_tokens: 4 })).toThrow(/a prompt has at most 12/);
    expect(check({ new_tokens: 16 })).toThrow(/the model's context is 16 tokens/);
    expect(check({ lengths: [12], new_tokens: 4 })).not.toThrow();
  });
});
