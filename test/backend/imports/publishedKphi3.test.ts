/** kphi-3 models as their published code saves them: the folders of scripts/reference/kphi3.py, from disk and from a hub. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { writeSafetensors } from "../../../src/backend/checkpoints/safetensors";
import { exportModel } from "../../../src/backend/exports/exportModel";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input, type Shape } from "../../../src/backend/graph/op";
import { fetchModel } from "../../../src/backend/imports/hub/fetchModel";
import { importModel } from "../../../src/backend/imports/importModel";
import type { ImportedModel } from "../../../src/backend/imports/importedModel";
import { createValue, forward, parametersOf } from "../../../src/backend/models/model";
import { createReferenceTensor } from "../../support/referenceModel";
import { createTemporaryFolder, createTinyShape, drawModelTensors } from "../../support/subject";
import { startHub } from "./hub/hubServer";

interface Case {
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: Readonly<Record<string, Shape>>;
  readonly tokens: readonly (readonly number[])[];
  readonly logits: { readonly rows: readonly number[]; readonly values: readonly number[] };
}

const { bound, cases } = JSON.parse(
  readFileSync(new URL("../../fixtures/kphi3.json", import.meta.url), "utf8"),
) as { bound: number; cases: Case[] };

/** Writes the folder that `save_pretrained` of the published code writes. */
function savePublished(
  folder: string,
  { config, tensors }: Pick<Case, "config" | "tensors">,
  changes: Readonly<Record<string, unknown>> = {},
): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, ...changes }));
  const drawn = Object.entries(tensors).map(
    ([name, shape]) => [name, { shape, data: createReferenceTensor(name, shape, bound) }] as const,
  );
  writeSafetensors(join(folder, "model.safetensors"), new Map(drawn), { format: "pt" });
  return folder;
}

/** The largest difference from the logits of the published code. */
function computeDifference({ shape, tensors }: ImportedModel, { tokens, logits }: Case): number {
  const values = new Map(parametersOf(shape).map((spec) => [spec.name, createValue(spec)]));
  const y = forward(shape, (name) => values.get(name)!, {
    tokens: input("tokens", [tokens.length, tokens[0]!.length], "int32"),
  });
  const feeds = Object.fromEntries([...tensors].map(([name, { data }]) => [name, Array.from(data)]));
  const ours = evaluateGraph({ outputs: { y } }, { ...feeds, tokens: tokens.flat() })["y"]!;
  const width = y.type.shape.at(-1)!;
  const chosen = logits.rows.flatMap((row) => [...ours.slice(row * width, (row + 1) * width)]);
  expect(chosen).toHaveLength(logits.values.length);
  return Math.max(...chosen.map((value, i) => Math.abs(value - logits.values[i]!)));
}

const [grouped] = cases as [Case];

describe("a folder that the published code of kphi-3 has saved", () => {
  it.each(cases)(
    "has its logits, and the same weights and keys after an export: $name",
    async (published) => {
      using folder = createTemporaryFolder();
      const model = await importModel(savePublished(join(folder.path, "published"), published));
      expect(computeDifference(model, published)).toBeLessThan(1e-5);
      const exported = join(folder.path, "exported");
      await exportModel(model, { format: "safetensors" }, exported);
      expect((await importModel(exported)).tensors).toEqual(model.tensors);
      const written = JSON.parse(readFileSync(join(exported, "config.json"), "utf8")) as Case["config"];
      const readByTheCode = Object.entries(published.config).filter(
        ([key]) => key !== "transformers_version",
      );
      expect(written).toMatchObject(Object.fromEntries(readByTheCode));
    },
  );

  it("loads by its id from a hub, with the authors' files beside it", async () => {
    using folder = createTemporaryFolder();
    const saved = savePublished(join(folder.path, "saved"), grouped, {
      auto_map: { AutoModelForCausalLM: "some-one/kphi3--modeling_kphi3.KPhi3ForCausalLM" },
    });
    writeFileSync(join(saved, "modeling_kphi3.py"), "raise RuntimeError");
    const files = Object.fromEntries(
      readdirSync(saved).map((name) => [name, readFileSync(join(saved, name))]),
    );
    await using hub = await startHub({ repository: "some-one/kphi3", files });
    const fetched = await fetchModel(
      { repository: "some-one/kphi3", revision: "main" },
      {
        wanted: "everything",
        network: true,
        signal: undefined,
        progress: () => undefined,
        settings: {
          endpoint: hub.endpoint,
          cache: join(folder.path, "cache"),
          offline: false,
          token: undefined,
        },
      },
    );
    expect(computeDifference(await importModel(fetched), grouped)).toBeLessThan(1e-5);
    expect(hub.asked.filter((line) => line.includes(".py"))).toEqual([]);
  });

  it.each([
    [{ embed_size: 16 }, /embed_size has to equal hidden_size 32/],
    [{ sliding_window: 8 }, /sliding_window.*only null/],
    [{ rope_parameters: { rope_theta: 5 } }, /rope_parameters.*published code does not read it/],
    [{ rope_scaling: { type: "linear", factor: 2 } }, /"linear" are not supported; allowed are .*longrope/],
    [
      { rope_scaling: { ...(cases.at(-1)!.config["rope_scaling"] as object), factor: 2 } },
      /rope_scaling\.factor.*reads only type, short_factor, long_factor/,
    ],
    [{ attention_bias: true }, /attention_bias.*only false/],
    [{ min_channels_per_group: 0 }, /min_channels_per_group.*at least one channel/],
    [{ quantization_config: { bits: 4 } }, /quantization_config/],
  ])("is refused by the name of the key: %o", async (changes, reason) => {
    using folder = createTemporaryFolder();
    const saved = savePublished(join(folder.path, "m"), grouped, changes);
    await expect(importModel(saved)).rejects.toThrow(reason);
  });

  it("may have a window that no sequence exceeds", async () => {
    using folder = createTemporaryFolder();
    const longest = grouped.config["max_position_embeddings"];
    const saved = savePublished(join(folder.path, "m"), grouped, { sliding_window: longest });
    expect(computeDifference(await importModel(saved), grouped)).toBeLessThan(1e-5);
  });

  it("is refused where its weights have other groups than the configuration", async () => {
    using folder = createTemporaryFolder();
    const saved = savePublished(join(folder.path, "m"), grouped, { min_channels_per_group: 16 });
    await expect(importModel(saved)).rejects.toThrow(
      /first_pointwise_conv\.weight is \[4, 8, \d+\] where the model has \[2, 16, \d+\]/,
    );
  });

  it("is not written for a phi3 with groups and settings that the published code does not have", async () => {
    using folder = createTemporaryFolder();
    const shape = createTinyShape("phi3", { min_channels_per_group: 4, partial_rotary_factor: 0.5 });
    const subject = { shape, tensors: drawModelTensors(shape, 1) };
    await expect(exportModel(subject, { format: "safetensors" }, join(folder.path, "m"))).rejects.toThrow(
      /written as kphi3, which refuses partial_rotary_factor: only 1.*Export it as onnx or packed/,
    );
  });

  it("names keys that do not change the result", async () => {
    using folder = createTemporaryFolder();
    const saved = savePublished(join(folder.path, "m"), grouped, {
      do_layer_norm_before: true,
      ffn_dim: 32,
      min_channel_per_group: 1,
    });
    const model = await importModel(saved);
    expect(model.notices?.join()).toMatch(
      /ignored keys.*do_layer_norm_before.*ffn_dim.*min_channel_per_group/,
    );
    expect(computeDifference(model, grouped)).toBeLessThan(1e-5);
  });
});
