/** The checkpoint of a run that its folder provides as a model. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { importModel } from "../../../src/backend/imports/importModel";
import { writeCheckpoint } from "../../../src/backend/checkpoints/checkpoint";
import type { HostTensors } from "../../../src/backend/checkpoints/safetensors";
import { drawModelTensors, createTemporaryFolder, createTinyShape } from "../../support/subject";

const shape = createTinyShape("gpt2");

describe("a run folder", () => {
  const marked = (mark: number) => {
    const weights = drawModelTensors(shape, 2);
    (weights.get("transformer.ln_f.bias")!.data as Float32Array)[0] = mark;
    return weights;
  };
  const markOf = (model: { tensors: HostTensors }) => model.tensors.get("transformer.ln_f.bias")!.data[0];

  function checkpoint(run: string, step: number, action: number, own: number, best?: number) {
    writeCheckpoint(join(run, "checkpoints", `step-${step}`), {
      shape,
      tensors: marked(step),
      training: {
        optimizer: new Map(),
        state: {
          step: own,
          tokens: 0,
          seconds: 0,
          sampler: null,
          action,
          ...(best === undefined ? {} : { best: { step: best, loss: 1 } }),
        },
      },
    });
  }
  function done(run: string, action: string, content: object) {
    mkdirSync(join(run, "steps", action), { recursive: true });
    writeFileSync(join(run, "steps", action, "done.json"), JSON.stringify(content));
  }
  function runFolder() {
    const folder = createTemporaryFolder();
    writeFileSync(join(folder.path, "run.json"), "{}");
    mkdirSync(join(folder.path, "checkpoints"));
    return folder;
  }

  it("provides its newest checkpoint while it trains, or the best if requested", async () => {
    using run = runFolder();
    checkpoint(run.path, 5, 0, 5, 5);
    checkpoint(run.path, 10, 0, 10, 5);
    const last = await importModel(run.path);
    expect(markOf(last)).toBe(10);
    expect(last.run).toBe(run.path);
    expect(markOf(await importModel(run.path, { which: "best" }))).toBe(5);
  });

  it("provides the result of its latest finished action", async () => {
    using run = runFolder();
    checkpoint(run.path, 5, 0, 5, 5);
    checkpoint(run.path, 10, 0, 10, 5);
    // This training passes on its best model, not its newest.
    done(run.path, "0-train", { key: "k", from: 0, step: 10, checkpoint: join("checkpoints", "step-5") });
    expect(markOf(await importModel(run.path))).toBe(5);
    writeCheckpoint(join(run.path, "steps", "1-compress", "checkpoint"), { shape, tensors: marked(77) });
    done(run.path, "1-compress", {
      key: "k",
      from: 10,
      step: 10,
      checkpoint: join("steps", "1-compress", "checkpoint"),
    });
    expect(markOf(await importModel(run.path))).toBe(77);
    expect((await importModel(join(run.path, "steps", "1-compress", "checkpoint"))).run).toBe(run.path);
    // A second training in progress is newer than any finished action; its steps count from its start.
    checkpoint(run.path, 14, 2, 4, 2);
    checkpoint(run.path, 12, 2, 2, 2);
    expect(markOf(await importModel(run.path))).toBe(14);
    expect(markOf(await importModel(run.path, { which: "best" }))).toBe(12);
  });

  it("never leaves the run folder, and skips incomplete records", async () => {
    using run = runFolder();
    checkpoint(run.path, 5, 0, 5);
    done(run.path, "1-compress", { key: "k", from: 5, step: 5, checkpoint: "../elsewhere" });
    mkdirSync(join(run.path, "steps", "2-compress"), { recursive: true });
    writeFileSync(join(run.path, "steps", "2-compress", "done.json"), '{"key":');
    expect(markOf(await importModel(run.path))).toBe(5);
  });

  it("reports a missing checkpoint, or a missing best one", async () => {
    using run = runFolder();
    await expect(importModel(run.path)).rejects.toThrow(/has no checkpoint yet/);
    checkpoint(run.path, 5, 0, 5);
    await expect(importModel(run.path, { which: "best" })).rejects.toThrow(/has no best checkpoint/);
  });
});
