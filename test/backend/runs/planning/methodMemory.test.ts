/** The estimated memory of a method grows with what it holds, and not with the number of layers. */
import { describe, expect, it } from "vitest";
import { methods } from "../../../../src/backend/methods/catalog";
import { estimateMethodMemory } from "../../../../src/backend/runs/planning/methodMemory";
import { createShape } from "../../../../src/backend/models/model";

const qwen = {
  model_type: "qwen2",
  vocab_size: 151936,
  hidden_size: 896,
  intermediate_size: 4864,
  num_hidden_layers: 24,
  num_attention_heads: 14,
  num_key_value_heads: 2,
  max_position_embeddings: 32768,
  tie_word_embeddings: true,
};
const calibration = { samples: 8, batch_size: 1 };

function estimate(name: string, given: object, changes: object = {}, length = 512): number | undefined {
  const before = createShape({ ...qwen, ...changes });
  const method = methods[name]!;
  const options = method.options.parse(given) as object;
  return estimateMethodMemory(before, method.plan(before, options).shape, options, length);
}

const gptq = (given: object = {}, changes: object = {}, length?: number) =>
  estimate("gptq", { as: "published", calibration: { ...calibration, ...given } }, changes, length)!;

describe("the memory of a method", () => {
  it("is the same for more layers, but not for wider ones", () => {
    expect(gptq({}, { num_hidden_layers: 48 })).toBe(gptq());
    // H and four arrays of its size in double precision, H once more in single precision.
    const more = 5120 ** 2 - 4864 ** 2;
    expect(gptq({}, { intermediate_size: 5120 }) - gptq()).toBeGreaterThan((5 * 8 + 4) * more);
  });

  it("contains the hidden states of all samples, twice if the original model is read too", () => {
    const states = 4 * 8 * 512 * 896;
    expect(gptq({ samples: 16 }) - gptq()).toBe(states);
    const both = { outputs: "original", order: "sequential" };
    expect(gptq({ ...both, samples: 16 }) - gptq(both)).toBe(2 * states);
    expect(gptq(both)).toBeGreaterThan(gptq({ order: "sequential" }));
  });

  it("is at least what reading the largest tensor takes", () => {
    const vocabulary = 2 ** 22;
    expect(gptq({}, { vocab_size: vocabulary })).toBeGreaterThan(2 * 4 * vocabulary * 896);
  });

  it("follows the form of the method", () => {
    expect(estimate("sparsegpt", { calibration })).toBeGreaterThan(
      estimate("sparsegpt", { as: "published", calibration })!,
    );
  });

  it.each([
    ["magnitude", { sparsity: 0.5 }],
    ["layerdrop", { rate: 0.5 }],
    ["rtn", {}],
  ])("is unknown for %s, which does not read text layer by layer", (name, options) => {
    expect(estimate(name, options)).toBeUndefined();
  });
});
