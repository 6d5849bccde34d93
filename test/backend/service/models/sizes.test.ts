import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { createBytesTokenizer } from "../../../../src/backend/data/tokenizers/bytes";
import { exportModel } from "../../../../src/backend/exports/exportModel";
import { countModel } from "../../../../src/backend/models/accounting";
import magnitude from "../../../../src/backend/methods/magnitude";
import { writeCheckpoint } from "../../../../src/backend/checkpoints/checkpoint";
import type { Subject } from "../../../../src/protocol/service/models";
import { drawModelTensors, createTinyShape } from "../../../support/subject";
import { Window } from "../window";
import { plainLab } from "../../../support/lab";

let window: Window;
beforeEach(async () => {
  window = await new Window().open();
});

const sizesOf = async (...subjects: Subject[]) => (await window.ask("sizes.of", { subjects })).sizes;

async function prunedRun(): Promise<string> {
  const run = await window.run();
  const shape = createTinyShape("phi3");
  const before = { shape, tensors: drawModelTensors(shape, 3) };
  writeCheckpoint(join(run, "checkpoints", "step-10"), {
    ...before,
    training: {
      optimizer: new Map(),
      state: { step: 10, tokens: 1, seconds: 1, sampler: null, action: 0 },
    },
  });
  const pruned = await magnitude.apply(before, magnitude.options.parse({ sparsity: 0.5 }), plainLab);
  mkdirSync(join(run, "steps", "1-compress"), { recursive: true });
  writeCheckpoint(join(run, "steps", "1-compress", "checkpoint"), pruned);
  const done = { key: "k", from: 0, step: 10, checkpoint: "steps/1-compress/checkpoint" };
  writeFileSync(join(run, "steps", "1-compress", "done.json"), JSON.stringify(done));
  return run;
}

describe("planned models", () => {
  it("are compared only with numbers published at their own scale", async () => {
    const experiment = resolve("examples/papers/kphi3/card.lathe.md");
    const text = readFileSync(experiment, "utf8");
    const sizeOf = (of: string) =>
      sizesOf({ kind: "plan", experiment, variant: "kphi3-2", text: of }).then(([size]) => size!);
    expect((await sizeOf(text)).published).toBeUndefined();
    const full = await sizeOf(text.replace("scale: small", "scale: full"));
    expect([full.counts.nonEmbedding.stored, full.published?.nonEmbedding]).toEqual([35_011_584, 35_011_584]);
  });

  it("have the published sizes of the three kphi-3 models, with the published numbers", async () => {
    const names = ["JP47D54C", "JP47D55C", "JP47D56C"];
    const sizes = await sizesOf(
      ...names.map((name) => ({
        kind: "plan" as const,
        experiment: resolve(`examples/papers/kphi3/${name}.lathe.md`),
      })),
    );
    const expected = [226_507_776, 35_011_584, 52_515_840];
    expect(sizes.map(({ counts }) => counts.nonEmbedding.stored)).toEqual(expected);
    expect(sizes.map(({ published }) => published?.nonEmbedding)).toEqual(expected);
    for (const { counts, published } of sizes) expect(published?.total).toBe(counts.total.stored);
    expect(sizes[0]!.published?.source).toBe(
      "Saving 77% of the Parameters in Large Language Models Technical Report (2025)",
    );
    expect(sizes.map(({ title, family }) => `${title} ${family}`)).toEqual([
      "JP47D54C phi3",
      "JP47D55C kphi3",
      "JP47D56C kphi3",
    ]);
    expect(sizes[1]!.config).toEqual({
      model_type: "kphi3",
      hidden_size: 3072,
      intermediate_size: 9216,
      num_hidden_layers: 2,
      num_attention_heads: 32,
      vocab_size: 32064,
      max_position_embeddings: 131072,
      tie_word_embeddings: false,
      min_channels_per_group: 256,
    });
  });

  it("are those after the last action of the unsaved text, for each variant", async () => {
    const experiment = join(window.workspace, "tiny.lathe.md");
    const text = (layers: number) =>
      [
        "```yaml",
        `model: {model_type: phi3, vocab_size: 32, hidden_size: 16, intermediate_size: 24, num_hidden_layers: ${layers}, num_attention_heads: 4}`,
        "variants: {dense: {compress: null}, sparse: {}}",
        "compress: {magnitude: {sparsity: 0.5}}",
        "```",
        "",
      ].join("\n");
    writeFileSync(experiment, text(1));
    const [saved, dense, sparse] = await sizesOf(
      { kind: "plan", experiment, variant: "dense" },
      { kind: "plan", experiment, variant: "dense", text: text(2) },
      { kind: "plan", experiment, variant: "sparse", text: text(2) },
    );
    expect(dense!.counts.nonEmbedding.stored).toBeGreaterThan(saved!.counts.nonEmbedding.stored);
    expect(dense!.config["num_hidden_layers"]).toBe(2);
    expect(sparse!.counts.nonEmbedding.stored).toBeLessThan(0.6 * dense!.counts.nonEmbedding.stored);
    expect(sparse!.published).toBeUndefined();
    await expect(sizesOf({ kind: "plan", experiment, variant: "none" })).rejects.toMatchObject({
      code: "invalid-input",
    });
  });

  it("are not read in an untrusted workspace if their size depends on other files", async () => {
    await window.open({ trusted: false });
    const experiment = join(window.workspace, "base.lathe.md");
    writeFileSync(experiment, "```yaml\nbase_model: ./model\ncompress: {magnitude: {}}\n```\n");
    await expect(sizesOf({ kind: "plan", experiment })).rejects.toMatchObject({ code: "unsupported" });
  });
});

