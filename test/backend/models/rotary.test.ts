/** Rotary frequencies that change with the length of a text; those of fixed scalings are held to transformers in reference.test.ts. */
import { describe, expect, it } from "vitest";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input } from "../../../src/backend/graph/op";
import { checkGrowth, createShape, forward, parametersOf } from "../../../src/backend/models/model";
import { computeRelativeError } from "../../support/sampleValues";
import { createLookup, createValues, drawTensors } from "../../support/tensors";

const base = {
  model_type: "llama",
  vocab_size: 32,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  max_position_embeddings: 12,
  rope_theta: 50,
};
const longrope = {
  ...base,
  rope_scaling: {
    ...{ type: "longrope", short_factor: [1, 1, 1, 1], long_factor: [2, 3, 4, 5], attention_factor: 1 },
    original_max_position_embeddings: 6,
  },
};
const tokens = Array.from({ length: 24 }, (_, i) => (i * 7) % 32);

/** Logits [2 · time, 32] of two texts of `time` tokens. */
function compute(config: Readonly<Record<string, unknown>>, time: number, positions?: readonly number[]) {
  const shape = createShape(config);
  const specs = parametersOf(shape);
  const y = forward(shape, createLookup(createValues(specs)), {
    tokens: input("tokens", [2, time], "int32"),
    ...(positions === undefined ? {} : { positions: input("positions", [2, time], "int32") }),
  });
  return evaluateGraph(
    { outputs: { y } },
    {
      ...Object.fromEntries(drawTensors(specs, 3)),
      tokens: tokens.slice(0, 2 * time),
      ...(positions === undefined ? {} : { positions }),
    },
  )["y"]!;
}
const count = (time: number, rows = 2) => Array.from({ length: rows * time }, (_, i) => i % time);

describe("dynamic frequencies", () => {
  const dynamic = { ...base, rope_scaling: { type: "dynamic", factor: 4 } };

  it("are unscaled up to the longest sequence of the configuration, which none exceeds", () => {
    expect(compute(dynamic, 12)).toEqual(compute(base, 12));
    expect(() => compute(dynamic, 13)).toThrow(/longer than the model's 12 positions/);
  });
});

describe("longrope", () => {
  const long = { ...longrope, rope_scaling: { ...longrope.rope_scaling, short_factor: [2, 3, 4, 5] } };

  it("changes all positions of a text that is longer than the original ones", () => {
    expect(compute(longrope, 6)).toEqual(compute(base, 6));
    expect(compute(longrope, 7)).toEqual(compute(long, 7));
    expect(computeRelativeError(compute(longrope, 7), compute(base, 7))).toBeGreaterThan(1e-3);
  });

  it("depends on the largest position of the batch, not on the width of its rows", () => {
    expect(compute(longrope, 7, [...count(7, 1), ...count(7, 1)])).toEqual(compute(long, 7));
    const documents = [0, 1, 2, 0, 1, 2, 3, ...[0, 1, 2, 3, 4, 5, 0]];
    expect(compute(longrope, 7, documents)).toEqual(compute(base, 7, documents));
  });

  it("refuses texts that would grow across the change", () => {
    const shape = createShape(longrope);
    expect(() => checkGrowth(shape, 6)).not.toThrow();
    expect(() => checkGrowth(shape, 7)).toThrow(/cannot grow to 7 tokens: beyond 6 tokens .*longrope/);
    expect(() => checkGrowth(createShape(base), 12)).not.toThrow();
    for (const [family, more] of [
      ["phi3", { original_max_position_embeddings: 6 }],
      ["phi", { partial_rotary_factor: 1, original_max_position_embeddings: 6 }],
    ] as const) {
      const { rope_scaling: settings } = longrope;
      const other = createShape({ ...base, model_type: family, ...more, rope_scaling: settings });
      expect(() => checkGrowth(other, 7)).toThrow(/cannot grow to 7 tokens/);
    }
  });
});
