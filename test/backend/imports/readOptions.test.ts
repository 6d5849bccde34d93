/** Models whose files differ from their configuration, read with the options of `base_model`. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { writeCheckpoint } from "../../../src/backend/checkpoints/checkpoint";
import { writeSafetensors } from "../../../src/backend/checkpoints/safetensors";
import { importModel, importOutline, importShape } from "../../../src/backend/imports/importModel";
import { baseModelSchema } from "../../../src/schema/baseModel";
import { drawModelTensors, createTemporaryFolder, createTinyShape } from "../../support/subject";

const shape = createTinyShape("gpt2");
const tensors = drawModelTensors(shape, 2);
const weights = (from: typeof tensors) => new Map([...from].map(([name, { data }]) => [name, data]));

function modelFolder(prefix = "", config: object = {}) {
  const folder = createTemporaryFolder();
  const id = join(folder.path, "model");
  mkdirSync(id);
  const renamed = new Map([...tensors].map(([name, tensor]) => [prefix + name, tensor]));
  writeSafetensors(join(id, "model.safetensors"), renamed);
  writeFileSync(join(id, "config.json"), JSON.stringify({ ...shape.config, ...config }));
  return { id, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

describe("base_model with options", () => {
  it("removes a prefix, and the error without the option names it", async () => {
    using folder = modelFolder("module.");
    await expect(importModel(folder.id)).rejects.toThrow(
      /names begin with "module.": set strip_prefix: "module."/,
    );
    const model = await importModel({ id: folder.id, strip_prefix: "module." });
    expect(weights(model.tensors)).toEqual(weights(tensors));
    expect(model.notices!.join()).toContain('removed the prefix "module." from the tensor names');
    expect(model.file!.tensorBytes("transformer.wte.weight")).toBe(
      tensors.get("transformer.wte.weight")!.data.byteLength,
    );
    await expect(importModel({ id: folder.id, strip_prefix: "model." })).rejects.toThrow(
      /strip_prefix is "model.", but no tensor name starts with it.*module/,
    );
  });

  it("ignores extra layers if requested", async () => {
    using folder = modelFolder("", { n_layer: 1 });
    await expect(importModel(folder.id)).rejects.toThrow(/h.1.*is not a tensor of this model/);
    const model = await importModel({ id: folder.id, ignore_extra_tensors: true });
    expect(model.shape.config["n_layer"]).toBe(1);
    expect(model.notices!.join()).toMatch(/skipped 12 tensors .*\(ignore_extra_tensors\): transformer.h.1/);
    const whole = await importModel({ id: folder.id, config: { n_layer: 2 } });
    expect(weights(whole.tensors)).toEqual(weights(tensors));
    expect(whole.notices!.join()).toContain("overrode n_layer");
  });

  it("overrides configuration keys before validation", async () => {
    using folder = modelFolder("", { scale_attn_by_inverse_layer_idx: true });
    await expect(importShape(folder.id, ".")).rejects.toThrow(/scale_attn_by_inverse_layer_idx/);
    const model = { id: folder.id, config: { scale_attn_by_inverse_layer_idx: false, resid_pdrop: 0 } };
    expect((await importShape(model, ".")).config["resid_pdrop"]).toBe(0);
    expect((await importOutline(model, {})).shape.config["resid_pdrop"]).toBe(0);
  });

  it("rejects unknown keys, and options for other kinds of models", async () => {
    using folder = modelFolder();
    await expect(importModel({ id: folder.id, config: { n_layr: 2 } })).rejects.toThrow(
      /unknown key base_model.config.n_layr: gpt2 models do not use it. Did you mean n_layer\?/,
    );
    const own = join(folder.id, "checkpoint");
    writeCheckpoint(own, { shape, tensors });
    await expect(importModel({ id: own, strip_prefix: "x" })).rejects.toThrow(
      /is a checkpoint of Lathe, but base_model.strip_prefix applies only to Hugging Face folders/,
    );
  });

  it("accepts a name or an object with an id", () => {
    expect(baseModelSchema.safeParse("a/b").success).toBe(true);
    expect(baseModelSchema.safeParse({ id: "a", ignore_extra_tensors: true }).success).toBe(true);
    expect(baseModelSchema.safeParse({ config: {} }).success).toBe(false);
    expect(baseModelSchema.safeParse({ id: "a", strip: "b" }).success).toBe(false);
  });
});
