import { readFileSync } from "node:fs";
import { join } from "node:path";
import { InferenceSession } from "onnxruntime-node";
import { expect, it } from "vitest";
import { createBytesTokenizer } from "../../../src/backend/data/tokenizers/bytes";
import { exportModel } from "../../../src/backend/exports/exportModel";
import { dimensionsOf } from "../../../src/backend/models/model";
import { createTemporaryFolder, createTinyShape, drawModelTensors } from "../../support/subject";

interface GenaiConfig {
  readonly model: {
    readonly decoder: {
      readonly filename: string;
      readonly num_hidden_layers: number;
      readonly inputs: Readonly<Record<string, string>>;
      readonly outputs: Readonly<Record<string, string>>;
    };
  };
}

it("names the inputs and the outputs of its graph, the sizes of the model and the tokens that end a text", async () => {
  const tokenizer = createBytesTokenizer();
  const shape = createTinyShape("qwen2", { vocab_size: tokenizer.vocabSize, pad_token_id: 3 });
  const subject = { shape, tensors: drawModelTensors(shape, 8), tokenizer };
  using folder = createTemporaryFolder();
  const target = join(folder.path, "out");
  const generationConfig = { eos_token_id: [256, 7], temperature: 0.5, top_k: 20 };
  const { files, sizes } = await exportModel({ ...subject, generationConfig }, { format: "genai" }, target);
  expect(files.map(({ name }) => name).sort()).toEqual([
    "config.json",
    "genai_config.json",
    "generation_config.json",
    "model.onnx",
    "tokenizer.json",
    "tokenizer_config.json",
  ]);
  expect(sizes.map(({ kind }) => kind)).toEqual(["weights", "configuration", "tokenizer", "total"]);
  const config = JSON.parse(readFileSync(join(target, "genai_config.json"), "utf8")) as GenaiConfig;
  const { layers, width, heads, kvHeads, headDim, context } = dimensionsOf(shape);
  expect(config).toMatchObject({
    model: {
      type: "decoder",
      vocab_size: 257,
      context_length: context,
      eos_token_id: [256, 7],
      pad_token_id: 3,
      decoder: {
        num_hidden_layers: layers,
        hidden_size: width,
        num_attention_heads: heads,
        num_key_value_heads: kvHeads,
        head_size: headDim,
      },
    },
    search: { do_sample: false, temperature: 0.5, top_k: 20, max_length: context },
  });
  expect(config.model).not.toHaveProperty("bos_token_id");
  const { decoder } = config.model;
  const session = await InferenceSession.create(readFileSync(join(target, decoder.filename)));
  const expand = (names: Readonly<Record<string, string>>) =>
    Object.values(names).flatMap((name) =>
      name.includes("%d")
        ? Array.from({ length: decoder.num_hidden_layers }, (_, layer) => name.replace("%d", String(layer)))
        : [name],
    );
  expect(expand(decoder.inputs).sort()).toEqual([...session.inputNames].sort());
  expect(expand(decoder.outputs).sort()).toEqual([...session.outputNames].sort());
  await session.release();
});
