/**
 * An error of graph building reports the operation, its inputs with their places and types, and the place in the model.
 */
import { expect, it } from "vitest";
import { input, parameter } from "../../../src/backend/graph/op";
import { add } from "../../../src/backend/graph/ops/elementwise";
import { matmul } from "../../../src/backend/graph/ops/matmul";
import { reshape } from "../../../src/backend/graph/ops/movement";

const x = input("x", [4, 6]);

it("names weights and inputs with their places, types and shapes", () => {
  expect(() => matmul(x, parameter("layers.0.mlp.up_proj.weight", [5, 8]), {})).toThrow(
    /Operation matmul.*input 0 "x" float32 \[4, 6\]; input 1 "layers.0.mlp.up_proj.weight" float32 \[5, 8\]/,
  );
});

it("names the origin of a computed value, and the attributes", () => {
  const hidden = matmul(x, parameter("layers.3.self_attn.o_proj.weight", [6, 8]), {});
  expect(() => add(hidden, input("mask", [4, 7]))).toThrow(
    /Operation add .*input 0 float32 \[4, 8\] from matmul after "layers.3.self_attn.o_proj.weight"; input 1 "mask" float32 \[4, 7\].*do not broadcast/,
  );
  expect(() => reshape(hidden, { shape: [5, 5] })).toThrow(
    /Operation reshape .*attributes \{"shape":\[5,5\]\}/,
  );
});
