import { readFileSync } from "node:fs";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { exportModel } from "../../../src/backend/exports/exportModel";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { modelProto } from "../../../src/backend/graph/onnxSchema";
import { input } from "../../../src/backend/graph/op";
import magnitude from "../../../src/backend/methods/magnitude";
import { models } from "../../../src/backend/models/catalog";
import { dimensionsOf, forward, type ModelShape, parametersOf } from "../../../src/backend/models/model";
import type { HostTensors } from "../../../src/backend/checkpoints/safetensors";
import { relativeError, uniform } from "../../support/sampleValues";
import { drawnTensors, temporaryFolder, tinyShape } from "../../support/subject";
import { from, valuesOf } from "../../support/tensors";
import { plainLab } from "../../support/lab";

const [batch, time] = [2, 7];
const sizes = { sequence_len: time, batch_size: batch };

async function written(
  shape: ModelShape,
  tensors: HostTensors,
  options: object,
  name = "model.onnx",
): Promise<Buffer> {
  using folder = temporaryFolder();
  const target = join(folder.path, "out");
  await exportModel({ shape, tensors }, { format: "onnx", ...options }, target);
  return readFileSync(join(target, name));
}

function tokensFor(shape: ModelShape): number[] {
  const random = uniform(3);
  return Array.from({ length: batch * time }, () => Math.floor(random() * dimensionsOf(shape).vocabulary));
}

/** Logits by the plain evaluator, from the model as it is stored. */
function reference(shape: ModelShape, tensors: HostTensors): Float64Array {
  const values = valuesOf(parametersOf(shape));
  const logits = forward(shape, from(values), { tokens: input("tokens", [batch, time], "int32") });
  const feeds = Object.fromEntries([...tensors].map(([name, { data }]) => [name, data]));
  return evaluateGraph({ outputs: { logits } }, { ...feeds, tokens: tokensFor(shape) })["logits"]!;
}

interface Decoded {
  readonly opsetImport: readonly { readonly domain: string }[];
  readonly graph: {
    readonly node: readonly { readonly domain: string; readonly opType: string }[];
    readonly input: readonly { readonly name: string }[];
    readonly initializer: readonly { readonly name: string; readonly dims: readonly unknown[] }[];
  };
}

describe.each(Object.keys(models))("%s", (family) => {
  const shape = tinyShape(family);
  const tensors = drawnTensors(shape, 8);

  it.each(["int64", "int32"] as const)("gives its logits in ONNX Runtime, fed %s ids", async (input_type) => {
    const session = await InferenceSession.create(await written(shape, tensors, { ...sizes, input_type }));
    const ids = tokensFor(shape);
    const data = input_type === "int64" ? BigInt64Array.from(ids, BigInt) : Int32Array.from(ids);
    const { logits } = await session.run({ input_ids: new Tensor(input_type, data, [batch, time]) });
    expect(logits!.dims).toEqual([batch, time, dimensionsOf(shape).vocabulary]);
    expect(relativeError(logits!.data as Float32Array, reference(shape, tensors))).toBeLessThan(1e-5);
    await session.release();
  });

  it("writes a step with past keys and values that comes to the same logits, token by token", async () => {
    const { context, layers, vocabulary } = dimensionsOf(shape);
    const options = { ...sizes, with_past: true };
    const file = await written(shape, tensors, options, "decoder_with_past_model.onnx");
    const { opsetImport } = modelProto.decode(file) as unknown as Decoded;
    expect(opsetImport.map(({ domain }) => domain)).toEqual([""]);
    const session = await InferenceSession.create(file);
    const names = session.inputNames.filter((name) => name.startsWith("past_key_values."));
    expect(names).toHaveLength(2 * layers);
    expect(names).toContain("past_key_values.0.key");
    expect(context).toBeGreaterThan(time);
    let past = Object.fromEntries(
      session.inputMetadata
        .filter(({ name }) => names.includes(name))
        .map((each) => {
          const dims = (each as unknown as { readonly shape: readonly number[] }).shape;
          const numbers = new Float32Array(dims.reduce((a, b) => a * b, 1));
          return [each.name, new Tensor("float32", numbers, dims)];
        }),
    );
    const all = tokensFor(shape);
    const got = new Float32Array(batch * time * vocabulary);
    const column = (values: number[]) => new Tensor("int64", BigInt64Array.from(values, BigInt), [batch, 1]);
    for (let position = 0; position < time; position++) {
      const { logits, ...present } = await session.run({
        ...past,
        input_ids: column([all[position]!, all[time + position]!]),
        position_ids: column([position, position]),
      });
      for (let row = 0; row < batch; row++)
        got.set(
          (logits!.data as Float32Array).subarray(row * vocabulary, (row + 1) * vocabulary),
          (row * time + position) * vocabulary,
        );
      past = Object.fromEntries(
        Object.entries(present).map(([name, table]) => [name.replace("present.", "past_key_values."), table]),
      ) as typeof past;
    }
    expect(relativeError(got, reference(shape, tensors))).toBeLessThan(1e-4);
    await session.release();
  });

  it("uses standard operators only, and holds every weight", async () => {
    const { opsetImport, graph } = modelProto.decode(
      await written(shape, tensors, sizes),
    ) as unknown as Decoded;
    expect(opsetImport.map(({ domain }) => domain)).toEqual([""]);
    expect(graph.node.filter(({ domain }) => domain !== "").map(({ opType }) => opType)).toEqual([]);
    expect(graph.input.map(({ name }) => name)).toEqual(["input_ids"]);
    const names = new Set(graph.initializer.map(({ name }) => name));
    for (const name of tensors.keys()) expect(names).toContain(name);
  });
});

it("gives the logits of a pruned model", async () => {
  const shape = tinyShape("phi3");
  const pruned = await magnitude.apply(
    { shape, tensors: drawnTensors(shape, 8) },
    magnitude.options.parse({ sparsity: 0.5, targets: ["*.k_proj", "*.mlp.*"] }),
    plainLab,
  );
  const session = await InferenceSession.create(await written(pruned.shape, pruned.tensors, sizes));
  const ids = BigInt64Array.from(tokensFor(shape), BigInt);
  const { logits } = await session.run({ input_ids: new Tensor("int64", ids, [batch, time]) });
  expect(relativeError(logits!.data as Float32Array, reference(pruned.shape, pruned.tensors))).toBeLessThan(
    1e-5,
  );
  await session.release();
});

it("takes the model's context where nothing is said, and refuses more", async () => {
  const shape = tinyShape("llama");
  const tensors = drawnTensors(shape, 8);
  const session = await InferenceSession.create(await written(shape, tensors, {}));
  expect(session.inputMetadata[0]).toMatchObject({ name: "input_ids", type: "int64", shape: [1, 16] });
  await session.release();
  await expect(written(shape, tensors, { sequence_len: 17 })).rejects.toThrow(/17 tokens are longer than/);
});
