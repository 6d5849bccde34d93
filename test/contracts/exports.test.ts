/** The contract of every export format, for the smallest model of every family. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { createBytesTokenizer } from "../../src/backend/data/tokenizers/bytes";
import { planAdapters } from "../../src/backend/compression/adapters";
import { exporters } from "../../src/backend/exports/catalog";
import { exportModel } from "../../src/backend/exports/exportModel";
import { openAdapter } from "../../src/backend/imports/adapter";
import { models } from "../../src/backend/models/catalog";
import { loraSchema } from "../../src/schema/lora";
import { drawModelTensors, createTemporaryFolder, createTinyShape } from "../support/subject";

it("is in the catalog for every file that defines one", () => {
  const folder = new URL("../../src/backend/exports/", import.meta.url);
  const files = readdirSync(folder)
    .filter((file) => file.endsWith(".ts"))
    .filter((file) => readFileSync(new URL(file, folder), "utf8").includes("export default"));
  expect(Object.keys(exporters).sort()).toEqual(files.map((file) => file.replace(".ts", "")).sort());
});

describe.each(Object.entries(exporters))("%s", (format, exporter) => {
  it("has a title and explains each option", () => {
    expect(exporter.title).toMatch(/^[A-Z]/);
    const { shape } = exporter.options as unknown as z.ZodObject<Record<string, z.ZodType>>;
    for (const [key, option] of Object.entries(shape))
      expect(option.description, `${format}.${key}`).toMatch(/\.$/);
  });

  const cases = exporter.samples.flatMap((sample) =>
    Object.keys(models).map((family) => ({ sample, family })),
  );
  it.each(cases)(
    "writes $family with $sample, with its configuration and its tokenizer",
    async ({ sample, family }) => {
      using folder = createTemporaryFolder();
      const tokenizer = createBytesTokenizer();
      const plain = createTinyShape(family, { vocab_size: tokenizer.vocabSize });
      // A format of adapters needs some, and refuses the model without them.
      const shape = format === "peft" ? planAdapters(plain, loraSchema.parse({ r: 2 })).during : plain;
      const subject = { shape, tensors: drawModelTensors(shape, 4), tokenizer };
      const target = join(folder.path, "out");
      const reason = exporter.refuses?.(shape, exporter.options.parse(sample));
      if (reason !== undefined) {
        const refused = exportModel(subject, { format, ...sample }, target);
        await expect(refused).rejects.toThrow(`The model cannot be exported as ${format}: ${reason}.`);
        expect(readdirSync(folder.path)).toEqual([]);
        return;
      }
      if ("with_past" in sample && models[family]!.mask !== "causal") {
        const refused = exportModel(subject, { format, ...sample }, target);
        await expect(refused).rejects.toThrow(/does not continue from past tokens/);
        return;
      }
      const exported = await exportModel(subject, { format, ...sample }, target);
      expect(readdirSync(folder.path)).toEqual(["out"]);
      expect(exported.folder).toBe(target);
      for (const { name, bytes } of exported.files) expect(statSync(join(target, name)).size).toBe(bytes);
      if (exporter.hasCompanions === false) {
        expect(exported.files.length).toBe(1);
        return;
      }
      expect(exported.files.map(({ name }) => name)).toEqual(
        expect.arrayContaining([
          format === "peft" ? "adapter_config.json" : "config.json",
          "tokenizer.json",
          "tokenizer_config.json",
        ]),
      );
      if (format === "peft") {
        expect(exporter.refuses!(plain, exporter.options.parse(sample))).toMatch(/it has no adapters/);
        using adapter = openAdapter(target, plain);
        expect(adapter.shape).toEqual(shape);
        return;
      }
      const config = JSON.parse(readFileSync(join(target, "config.json"), "utf8")) as object;
      expect(config).toMatchObject({
        model_type: family,
        torch_dtype: "dtype" in sample ? sample.dtype : "float32",
        vocab_size: 257,
        eos_token_id: 256,
      });
      expect(config).toHaveProperty("architectures");
    },
  );
});
