import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { exportModel } from "../../../src/backend/exports/exportModel";
import { importModel, importShape } from "../../../src/backend/imports/importModel";
import { openModel } from "../../../src/backend/imports/openModel";
import { withRepresentations } from "../../../src/backend/models/model";
import { writeCheckpoint } from "../../../src/backend/checkpoints/checkpoint";
import {
  type HostTensors,
  readSafetensors,
  writeSafetensors,
} from "../../../src/backend/checkpoints/safetensors";
import { drawModelTensors, createTemporaryFolder, createTinyShape } from "../../support/subject";

const shape = createTinyShape("gpt2");
const tensors = drawModelTensors(shape, 2);
const data = (from: HostTensors) => new Map([...from].map(([name, each]) => [name, each.data]));

/** An exported folder whose weights and configuration are changed before it is read. */
async function changed(
  weights: (file: Map<string, { shape: readonly number[]; data: Float32Array }>) => void,
  config: (config: Record<string, unknown>) => void = () => undefined,
) {
  using folder = createTemporaryFolder();
  const target = join(folder.path, "model");
  await exportModel({ shape, tensors }, { format: "safetensors" }, target);
  const file = new Map(readSafetensors(join(target, "model.safetensors")).tensors);
  weights(file as Map<string, { shape: readonly number[]; data: Float32Array }>);
  writeSafetensors(join(target, "model.safetensors"), file);
  const settings = JSON.parse(readFileSync(join(target, "config.json"), "utf8")) as Record<string, unknown>;
  config(settings);
  writeFileSync(join(target, "config.json"), JSON.stringify(settings));
  return await importModel(target);
}

