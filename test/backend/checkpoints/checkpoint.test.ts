import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { WorkbenchError } from "../../../src/protocol/errors";
import { withRepresentations } from "../../../src/backend/models/model";
import {
  type Checkpoint,
  readCheckpoint,
  recoverCheckpoints,
  writeCheckpoint,
} from "../../../src/backend/checkpoints/checkpoint";
import { writeSafetensors } from "../../../src/backend/checkpoints/safetensors";
import { createUniform } from "../../support/sampleValues";
import { createTinyShape, drawWeights } from "../../support/tinyModels";
import { createTemporaryFolder } from "../../support/temporary";
import { encodeTensors } from "../../support/tinyRun";
import { writeChildProgram } from "../../support/childProgram";
import { numberedCheckpoint, stepOf } from "./numberedCheckpoint";

const masked = withRepresentations(createTinyShape("phi3"), {
  "layers.0.mlp.down_proj": { type: "masked", options: {} },
});
const random = createUniform(5);
const weights = new Map(
  [...drawWeights(masked)].map(([name, { shape, data }]) => [
    name,
    { shape, data: data instanceof Uint8Array ? data.map(() => Math.round(random())) : data },
  ]),
);
const checkpoint: Checkpoint = {
  shape: masked,
  tensors: weights,
  training: {
    optimizer: new Map([["lm_head.weight#exp_avg", { shape: [2], data: Float32Array.of(1e-20, -3) }]]),
    state: {
      step: 12,
      tokens: 34_567,
      seconds: 1.5,
      sampler: { seed: 1, epoch: 2, position: 3, sequences: 4 },
      best: { step: 10, loss: 2.25 },
      action: 1,
    },
  },
};

function written(content: Checkpoint = checkpoint): string {
  const folder = join(createTemporaryFolder(), "checkpoints", "step-12");
  writeCheckpoint(folder, content);
  return folder;
}

function failure(act: () => unknown): WorkbenchError {
  try {
    act();
  } catch (thrown) {
    return thrown as WorkbenchError;
  }
  throw new Error("Nothing was thrown.");
}

describe("a checkpoint", () => {
  it("is restored unchanged: weights, masks, representations, optimizer and state", () => {
    const got = readCheckpoint(written());
    expect(got.shape).toEqual(masked);
    expect(encodeTensors(got.tensors)).toEqual(encodeTensors(weights));
    expect(got.tensors.get("model.layers.0.mlp.down_proj.weight_mask")!.data).toBeInstanceOf(Uint8Array);
    expect(encodeTensors(got.training!.optimizer)).toEqual(encodeTensors(checkpoint.training!.optimizer));
    expect(got.training!.state).toEqual(checkpoint.training!.state);
  });

  it("of a model alone has no training state", () => {
    const folder = written({ shape: masked, tensors: weights });
    expect(readdirSync(folder).sort()).toEqual(["config.json", "manifest.json", "model.safetensors"]);
    expect(readCheckpoint(folder).training).toBeUndefined();
  });

  it("leaves no other files beside it", () => {
    const folder = written();
    writeCheckpoint(folder, checkpoint);
    expect(readdirSync(join(folder, ".."))).toEqual(["step-12"]);
  });

  it("replaces an older one of the same name", () => {
    const folder = written({ shape: masked, tensors: weights });
    writeCheckpoint(folder, checkpoint);
    expect(readCheckpoint(folder).training?.state.step).toBe(12);
  });
});

