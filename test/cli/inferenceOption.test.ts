import { describe, expect, it } from "vitest";
import { parseInferenceOption } from "../../src/cli/inferenceOption";

describe("--inference", () => {
  it("has the keys of an evaluate cell, one by one", () => {
    expect(parseInferenceOption(undefined)).toEqual({});
    const { cache, prompt } = parseInferenceOption([
      "cache.snapkv.budget=16",
      "cache.snapkv.window=4",
      "cache.quantized.bits=8",
      "prompt.recent={}",
    ]);
    expect(cache).toMatchObject({
      name: "snapkv in 8 bits",
      options: { budget: 16, window: 4, pooling: "avg" },
      store: { bits: 8, group_size: 32 },
    });
    expect(prompt).toMatchObject({ name: "recent", options: { budget: 0.5 } });
  });

  it.each([
    ["cache.h3o.budget=2", /unknown key "h3o" in inference.cache. Did you mean "h2o"/],
    ["cache.h2o.budget=1.5", /write a share up to 1, or a whole number of tokens/],
    ["cache={}", /name one cache policy/],
    ["cache.h2o", /write a path and a value, such as --inference cache.h2o.budget=0.25/],
    ["exits.threshold=-1", /--inference/],
  ])("refuses %s", (setting, message) => {
    expect(() => parseInferenceOption([setting])).toThrow(message);
  });

  it("refuses two policies for one thing", () => {
    expect(() => parseInferenceOption(["cache.h2o={}", "cache.window={}"])).toThrow(/name one cache policy/);
  });
});
