import { describe, expect, it } from "vitest";
import { draw, initialize } from "../../../src/backend/models/initialize";
import { parametersOf, createShape } from "../../../src/backend/models/model";
import type { Init, ParameterSpec } from "../../../src/backend/representations/representation";

const spec = (init: Init, name = "w"): ParameterSpec => ({
  name,
  shape: [200, 500],
  dtype: "float32",
  init,
  trainable: true,
  decay: true,
  role: "w",
  embedding: false,
});

function moments(data: ArrayLike<number>) {
  const numbers = Array.from(data);
  const mean = numbers.reduce((a, b) => a + b, 0) / numbers.length;
  const central = (power: number) => numbers.reduce((a, b) => a + (b - mean) ** power, 0) / numbers.length;
  return { mean, std: Math.sqrt(central(2)), kurtosis: central(4) / central(2) ** 2 };
}

describe("initial weights", () => {
  it("follow a normal distribution if specified", () => {
    const { mean, std, kurtosis } = moments(draw(spec({ kind: "normal", std: 0.02 }), 1));
    expect(Math.abs(mean)).toBeLessThan(4 * 0.02 * Math.sqrt(1 / 100_000));
    expect(std / 0.02).toBeCloseTo(1, 2);
    expect(kurtosis).toBeCloseTo(3, 0.5);
  });

  it("follow a uniform distribution within their bounds if specified", () => {
    const data = draw(spec({ kind: "uniform", bound: 0.5 }), 1);
    const { mean, std } = moments(data);
    expect(Math.abs(mean)).toBeLessThan(0.005);
    expect(std).toBeCloseTo(0.5 / Math.sqrt(3), 2);
    expect(Math.max(...data)).toBeLessThanOrEqual(0.5);
    expect(Math.max(...data)).toBeGreaterThan(0.4999);
    expect(Math.min(...data)).toBeGreaterThanOrEqual(-0.5);
  });

  it("of one tensor do not depend on the other tensors, and differ between tensors", () => {
    const init = { kind: "uniform", bound: 1 } as const;
    const [one, two] = ["h.0.w", "h.1.w"].map((name) => Array.from(draw(spec(init, name), 3)));
    expect(one).not.toEqual(two);
    const correlation = one!.reduce((total, each, i) => total + each * two![i]!, 0) / one!.length;
    expect(Math.abs(correlation)).toBeLessThan(0.01);
  });

  it("of GPT-2 are smaller for projections that add to the residual stream", () => {
    const shape = createShape({ model_type: "gpt2", vocab_size: 64, n_embd: 64, n_layer: 8, n_head: 4 });
    const tensors = initialize(shape, 0);
    expect(moments(tensors.get("transformer.h.0.attn.c_proj.weight")!.data).std).toBeCloseTo(0.02 / 4, 3);
    expect(moments(tensors.get("transformer.h.0.attn.c_attn.weight")!.data).std).toBeCloseTo(0.02, 3);
  });

  it("of kphi3 are within the bound of their init", () => {
    const config = {
      model_type: "kphi3",
      vocab_size: 32,
      hidden_size: 64,
      intermediate_size: 192,
      num_hidden_layers: 1,
      num_attention_heads: 4,
      min_channels_per_group: 16,
    };
    const largest = (init: string) => {
      const shape = createShape({ ...config, init });
      const name = "model.layers.0.self_attn.qkv_proj.first_pointwise_conv.weight";
      expect(parametersOf(shape).find((each) => each.name === name)?.shape).toEqual([4, 16, 48]);
      return Math.max(...initialize(shape, 1).get(name)!.data);
    };
    const [paper, fanIn] = [1 / Math.sqrt(16 * 48), 1 / Math.sqrt(16)];
    expect(largest("paper") / paper).toBeCloseTo(1, 1);
    expect(largest("fan_in") / fanIn).toBeCloseTo(1, 1);
    expect(largest("fan_in")).toBeLessThanOrEqual(fanIn);
  });
});
