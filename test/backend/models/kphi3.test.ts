import { describe, expect, it } from "vitest";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input } from "../../../src/backend/graph/op";
import { initialize } from "../../../src/backend/models/initialize";
import {
  forward,
  listMatrixSlots,
  type ModelShape,
  parametersOf,
  createShape,
} from "../../../src/backend/models/model";
import { denseShape, fromInOut, weightName } from "../../../src/backend/representations/dense";
import { computeRelativeError } from "../../support/sampleValues";
import { drawTensors, createLookup, createValues } from "../../support/tensors";

const sizes = {
  vocab_size: 20,
  hidden_size: 24,
  intermediate_size: 36,
  num_hidden_layers: 2,
  num_attention_heads: 4,
};
const tokens = Array.from({ length: 12 }, (_, i) => (7 * i) % 20);

function logits(shape: ModelShape, tensors: ReadonlyMap<string, ArrayLike<number>>): Float64Array {
  const y = forward(shape, createLookup(createValues(parametersOf(shape))), {
    tokens: input("tokens", [2, 6], "int32"),
  });
  return evaluateGraph({ outputs: { y } }, { ...Object.fromEntries(tensors), tokens })["y"]!;
}

describe("kphi3", () => {
  it("computes the same as phi3 with the dense matrices of its groups", () => {
    const grouped = createShape({ model_type: "kphi3", ...sizes, min_channels_per_group: 6 });
    const dense = createShape({ model_type: "phi3", ...sizes });
    const tensors = drawTensors(parametersOf(grouped), 4);
    const same = new Map(tensors);
    for (const { stored } of listMatrixSlots(grouped))
      for (const { matrix, representation, options, type } of stored)
        if (type === "grouped")
          same.set(
            weightName(matrix),
            fromInOut(representation.materialize(createLookup(tensors), matrix, options), matrix),
          );
    expect(computeRelativeError(logits(grouped, tensors), logits(dense, same))).toBeLessThan(1e-6);
  });

  it("with a negative minimum equals phi3, bit for bit", () => {
    const kphi3 = createShape({ model_type: "kphi3", ...sizes, min_channels_per_group: -1 });
    const phi3 = createShape({ model_type: "phi3", ...sizes });
    expect(parametersOf(kphi3)).toEqual(parametersOf(phi3));
    const tensors = initialize(phi3, 1);
    expect(initialize(kphi3, 1)).toEqual(tensors);
    const data = new Map([...tensors].map(([name, each]) => [name, each.data]));
    expect(logits(kphi3, data)).toEqual(logits(phi3, data));
  });

  it("with a minimum above every width equals phi3 with other names", () => {
    const kphi3 = createShape({ model_type: "kphi3", ...sizes, min_channels_per_group: 36 });
    const phi3 = createShape({ model_type: "phi3", ...sizes });
    const tensors = new Map([...initialize(kphi3, 1)].map(([name, { data }]) => [name, data]));
    const renamed = new Map(
      [...tensors].map(([name, data]) => [name.replace(".first_pointwise_conv.group_layers.0", ""), data]),
    );
    expect([...renamed.keys()].sort()).toEqual(
      parametersOf(phi3)
        .map(({ name }) => name)
        .sort(),
    );
    expect(logits(kphi3, tensors)).toEqual(logits(phi3, renamed));
  });

  it("names its tensors like the published checkpoints", () => {
    const shape = createShape({ model_type: "kphi3", ...sizes, min_channels_per_group: 6 });
    const names = parametersOf(shape).map(({ name }) => name);
    expect(names).toContain("model.layers.1.mlp.gate_up_proj.second_pointwise_conv.weight");
    const [first] = listMatrixSlots(shape).filter(({ matrix }) => matrix.role === "embed_tokens");
    expect(denseShape(first!.matrix)).toEqual([20, 24]);
  });
});
