import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { writeOnnx } from "../../../src/backend/exports/onnxFile";
import { modelProto } from "../../../src/backend/graph/onnxSchema";
import magnitude from "../../../src/backend/methods/magnitude";
import { models } from "../../../src/backend/models/catalog";
import { dimensionsOf, familyOf } from "../../../src/backend/models/model";
import { computeRelativeError } from "../../support/sampleValues";
import { drawModelTensors, createTemporaryFolder, createTinyShape } from "../../support/subject";
import { plainLab } from "../../support/lab";
import {
  batch,
  type Decoded,
  inFolder,
  reference,
  run,
  sizes,
  time,
  tokensFor,
  written,
} from "../../support/onnxFile";

describe.each(Object.keys(models))("%s", (family) => {
  const shape = createTinyShape(family);
  const tensors = drawModelTensors(shape, 8);
  const model = { shape, tensors };

  it.each(["int64", "int32"] as const)(
    "computes the logits for inputs of any size with %s ids",
    async (type) => {
      const file = await written(shape, tensors, { input_type: type });
      for (const size of [
        [1, 1],
        [2, 7],
        [3, 12],
      ] as const) {
        const got = await run(file, size, tokensFor(shape, size[0] * size[1]), {}, type);
        expect(computeRelativeError(got, reference(model, size))).toBeLessThan(1e-5);
      }
    },
  );

  it("computes the same logits with any padding, left or right", async () => {
    const { vocabulary } = dimensionsOf(shape);
    const file = await written(shape, tensors, {});
    const withPositions = await written(shape, tensors, { position_ids: true });
    const text = tokensFor(shape, 5);
    const alone = reference(model, [1, 5], text);
    const ids = [...text, 1, 1, 1, 1, ...text];
    const attention_mask = [1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1];
    const position_ids = [0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 1, 2, 3, 4];
    // Without positions, an encoder of transformers counts the padding on the left too.
    const starts = familyOf(family).mask === "causal" ? [0, 9] : [0];
    for (const [got, compared] of [
      [await run(file, [2, 7], ids, { attention_mask }), starts],
      [await run(withPositions, [2, 7], ids, { attention_mask, position_ids }), [0, 9]],
    ] as const)
      for (const start of compared)
        expect(
          computeRelativeError(got.subarray(start * vocabulary, (start + 5) * vocabulary), alone),
        ).toBeLessThan(1e-5);
  });

  it("fixes the configured sizes", async () => {
    const file = await written(shape, tensors, sizes);
    expect(
      computeRelativeError(await run(file, [batch, time], tokensFor(shape)), reference(model)),
    ).toBeLessThan(1e-5);
    await expect(run(file, [1, time], tokensFor(shape, time))).rejects.toThrow(/invalid dimensions/);
    const rows = await written(shape, tensors, { sequence_len: time });
    expect(
      computeRelativeError(await run(rows, [batch, time], tokensFor(shape)), reference(model)),
    ).toBeLessThan(1e-5);
    await expect(run(rows, [1, 3], tokensFor(shape, 3))).rejects.toThrow(/invalid dimensions/);
  });

  it("writes a step with past keys and values that computes the same logits token by token", async () => {
    const { context, layers, vocabulary } = dimensionsOf(shape);
    const options = { ...sizes, with_past: true };
    if (familyOf(family).mask !== "causal") {
      await expect(written(shape, tensors, options)).rejects.toThrow(/is an encoder.*leave out with_past/);
      return;
    }
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
    expect(computeRelativeError(got, reference(model))).toBeLessThan(1e-4);
    await session.release();
  });

  it("uses only standard operators and contains every weight", async () => {
    const { opsetImport, graph } = modelProto.decode(await written(shape, tensors, {})) as unknown as Decoded;
    expect(opsetImport.map(({ domain }) => domain)).toEqual([""]);
    expect(graph.node.filter(({ domain }) => domain !== "").map(({ opType }) => opType)).toEqual([]);
    expect(graph.input.map(({ name }) => name)).toEqual(["input_ids", "attention_mask"]);
    const names = new Set(graph.initializer.map(({ name }) => name));
    for (const name of tensors.keys()) expect(names).toContain(name);
  });
});

it("computes the logits of a pruned model", async () => {
  const shape = createTinyShape("phi3");
  const pruned = await magnitude.apply(
    { shape, tensors: drawModelTensors(shape, 8) },
    magnitude.options.parse({ sparsity: 0.5, targets: ["*.k_proj", "*.mlp.*"] }),
    plainLab,
  );
  const got = await run(await written(pruned.shape, pruned.tensors, {}), [batch, time], tokensFor(shape));
  expect(computeRelativeError(got, reference(pruned))).toBeLessThan(1e-5);
});

describe("a file of weights beside the model", () => {
  const shape = createTinyShape("llama", { hidden_size: 64, vocab_size: 257 });
  const model = { shape, tensors: drawModelTensors(shape, 8) };

  it("is written if configured, and read by the runtime", () =>
    inFolder(model, { external_data: true }, async (folder, { files, sizes }) => {
      const bytes = Object.fromEntries(files.map((file) => [file.name, file.bytes]));
      expect(bytes["model.onnx_data"]).toBeGreaterThan(64 * 257 * 4);
      expect(bytes["model.onnx"]).toBeLessThan(64 * 257 * 4);
      expect(sizes.find(({ kind }) => kind === "weights")!.after).toBe(
        bytes["model.onnx"]! + bytes["model.onnx_data"]!,
      );
      const got = await run(join(folder, "model.onnx"), [batch, time], tokensFor(shape));
      expect(computeRelativeError(got, reference(model))).toBeLessThan(1e-5);
    }));

  it("is written if the weights exceed the size limit of a message", () => {
    using folder = createTemporaryFolder();
    const weight = {
      name: "w",
      type: { dtype: "float32", shape: [600] },
      data: new Float32Array(600),
    } as const;
    const graph = {
      portable: true,
      nodes: [],
      functions: [],
      inputs: [],
      outputs: [],
      initializers: [weight],
    };
    writeOnnx(folder.path, "small.onnx", graph, { external: false, limit: 2400 });
    writeOnnx(folder.path, "large.onnx", graph, { external: false, limit: 2399 });
    expect(readdirSync(folder.path).sort()).toEqual(["large.onnx", "large.onnx_data", "small.onnx"]);
    expect(statSync(join(folder.path, "large.onnx_data")).size).toBe(2400);
  });
});

it("refuses sequences that are longer than the context", async () => {
  const shape = createTinyShape("llama");
  await expect(written(shape, drawModelTensors(shape, 8), { sequence_len: 17 })).rejects.toThrow(
    /17 tokens are longer than/,
  );
});