describe("a damaged checkpoint is refused", () => {
  const files = ["model.safetensors", "config.json", "optimizer.safetensors", "state.json"];

  it.each(files)("with a changed byte anywhere in %s", (name) => {
    const folder = written();
    const path = join(folder, name);
    const bytes = readFileSync(path);
    for (const at of [0, 8, Math.floor(bytes.length / 2), bytes.length - 1]) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1;
      writeFileSync(path, changed);
      const thrown = failure(() => readCheckpoint(folder));
      expect(thrown.code).toBe("corrupt");
      expect(thrown.message).toContain(`${path} has changed since it was written`);
    }
    writeFileSync(path, bytes);
    expect(readCheckpoint(folder).training?.state.step).toBe(12);
  });

  it.each(files)("with %s cut short, or longer", (name) => {
    const folder = written();
    const path = join(folder, name);
    const { size } = statSync(path);
    truncateSync(path, size + 1);
    expect(failure(() => readCheckpoint(folder)).message).toContain(`${size + 1} bytes instead of ${size}`);
    truncateSync(path, size - 1);
    expect(failure(() => readCheckpoint(folder)).code).toBe("corrupt");
  });

  it.each(files)("without %s", (name) => {
    const folder = written();
    rmSync(join(folder, name));
    const thrown = failure(() => readCheckpoint(folder));
    expect(thrown.code).toBe("corrupt");
    expect(thrown.message).toContain(`Checkpoint ${folder} is missing ${name}. Use another checkpoint`);
  });

  it("without a manifest, or with an invalid one", () => {
    const folder = written();
    const path = join(folder, "manifest.json");
    const manifest = JSON.parse(readFileSync(path, "utf8")) as { files: Record<string, unknown> };
    const { "model.safetensors": _, ...noModel } = manifest.files;
    const { "optimizer.safetensors": __, ...half } = manifest.files;
    for (const content of [
      "",
      "{",
      "null",
      "[]",
      JSON.stringify({ ...manifest, format: 2 }),
      JSON.stringify({ ...manifest, files: {} }),
      JSON.stringify({ ...manifest, files: noModel }),
      JSON.stringify({ ...manifest, files: half }),
      JSON.stringify({
        ...manifest,
        files: { ...manifest.files, "../../secret": manifest.files["state.json"] },
      }),
    ]) {
      writeFileSync(path, content);
      const thrown = failure(() => readCheckpoint(folder));
      expect(thrown.code, content).toBe("corrupt");
      expect(thrown.message).toContain(path);
    }
    rmSync(path);
    expect(failure(() => readCheckpoint(folder)).code).toBe("corrupt");
  });

  it("where there is none, with that reason", () => {
    const thrown = failure(() => readCheckpoint(join(createTemporaryFolder(), "step-1")));
    expect(thrown.code).toBe("not-found");
    expect(thrown.message).toContain("No checkpoint found at");
  });

  it("with tensors of another model, size or type, which the error names", () => {
    const says = (content: Checkpoint) => {
      const thrown = failure(() => readCheckpoint(written(content)));
      expect(thrown.code).toBe("invalid-input");
      expect(thrown.message).toContain("Use the configuration that belongs to these weights.");
      return thrown.message;
    };
    expect(says({ ...checkpoint, tensors: drawWeights(createTinyShape("gpt2")) })).toContain(
      "model.layers.0.self_attn.o_proj.weight is missing",
    );
    expect(says({ ...checkpoint, tensors: drawWeights(createTinyShape("phi3")) })).toContain(
      "model.layers.0.mlp.down_proj.weight_mask is missing",
    );
    expect(
      says({ ...checkpoint, tensors: drawWeights(createTinyShape("phi3", { vocab_size: 40 })) }),
    ).toContain("is [40, 16] instead of [32, 16]");
    const mask = "model.layers.0.mlp.down_proj.weight_mask";
    const { shape } = weights.get(mask)!;
    const floats = new Map([...weights, [mask, { shape, data: new Float32Array(16 * 24) }] as const]);
    expect(says({ ...checkpoint, tensors: floats })).toContain(`${mask} is float32 instead of bool`);
    const extra = new Map([...weights, ["stray", { shape: [1], data: Float32Array.of(1) }] as const]);
    expect(says({ ...checkpoint, tensors: extra })).toContain("stray is not part of the model");
  });
});

describe("what a killed process leaves behind", () => {
  const parentOf = (folder: string) => join(folder, "..");

  it("is skipped, and removed on request", () => {
    const folder = written();
    const draft = join(parentOf(folder), ".step-13.999.tmp");
    mkdirSync(draft);
    writeSafetensors(join(draft, "model.safetensors"), weights);
    expect(readCheckpoint(folder).training?.state.step).toBe(12);
    writeCheckpoint(join(parentOf(folder), "step-13"), checkpoint);
    recoverCheckpoints(parentOf(folder));
    expect(readdirSync(parentOf(folder)).sort()).toEqual(["step-12", "step-13"]);
  });

  it("is the old checkpoint if the new one was not in place yet", () => {
    const folder = written();
    renameSync(folder, join(parentOf(folder), ".step-12.replaced"));
    expect(readCheckpoint(folder).training?.state.step).toBe(12);
    expect(existsSync(folder)).toBe(false);
    recoverCheckpoints(parentOf(folder));
    expect(readdirSync(parentOf(folder))).toEqual(["step-12"]);
    expect(readCheckpoint(folder).training?.state.step).toBe(12);
  });

  it("is the new checkpoint if it was in place", () => {
    const folder = written();
    cpSync(folder, join(parentOf(folder), ".step-12.replaced"), { recursive: true });
    rmSync(join(parentOf(folder), ".step-12.replaced", "config.json"));
    recoverCheckpoints(parentOf(folder));
    expect(readdirSync(parentOf(folder))).toEqual(["step-12"]);
    expect(readCheckpoint(folder).training?.state.step).toBe(12);
  });

  it("is nothing where there has never been a checkpoint", () => {
    expect(() => recoverCheckpoints(join(createTemporaryFolder(), "checkpoints"))).not.toThrow();
  });

  it("is a whole checkpoint, whenever it is killed", async () => {
    const program = await writeChildProgram("test/backend/checkpoints/checkpointWriter.ts");
    const folder = join(createTemporaryFolder(), "checkpoints", "step-1");
    const pause = createUniform(17);
    let step = 0;
    let drafts = 0;
    for (let kill = 0; kill < 8; kill++) {
      const child = spawn(process.execPath, [program, folder, String(step)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const ended = once(child, "exit");
      await once(child.stdout, "data");
      await setTimeout(pause() * 200);
      child.kill("SIGKILL");
      await ended;
      drafts += readdirSync(parentOf(folder)).filter((name) => name.endsWith(".tmp")).length;
      // Read immediately, as another process would, and again as the run itself would when it resumes.
      const found = stepOf(readCheckpoint(folder));
      expect(typeof found === "number" && found >= step, String(found)).toBe(true);
      recoverCheckpoints(parentOf(folder));
      expect(readdirSync(parentOf(folder))).toEqual(["step-1"]);
      expect(stepOf(readCheckpoint(folder))).toBe(found);
      step = Number(found);
    }
    console.log(`8 kills within ${step} checkpoints; ${drafts} drafts were left half-written.`);
    expect(drafts).toBeGreaterThan(0);
    expect(stepOf(numberedCheckpoint(3))).toBe(3);
  });
});
