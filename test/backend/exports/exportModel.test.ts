import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { exporters } from "../../../src/backend/exports/catalog";
import { exportModel } from "../../../src/backend/exports/exportModel";
import { shapeFromConfig } from "../../../src/backend/models/model";
import { drawnTensors, temporaryFolder, tinyShape } from "../../support/subject";

const shape = tinyShape("llama");
const subject = { shape, tensors: drawnTensors(shape, 4) };

it("fills an empty folder, and never touches one with something in it", async () => {
  using folder = temporaryFolder();
  const target = join(folder.path, "out");
  mkdirSync(target);
  await exportModel(subject, { format: "safetensors" }, target);
  const written = readdirSync(target);
  await expect(exportModel(subject, { format: "onnx" }, target)).rejects.toThrow(/not empty. Choose another/);
  expect(readdirSync(target)).toEqual(written);
  writeFileSync(join(folder.path, "file"), "mine");
  await expect(exportModel(subject, { format: "onnx" }, join(folder.path, "file"))).rejects.toThrow(
    /not empty/,
  );
});

it("names the formats that there are", async () => {
  await expect(exportModel(subject, { format: "gguf" }, "nowhere")).rejects.toThrow(
    `There is no export format "gguf"; known are ${Object.keys(exporters).join(", ")}.`,
  );
});

it("leaves nothing behind where it fails", async () => {
  using folder = temporaryFolder();
  const broken = { shape, tensors: new Map([...subject.tensors].slice(1)) };
  await expect(exportModel(broken, { format: "safetensors" }, join(folder.path, "out"))).rejects.toThrow();
  expect(readdirSync(folder.path)).toEqual([]);
});

it("refuses an ONNX file above 2 GiB before it makes anything of it", async () => {
  const large = shapeFromConfig({ model_type: "llama", vocab_size: 32_000, num_hidden_layers: 4 });
  const target = join("nowhere", "out");
  using folder = temporaryFolder();
  const result = exportModel(
    { shape: large, tensors: new Map() },
    { format: "onnx" },
    join(folder.path, target),
  );
  await expect(result).rejects.toThrow(
    /The weights take 4.0 GiB, and an ONNX file holds at most 2. Export as safetensors/,
  );
  expect(existsSync(join(folder.path, target))).toBe(false);
});