describe("a Hugging Face folder", () => {
  it("may omit the prefix, repeat the tied head and contain tables derived from the configuration", async () => {
    const model = await changed((file) => {
      for (const [name, tensor] of [...file]) {
        file.delete(name);
        file.set(name.replace("transformer.", ""), tensor);
      }
      file.set("lm_head.weight", file.get("wte.weight")!);
      file.set("h.0.attn.bias", { shape: [1], data: Float32Array.of(1) });
    });
    expect(data(model.tensors)).toEqual(data(tensors));
    expect(model.file!.tensorBytes("transformer.wte.weight")).toBe(
      4 * tensors.get("transformer.wte.weight")!.data.length,
    );
    expect(model.file!.bytes).toBeGreaterThan(0);
  });

  it("is rejected if the configuration ties a head that differs in the file", async () => {
    const model = changed((file) => {
      const { shape: size, data: own } = file.get("transformer.wte.weight")!;
      file.set("lm_head.weight", { shape: size, data: own.map((each) => each + 1) });
    });
    await expect(model).rejects.toThrow(
      /ties lm_head.weight to transformer.wte.weight.*two different tensors/,
    );
  });

  it.each([
    [
      "a missing tensor",
      (file: Map<string, unknown>) => file.delete("transformer.ln_f.bias"),
      /ln_f.bias is missing/,
    ],
    [
      "a bias that the model does not have",
      (file: Map<string, unknown>) => file.set("lm_head.bias", tensors.get("transformer.ln_f.bias")),
      /lm_head.bias is not a tensor of this model.*ignore_extra_tensors: true/,
    ],
    [
      "a further layer",
      (file: Map<string, unknown>) =>
        file.set("transformer.h.2.ln_1.bias", tensors.get("transformer.ln_f.bias")),
      /h.2.ln_1.bias is not a tensor of this model/,
    ],
    [
      "whole numbers",
      (file: Map<string, unknown>) =>
        file.set("transformer.ln_f.bias", { shape: [16], data: new Int32Array(16) }),
      /ln_f.bias is stored as I32, which cannot be loaded as a weight.*Quantized files are not supported/,
    ],
    [
      "a weight that is not a number",
      (file: Map<string, { data: Float32Array }>) => (file.get("transformer.ln_f.bias")!.data[3] = NaN),
      /element 3 of transformer.ln_f.bias is NaN.*Use another copy/,
    ],
    [
      "an infinite weight",
      (file: Map<string, { data: Float32Array }>) =>
        (file.get("transformer.wte.weight")!.data[7] = -Infinity),
      /element 7 of transformer.wte.weight is -Infinity/,
    ],
  ])("is refused with %s", async (_, change, message) => {
    await expect(changed(change as Parameters<typeof changed>[0])).rejects.toThrow(message);
  });

  it.each([
    ["another width", { n_embd: 32 }, /does not fit its configuration: transformer.wte.weight is \[32, 16\]/],
    ["more layers", { n_layer: 3 }, /transformer.h.2.*is missing/],
    ["another vocabulary", { vocab_size: 33 }, /wte.weight is \[32, 16\] where the model has \[33, 16\]/],
    [
      "a quantization",
      { quantization_config: { bits: 4 } },
      /config.json: quantization_config.quant_method is missing, but supported is "gptq", "awq" or "compressed-tensors"/,
    ],
    [
      "another task",
      { architectures: ["GPT2ForTokenClassification"] },
      /GPT2ForTokenClassification, which is not supported/,
    ],
    [
      "a regression of several numbers",
      { architectures: ["GPT2ForSequenceClassification"], problem_type: "regression" },
      /config.json: A regression with 2 outputs is not implemented/,
    ],
    ["a missing head", { architectures: ["GPT2ForSequenceClassification"] }, /score.weight is missing/],
    ["another family", { model_type: "mamba" }, /config.json: Unknown model_type "mamba"; known are .*gpt2/],
  ])("is refused if its configuration specifies %s", async (_, change, message) => {
    await expect(
      changed(
        () => undefined,
        (config) => Object.assign(config, change),
      ),
    ).rejects.toThrow(message);
  });

  it("is rejected if the configuration is invalid or of an unknown family", async () => {
    await expect(
      changed(
        () => undefined,
        (config) => (config["model_type"] = "t5"),
      ),
    ).rejects.toThrow(/known are .*gpt2/);
    using folder = createTemporaryFolder();
    writeFileSync(join(folder.path, "config.json"), "{");
    await expect(importModel(folder.path)).rejects.toMatchObject({ code: "corrupt" });
    writeFileSync(join(folder.path, "config.json"), JSON.stringify(shape.config));
    await expect(importModel(folder.path)).rejects.toThrow(/no model.safetensors/);
    writeFileSync(join(folder.path, "pytorch_model.bin"), "");
    await expect(importModel(folder.path)).rejects.toThrow(/Convert it with transformers/);
    writeFileSync(join(folder.path, "adapter_config.json"), "{}");
    await expect(importModel(folder.path)).rejects.toThrow(
      /adapter for another model.*base_model: \{id: BASE_MODEL, adapter: /,
    );
  });

  it("is refused with the invalid key and value of its configuration", async () => {
    const wrong = changed(
      () => undefined,
      (config) => (config["layer_norm_epsilon"] = "tiny"),
    );
    await expect(wrong).rejects.toThrow(
      /config\.json: layer_norm_epsilon: .*expected number.* \(found "tiny"\)\.$/,
    );
  });

  it("is rejected if it omits the prefix and has another head", async () => {
    const model = changed((file) => {
      for (const [name, tensor] of [...file]) {
        file.delete(name);
        file.set(name.replace("transformer.", ""), tensor);
      }
      const { shape: size, data: weights } = file.get("wte.weight")!;
      file.set("lm_head.weight", { shape: size, data: weights.map((each) => each + 1) });
    });
    await expect(model).rejects.toThrow(/two different tensors/);
  });

  it("may contain tensors of modules that the model lacks, with one notice", async () => {
    const model = await changed((file) => {
      file.set("value_head.weight", { shape: [1, 2], data: Float32Array.of(1, NaN) });
      file.set("transformer.extra", { shape: [1], data: new Int32Array(1) as never });
    });
    expect(data(model.tensors)).toEqual(data(tensors));
    expect(model.notices!.join()).toMatch(
      /skipped 2 tensors that the model does not use: .*value_head.weight/,
    );
    expect(model.fileTensors!.find(({ name }) => name === "value_head.weight")).toEqual({
      name: "value_head.weight",
      dtype: "F32",
      shape: [1, 2],
      bytes: 8,
      used: false,
    });
  });

  it.each([
    ["lfs pointer of weights", "model.safetensors"],
    ["lfs pointer of a configuration", "config.json"],
  ])("is refused with an %s", async (_, name) => {
    using folder = createTemporaryFolder();
    const target = join(folder.path, "model");
    await exportModel({ shape, tensors }, { format: "safetensors" }, target);
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"a".repeat(64)}\nsize 12345\n`;
    writeFileSync(join(target, name), pointer);
    await expect(importModel(target)).rejects.toThrow(
      `${join(target, name)} is a Git LFS pointer, not the file; run git lfs pull`,
    );
    writeFileSync(join(target, "a.bin"), pointer);
    await expect(importModel(join(target, "a.bin"))).rejects.toThrow(/Git LFS pointer/);
  });

  it("may split its weights into several files", async () => {
    using folder = createTemporaryFolder();
    const names = [...tensors.keys()];
    const parts = [names.slice(0, 5), names.slice(5)];
    const map: Record<string, string> = {};
    parts.forEach((part, i) => {
      const file = `model-0000${i + 1}-of-00002.safetensors`;
      writeSafetensors(join(folder.path, file), new Map(part.map((name) => [name, tensors.get(name)!])));
      for (const name of part) map[name] = file;
    });
    writeFileSync(join(folder.path, "model.safetensors.index.json"), JSON.stringify({ weight_map: map }));
    writeFileSync(join(folder.path, "config.json"), JSON.stringify(shape.config));
    expect(data((await importModel(folder.path)).tensors)).toEqual(data(tensors));

    const index = (weights: object) =>
      writeFileSync(
        join(folder.path, "model.safetensors.index.json"),
        JSON.stringify({ weight_map: weights }),
      );
    const second = join(folder.path, "model-00002-of-00002.safetensors");
    index({ ...map, x: "../x.safetensors" });
    await expect(importModel(folder.path)).rejects.toMatchObject({ code: "corrupt" });
    index({ ...map, x: "model-00001-of-00002.safetensors" });
    await expect(importModel(folder.path)).rejects.toThrow(/lists x in model-00001.*does not contain it/);
    index(map);
    const whole = readFileSync(second);
    writeFileSync(second, whole.subarray(0, whole.length / 2));
    await expect(importModel(folder.path)).rejects.toThrow(/model-00002-of-00002.safetensors is not a valid/);
    writeFileSync(second, readFileSync(join(folder.path, "model-00001-of-00002.safetensors")));
    await expect(importModel(folder.path)).rejects.toThrow(/is in two files/);
    rmSync(second);
    await expect(importModel(folder.path)).rejects.toThrow(
      /lacks model-00002-of-00002.safetensors of the 2 files that .*index.json lists/,
    );
  });

  it("reads only the requested weights into memory", async () => {
    using folder = createTemporaryFolder();
    await exportModel(
      { shape, tensors },
      { format: "safetensors", dtype: "bfloat16" },
      join(folder.path, "m"),
    );
    using opened = openModel(join(folder.path, "m"));
    const name = "transformer.wte.weight";
    const all = opened.read(name);
    expect(opened.read(name, 5, 9)).toEqual(all.slice(5, 9));
    expect(opened.written.tensorBytes(name)).toBe(2 * all.length);
  });
});

describe("importShape", () => {
  it("reads the model of a checkpoint without its weights", async () => {
    using folder = createTemporaryFolder();
    const masked = withRepresentations(shape, {
      "layers.0.mlp.up_proj": { type: "masked", options: { kept: 9 } },
    });
    writeCheckpoint(join(folder.path, "own"), { shape: masked, tensors: drawModelTensors(masked, 1) });
    expect(await importShape("own", folder.path)).toEqual(masked);
    await exportModel({ shape, tensors }, { format: "safetensors" }, join(folder.path, "exported"));
    copyFileSync(join(folder.path, "exported", "config.json"), join(folder.path, "config.json"));
    expect((await importShape(".", folder.path)).config).toMatchObject({ n_embd: 16 });
  });
});

it.each([
  ["nothing", (folder: string) => join(folder, "no"), /There is no model at .*no. Name a run folder/],
  ["an empty folder", (folder: string) => folder, /holds no model/],
  [
    "another file",
    (folder: string) => {
      writeFileSync(join(folder, "a.txt"), "a");
      return join(folder, "a.txt");
    },
    /is not a supported model file/,
  ],
  [
    "only the weights of a folder",
    (folder: string) => {
      writeFileSync(join(folder, "model.safetensors"), "");
      return join(folder, "model.safetensors");
    },
    /Use the folder that also contains config.json/,
  ],
  [
    "weights without a configuration",
    (folder: string) => {
      writeFileSync(join(folder, "model.safetensors"), "");
      return folder;
    },
    /there are weights, but config.json is missing/,
  ],
  [
    "a pickle",
    (folder: string) => {
      writeFileSync(join(folder, "model.pt"), "");
      return join(folder, "model.pt");
    },
    /is a pickle, which is not read because loading it can run code. Save the model as safetensors/,
  ],
  [
    "an empty GGUF file",
    (folder: string) => {
      writeFileSync(join(folder, "model.gguf"), "GGUF");
      return join(folder, "model.gguf");
    },
    /model.gguf is not a readable GGUF file: it does not begin with GGUF/,
  ],
  [
    "a folder with several GGUF files",
    (folder: string) => {
      for (const name of ["b.gguf", "a.gguf"]) writeFileSync(join(folder, name), "GGUF");
      return folder;
    },
    /contains 2 GGUF files. Name one of them: a.gguf, b.gguf/,
  ],
  [
    "an adapter",
    (folder: string) => {
      writeFileSync(join(folder, "adapter_config.json"), "{}");
      return folder;
    },
    /adapter for another model.*Load it with its base model/,
  ],
  [
    "a .bin file of something else",
    (folder: string) => {
      writeFileSync(join(folder, "a.bin"), Buffer.alloc(100, 7));
      return join(folder, "a.bin");
    },
    /not a whole llama2.c checkpoint/,
  ],
])("lists the supported kinds of models for %s", async (_, make, message) => {
  using folder = createTemporaryFolder();
  await expect(importModel(make(folder.path))).rejects.toThrow(message);
});
