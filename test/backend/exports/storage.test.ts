import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { exportModel } from "../../../src/backend/exports/exportModel";
import { importModel } from "../../../src/backend/imports/importModel";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input } from "../../../src/backend/graph/op";
import { forward, parametersOf, createShape } from "../../../src/backend/models/model";
import { narrow, type StoredDtype } from "../../../src/backend/checkpoints/halfPrecision";
import { readReference, createReferenceTensor } from "../../support/referenceModel";
import { computeRelativeError } from "../../support/sampleValues";
import { createTemporaryFolder } from "../../support/subject";
import { createLookup, createValues } from "../../support/tensors";

interface Figures {
  readonly tensors: Readonly<Record<string, string>>;
  readonly logits: readonly number[];
}
type Name = "gpt2" | "llama" | "llama-tied" | "phi3";

/** Written by scripts/reference/storage.py, which also loads these exports with the real library. */
const { bound, models } = JSON.parse(
  readFileSync(new URL("../../fixtures/models/storage.json", import.meta.url), "utf8"),
) as { bound: number; models: Record<Name, Record<StoredDtype, Figures>> };

const cases = (Object.keys(models) as Name[]).flatMap((name) =>
  (Object.keys(models[name]) as StoredDtype[]).map((dtype) => ({ name, dtype })),
);

describe.each(cases)("$name in $dtype", ({ name, dtype }) => {
  const { config, tensors: sizes, cases: runs } = readReference(name);
  const shape = createShape(config);
  const tensors = new Map(
    Object.entries(sizes).map(([tensor, size]) => [
      tensor,
      { shape: size, data: createReferenceTensor(tensor, size, bound) },
    ]),
  );

  it("is written and read with PyTorch's bits and Hugging Face's logits", async () => {
    using folder = createTemporaryFolder();
    const target = join(folder.path, "model");
    await exportModel({ shape, tensors }, { format: "safetensors", dtype, max_shard_size: "6KB" }, target);
    const model = await importModel(target);
    const bits = (data: Float32Array) => (dtype === "float32" ? data : narrow(data, dtype));
    const hashes = [...model.tensors].map(([tensor, { data }]) => {
      const digest = createHash("sha256").update(bits(data as Float32Array));
      return [tensor, digest.digest("hex").slice(0, 16)];
    });
    expect(Object.fromEntries(hashes)).toEqual(models[name][dtype].tensors);

    const { tokens } = runs[0]!;
    const values = createValues(parametersOf(shape));
    const ids = input("tokens", [tokens.length, tokens[0]!.length], "int32");
    const y = forward(shape, createLookup(values), { tokens: ids });
    const feeds = Object.fromEntries([...model.tensors].map(([tensor, { data }]) => [tensor, data]));
    const logits = evaluateGraph({ outputs: { y } }, { ...feeds, tokens: tokens.flat() })["y"]!;
    const shown = [...logits].filter((_, i) => i % 97 === 0);
    expect(computeRelativeError(shown, models[name][dtype].logits)).toBeLessThan(1e-5);
  });
});
