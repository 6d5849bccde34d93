/** Inference only: quantized matrices multiplied as integers give the same results as floats, in less memory. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { testDevice } from "../../support/device";
import { ForwardProgram } from "../../../src/backend/evaluation/forwardProgram";
import { estimatePassMemory } from "../../../src/backend/evaluation/passes";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input } from "../../../src/backend/graph/op";
import magnitude from "../../../src/backend/methods/magnitude";
import rtn from "../../../src/backend/methods/rtn";
import { listInferenceParameters, toInferenceTensors } from "../../../src/backend/models/inference";
import { forward, parametersOf, createValue, withRepresentations } from "../../../src/backend/models/model";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import { plainLab } from "../../support/lab";
import { loadRuntime } from "../../../src/backend/engine/runtime";
import { encodeOnnx } from "../../../src/backend/graph/onnx";
import { packedProduct } from "../../../src/backend/graph/ops/packedProduct";
import { applyOp, drawInputs, computeRelativeError } from "../../support/sampleValues";
import { drawModelTensors, createTinyShape } from "../../support/subject";

let engine: Engine;
beforeAll(async () => (engine = await openEngine(testDevice)));
afterAll(() => engine[Symbol.asyncDispose]());

const wide = { gpt2: { n_embd: 64, n_head: 4 }, llama: { hidden_size: 64, intermediate_size: 96 } } as const;
const tokens = Int32Array.from({ length: 12 }, (_, i) => (i * 5) % 32);
const rows = Int32Array.from({ length: 12 }, (_, i) => i);

async function quantised(
  family: keyof typeof wide,
  { sparsity = 0, ...given }: Readonly<Record<string, unknown>>,
): Promise<Checkpoint> {
  const shape = createTinyShape(family, wide[family]);
  const dense = { shape, tensors: drawModelTensors(shape, 6) };
  const before =
    sparsity === 0 ? dense : await magnitude.apply(dense, magnitude.options.parse({ sparsity }), plainLab);
  return rtn.apply(before, rtn.options.parse(given), plainLab);
}

/** With floats, in double precision. */
function plainLogits({ shape, tensors }: Checkpoint): Float64Array {
  const values = new Map(parametersOf(shape).map((spec) => [spec.name, createValue(spec)]));
  const logits = forward(shape, (name) => values.get(name)!, { tokens: input("tokens", [2, 6], "int32") });
  const feeds = Object.fromEntries([...tensors].map(([name, { data }]) => [name, Array.from(data)]));
  return Float64Array.from(
    evaluateGraph({ outputs: { logits } }, { ...feeds, tokens: Array.from(tokens) })["logits"]!,
  );
}

const packed = ({ shape }: Checkpoint) =>
  listInferenceParameters(shape).filter(({ dtype }) => dtype === "uint8");

describe.each(["gpt2", "llama"] as const)("a quantized %s", (family) => {
  it.each([
    { bits: 2 },
    { bits: 3, symmetric: false },
    { bits: 4, group_size: 32 },
    { bits: 4, group_size: 16, symmetric: false, residual: 3 },
    { bits: 5 },
    { bits: 8, group_size: 32, symmetric: false },
    { bits: 4, sparsity: 0.5 },
    { bits: 3, symmetric: false, sparsity: 0.7 },
  ])("of %o runs without conversion, with the same logits", async (given) => {
    const model = await quantised(family, given);
    expect(packed(model).length).toBeGreaterThan(0);
    await using program = await ForwardProgram.open(
      engine,
      model,
      { batch: 2, time: 6, rows: 12 },
      (logits) => logits,
    );
    const got = await program.run({ tokens, rows }, new AbortController().signal);
    expect(computeRelativeError(got, plainLogits(model))).toBeLessThan(2e-5);
  });

  it("takes half a byte per code at four bits, and has every tensor that its pass reads", async () => {
    const [four, eight] = [await quantised(family, { bits: 4 }), await quantised(family, { bits: 8 })];
    for (const model of [four, eight]) {
      const tensors = toInferenceTensors(model.shape, model.tensors);
      const specs = listInferenceParameters(model.shape);
      expect([...tensors.keys()].sort()).toEqual(specs.map(({ name }) => name).sort());
    }
    const bytes = (model: Checkpoint) =>
      packed(model)
        .filter(({ name }) => name.endsWith("_packed"))
        .reduce((sum, { shape }) => sum + shape.reduce((all, each) => all * each), 0);
    expect(2 * bytes(four)).toBe(bytes(eight));
    const dense = { shape: { ...four.shape, representations: {} } };
    expect(estimatePassMemory(four.shape, 1, 4)).toBeLessThan(estimatePassMemory(dense.shape, 1, 4));
  });
});

it("multiplies the codes of factors and of what is left", async () => {
  const shape = withRepresentations(createTinyShape("llama", wide.llama), {
    "layers.0.mlp.up_proj": { type: "factored", options: { rank: 32 } },
    "layers.0.mlp.down_proj": { type: "sliced", options: { inputs: 64 } },
  });
  const smaller = { shape, tensors: drawModelTensors(shape, 6) };
  const model = await rtn.apply(smaller, rtn.options.parse({ targets: "layers.0.mlp.*" }), plainLab);
  expect(packed(model).filter(({ name }) => name.endsWith("_packed"))).toHaveLength(4);
  await using program = await ForwardProgram.open(
    engine,
    model,
    { batch: 2, time: 6, rows: 12 },
    (logits) => logits,
  );
  const got = await program.run({ tokens, rows }, new AbortController().signal);
  expect(computeRelativeError(got, plainLogits(model))).toBeLessThan(2e-5);
});

it("a portable file computes the same with only standard operators", async () => {
  const ort = await loadRuntime();
  for (const [number, sample] of packedProduct.samples.entries()) {
    const drawn = drawInputs(sample, 40 + number);
    const y = applyOp(
      packedProduct,
      drawn.map(({ value }) => value),
      sample.attrs,
    );
    const graph = { outputs: { y } };
    const session = await ort.InferenceSession.create(encodeOnnx(graph, { portable: true }));
    const feeds = Object.fromEntries(
      drawn.map(({ name, numbers, value: { type } }) => [
        name,
        type.dtype === "uint8"
          ? new ort.Tensor("uint8", Uint8Array.from(numbers), type.shape)
          : new ort.Tensor("float32", Float32Array.from(numbers), type.shape),
      ]),
    );
    const results = await session.run(feeds);
    const wanted = evaluateGraph(
      graph,
      Object.fromEntries(drawn.map(({ name, numbers }) => [name, numbers])),
    )["y"]!;
    expect(computeRelativeError(results["y"]!.data as Float32Array, wanted)).toBeLessThan(1e-5);
  }
});

it("groups that no block divides are still multiplied as floats", async () => {
  const model = await quantised("llama", { bits: 4, group_size: 8 });
  expect(packed(model)).toEqual([]);
  await using program = await ForwardProgram.open(
    engine,
    model,
    { batch: 2, time: 6, rows: 12 },
    (logits) => logits,
  );
  expect(
    computeRelativeError(
      await program.run({ tokens, rows }, new AbortController().signal),
      plainLogits(model),
    ),
  ).toBeLessThan(2e-5);
});
