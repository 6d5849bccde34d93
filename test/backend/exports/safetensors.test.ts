import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { bytesTokenizer } from "../../../src/backend/data/tokenizers/bytes";
import { openTokenizer } from "../../../src/backend/data/tokenizers/openTokenizer";
import { exportModel } from "../../../src/backend/exports/exportModel";
import { importModel } from "../../../src/backend/imports/importModel";
import magnitude from "../../../src/backend/methods/magnitude";
import { models } from "../../../src/backend/models/catalog";
import { matrixSlots, type ModelShape, withRepresentations } from "../../../src/backend/models/model";
import { type HostTensors, readSafetensors } from "../../../src/backend/training/safetensors";
import { drawnTensors, temporaryFolder, tinyShape } from "../../support/subject";

async function roundTrip(shape: ModelShape, tensors: HostTensors) {
  using folder = temporaryFolder();
  const target = join(folder.path, "out");
  const { notices } = await exportModel({ shape, tensors }, { format: "safetensors" }, target);
  const file = readSafetensors(join(target, "model.safetensors"));
  const config = JSON.parse(readFileSync(join(target, "config.json"), "utf8")) as Record<string, unknown>;
  return { notices, file, config, model: await importModel(target) };
}
const plain = (tensors: HostTensors) => new Map([...tensors].map(([name, { data }]) => [name, data]));

describe.each(Object.keys(models))("%s", (family) => {
  const shape = tinyShape(family);
  const tensors = drawnTensors(shape, 6);

  it("comes back bit for bit, under the names of Hugging Face", async () => {
    const { model, file } = await roundTrip(shape, tensors);
    expect(plain(model.tensors)).toEqual(plain(tensors));
    expect(model.shape.representations).toEqual(shape.representations);
    expect([...file.tensors.keys()].sort()).toEqual([...tensors.keys()].sort());
    expect(file.metadata).toEqual({ format: "pt" });
  });

  it("does not write a tied head twice", async () => {
    const tied = tinyShape(family, { tie_word_embeddings: true });
    const { file, model } = await roundTrip(tied, drawnTensors(tied, 6));
    expect([...file.tensors.keys()]).not.toContain("lm_head.weight");
    expect(plain(model.tensors)).toEqual(plain(drawnTensors(tied, 6)));
  });
});

it.each(["gpt2", "llama", "phi3"])("writes masks of %s as zeros, whole and in parts", async (family) => {
  const shape = tinyShape(family);
  const before = { shape, tensors: drawnTensors(shape, 6) };
  const lab = {
    seed: 1,
    signal: new AbortController().signal,
    progress: () => undefined,
    log: () => undefined,
  };
  for (const targets of [undefined, "*.q_proj"]) {
    const pruned = await magnitude.apply(before, magnitude.options.parse({ sparsity: 0.5, targets }), lab);
    const { model } = await roundTrip(pruned.shape, pruned.tensors);
    expect(model.shape.representations).toEqual({});
    let zeros = 0;
    for (const [name, { data }] of model.tensors) {
      const original = before.tensors.get(name)!.data;
      data.forEach((each, i) => {
        if (each === 0) zeros++;
        else expect(each).toBe(original[i]);
      });
    }
    const dropped = matrixSlots(pruned.shape)
      .flatMap(({ stored }) => stored)
      .filter(({ type }) => type === "masked")
      .reduce((total, { matrix }) => total + (matrix.inputs * matrix.outputs) / 2, 0);
    expect(zeros).toBe(dropped);
  }
});

it("writes what transformers needs to build the model, and keeps what a configuration says itself", async () => {
  const phi3 = tinyShape("phi3");
  expect((await roundTrip(phi3, drawnTensors(phi3, 1))).config).toMatchObject({
    architectures: ["Phi3ForCausalLM"],
    model_type: "phi3",
    torch_dtype: "float32",
    bos_token_id: null,
    eos_token_id: null,
    pad_token_id: null,
  });
  const llama = tinyShape("llama", { eos_token_id: 2, architectures: ["Mine"], torch_dtype: "bfloat16" });
  expect((await roundTrip(llama, drawnTensors(llama, 1))).config).toMatchObject({
    architectures: ["Mine"],
    eos_token_id: 2,
    torch_dtype: "float32",
  });
});

it("writes kphi3 under its published names, and says what it needs to be loaded", async () => {
  const shape = tinyShape("kphi3");
  const { config, file, notices } = await roundTrip(shape, drawnTensors(shape, 1));
  expect(config).toMatchObject({
    model_type: "kphi3",
    min_channels_per_group: 4,
    architectures: ["KPhi3ForCausalLM"],
  });
  expect([...file.tensors.keys()]).toContain("model.layers.0.self_attn.qkv_proj.first_pointwise_conv.weight");
  expect(notices[0]).toMatch(/modeling_kphi3.py/);
});

it("refuses a form that the family's files cannot say", async () => {
  const kphi3 = tinyShape("kphi3");
  const shape = withRepresentations(kphi3, { "layers.0.self_attn.o_proj": { type: "dense", options: {} } });
  await expect(roundTrip(shape, drawnTensors(shape, 1))).rejects.toThrow(
    /o_proj is stored dense, but a configuration of kphi3 says grouped/,
  );
});

it("writes a tokenizer that opens again with the same ids", async () => {
  using folder = temporaryFolder();
  const tokenizer = bytesTokenizer();
  const shape = tinyShape("gpt2", { vocab_size: tokenizer.vocabSize });
  const target = join(folder.path, "out");
  await exportModel({ shape, tensors: drawnTensors(shape, 1), tokenizer }, { format: "safetensors" }, target);
  const { tokenizerFolder } = await importModel(target);
  const again = await openTokenizer(tokenizerFolder!, ".");
  const text = "Ein Café, 3 €.\n\tend";
  expect([...again.encode(text)]).toEqual([...tokenizer.encode(text)]);
  expect(again.endOfText).toBe(256);
});