describe("models on disk", () => {
  it("are counted including zeros, after the run and before it", async () => {
    const run = await prunedRun();
    const [last, before] = await sizesOf(
      { kind: "run", run },
      { kind: "run", run, checkpoint: "checkpoints/step-10" },
    );
    expect([last!.title, before!.title]).toEqual(["run", "run · step-10"]);
    const shape = createTinyShape("phi3");
    const tensors = drawModelTensors(shape, 3);
    const counts = countModel(shape, { tensors: (name) => tensors.get(name)!.data as Float32Array });
    expect(before!.counts.roles.map(({ nonZero }) => nonZero)).toEqual(
      counts.roles.map(({ nonZero }) => nonZero),
    );
    expect(before!.counts.total.bytes).toBeGreaterThan(before!.counts.total.stored * 4);
    expect(last!.counts.nonEmbedding.nonZero).toBeLessThan(0.6 * before!.counts.nonEmbedding.nonZero);
    expect(last!.counts.roles.some(({ representation }) => representation === "masked")).toBe(true);
    // The second request is answered from memory, until the file changes.
    expect(await sizesOf({ kind: "run", run })).toEqual([last]);
    cpSync(join(run, "checkpoints/step-10"), join(run, "steps/1-compress/checkpoint"), { recursive: true });
    const [changed] = await sizesOf({ kind: "run", run });
    expect(changed!.counts.nonEmbedding.nonZero).toBe(before!.counts.nonEmbedding.nonZero);
  });

  it("may be folders of other programs", async () => {
    const shape = createTinyShape("gpt2", { vocab_size: 257 });
    const path = join(window.workspace, "gpt2-tiny");
    await exportModel(
      { shape, tensors: drawModelTensors(shape, 4), tokenizer: createBytesTokenizer() },
      { format: "safetensors" },
      path,
    );
    const [size] = await sizesOf({ kind: "path", path });
    expect(size).toMatchObject({
      title: "gpt2-tiny",
      family: "gpt2",
      config: { model_type: "gpt2", vocab_size: 257 },
    });
    expect(size!.counts.total.stored).toBe(countModel(shape).total.stored);
  });

  it("are refused with a reason if missing, outside the workspace, or behind a link", async () => {
    const empty = await window.run("queued", "empty");
    const run = await prunedRun();
    const error = (subject: Subject) => expect(sizesOf(subject)).rejects;
    await error({ kind: "run", run: empty }).toMatchObject({ code: "not-found" });
    await error({ kind: "run", run: join(run, "..", "none") }).toMatchObject({ code: "not-found" });
    await error({ kind: "path", path: join(window.workspace, "none") }).toMatchObject({ code: "not-found" });
    const checkpoint = `../${empty.split("/").at(-1)!}/checkpoints/x`;
    await error({ kind: "run", run, checkpoint }).toMatchObject({ code: "invalid-input" });
    const folder = join(run, "checkpoints", "step-10");
    const elsewhere = join(window.workspace, "elsewhere");
    cpSync(folder, elsewhere, { recursive: true });
    rmSync(folder, { recursive: true });
    symlinkSync(elsewhere, folder);
    await error({ kind: "run", run, checkpoint: "checkpoints/step-10" }).toMatchObject({ code: "io" });
    expect(readdirSync(elsewhere)).toContain("model.safetensors");
  });
});
