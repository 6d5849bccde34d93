/**
 * Forward propagation pruning: exactly the planned number of zeros of either sign, which stay zero in training with any
 * optimizer.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DataSet } from "../../../src/backend/data/dataSet";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { countModel } from "../../../src/backend/models/accounting";
import fpp from "../../../src/backend/methods/fpp";
import magnitude from "../../../src/backend/methods/magnitude";
import { selectDrops } from "../../../src/backend/compression/pruning/signedDrops";
import type { MethodTraining } from "../../../src/backend/compression/training";
import { initialize } from "../../../src/backend/models/initialize";
import { createShape } from "../../../src/backend/models/model";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import { createLabWithText, plainLab } from "../../support/lab";
import { createUniform } from "../../support/sampleValues";
import {
  drawModelTensors,
  openGrammarData,
  createTemporaryFolder,
  createTinyShape,
} from "../../support/subject";

describe("the counts of the paper, from the shape of GPT-2 small", () => {
  const gpt2 = createShape({ model_type: "gpt2", vocab_size: 50257 });

  it("56,669,184 weights and biases of feed-forward layers become 17,000,748", () => {
    const options = fpp.options.parse({ sparsity: 0.7, targets: "layers.*.mlp.*", rounding: "kept" });
    const { before, after } = fpp.plan(gpt2, options);
    const stored = (counts: typeof after) =>
      counts.roles
        .filter(({ role }) => role.includes(".mlp."))
        .reduce((total, each) => total + each.stored, 0);
    expect([stored(before), stored(after)]).toEqual([56_669_184, 17_000_748]);
  });

  it("the token embedding loses 70 %", () => {
    const { before, after } = fpp.plan(gpt2, fpp.options.parse({ sparsity: 0.7, targets: "embed_tokens" }));
    expect(before.total.stored - after.total.stored).toBe(Math.floor(0.7 * 50257 * 768));
  });
});

describe("one pruning", () => {
  const draw = (size: number, seed: number) => {
    const next = createUniform(seed);
    return Float32Array.from({ length: size }, () => 2 * next() - 1);
  };
  const values = draw(1000, 3);
  const all = new Uint8Array(1000).fill(1);
  const positives = values.filter((each) => each >= 0).length;

  it.each([
    [0.05, 0.05],
    [0.2, 0.013],
    [0, 0.3],
  ])("prunes the ⌊%s·P⌋ and ⌊%s·N⌋ weights nearest to zero", (positive, negative) => {
    const dropped = selectDrops(values, all, { positive, negative, select: "smallest", most: Infinity });
    const [up, down] = [1, -1].map((sign) => dropped.filter((i) => values[i]! >= 0 === (sign === 1)));
    expect(up!.length).toBe(Math.floor(positive * positives));
    expect(down!.length).toBe(Math.floor(negative * (1000 - positives)));
    const gone = new Set(dropped);
    const farthest = (own: readonly number[]) => Math.max(0, ...own.map((i) => Math.abs(values[i]!)));
    values.forEach((each, i) => {
      if (!gone.has(i)) expect(Math.abs(each)).toBeGreaterThanOrEqual(farthest(each >= 0 ? up! : down!));
    });
  });

  it("prunes the farthest from zero on request, and no more than allowed", () => {
    const rule = { positive: 0.5, negative: 0.5, select: "largest", most: 10 } as const;
    const dropped = selectDrops(values, all, rule);
    expect(dropped.length).toBe(10);
    const smallest = Math.min(...dropped.map((i) => Math.abs(values[i]!)));
    expect(smallest).toBeGreaterThan(0.95);
  });
});

describe("a small model", () => {
  let engine: Engine;
  let data: DataSet;
  const folder = createTemporaryFolder();
  beforeAll(async () => {
    engine = await openEngine("cpu");
    data = await openGrammarData(folder.path, { val_fraction: 0.2 });
  });
  afterAll(async () => {
    data[Symbol.dispose]();
    await engine[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  const subject = (): Checkpoint => {
    const shape = createTinyShape("gpt2", { resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0 });
    return { shape, tensors: drawModelTensors(shape, 4) };
  };
  const up = "layers.0.mlp.up_proj";
  const name = "transformer.h.0.mlp.c_fc";
  const numbers = ({ tensors }: Checkpoint, which: string) => [...(tensors.get(which)!.data as Float32Array)];

  it("is pruned like by magnitude if both signs have equal rates and one step", async () => {
    const before = subject();
    // The weights of both signs mirror each other, so that equal shares give equal thresholds.
    const weight = before.tensors.get(`${name}.weight`)!;
    const half = weight.data.length / 2;
    const mirrored = Float32Array.from(weight.data, (each, i) =>
      i < half ? Math.abs(each) : -Math.abs(weight.data[i - half]!),
    );
    const tensors = new Map(before.tensors).set(`${name}.weight`, { shape: weight.shape, data: mirrored });
    const model = { shape: before.shape, tensors };
    const pruned = await fpp.apply(
      model,
      fpp.options.parse({ sparsity: 0.5, positive: 0.5, negative: 0.5, biases: false, targets: up }),
      plainLab,
    );
    const byMagnitude = await magnitude.apply(
      model,
      magnitude.options.parse({ sparsity: 0.5, targets: up }),
      plainLab,
    );
    expect(numbers(pruned, `${name}.weight`)).toEqual(numbers(byMagnitude, `${name}.weight`));
  });

  const optimizers = [
    { optim: "adamw", weight_decay: 0.1, learning_rate: 0.01 },
    { optim: "sgd", momentum: 0.9, weight_decay: 0.1, learning_rate: 0.1 },
    { optim: "adamw", weight_decay: 0.1, cumulative_loss: "ema-grad", learning_rate: 0.01 },
    { optim: "adamw", cumulative_loss: "two-batch", learning_rate: 0.01 },
  ];
  it.each(optimizers)("keeps its zeros through %j", async (more) => {
    const options = fpp.options.parse({
      sparsity: 0.6,
      positive: 0.3,
      negative: 0.3,
      targets: [up, "embed_tokens"],
      train: { max_steps: 3, per_device_train_batch_size: 2, ...more },
    });
    const before = subject();
    const lab = createLabWithText(engine, data);
    const after = await fpp.apply(before, options, lab);
    expect(lab.steps).toBeGreaterThan(6);
    for (const tensor of [`${name}.weight`, `${name}.bias`, "transformer.wte.weight"]) {
      const mask = after.tensors.get(`${tensor}_mask`)!.data;
      const values = numbers(after, tensor);
      expect(mask).toContain(0);
      values.forEach((each, i) => {
        if (mask[i] === 0) expect(each).toBe(0);
      });
      // The remaining weights have changed.
      expect(values.some((each, i) => mask[i] === 1 && each !== before.tensors.get(tensor)!.data[i])).toBe(
        true,
      );
    }
    expect(countModel(after.shape).total).toEqual(fpp.plan(before.shape, options).after.total);
  });

  it("reverts a pruning that costs too much, and reports it", async () => {
    const lines: string[] = [];
    const lab = createLabWithText(engine, data, { log: (line) => lines.push(line) });
    const { shape } = subject();
    // Only a trained model can get worse.
    const before = await lab.train({ shape, tensors: initialize(shape, 3) }, {
      max_steps: 150,
      learning_rate: 0.01,
    } as MethodTraining);
    const options = fpp.options.parse({
      sparsity: 0.95,
      positive: 0.5,
      negative: 0.5,
      targets: "embed_tokens",
      tolerance: 0.02,
    });
    const after = await fpp.apply(before, options, lab);
    expect(lines.join()).toContain("reverted it");
    const limit = (await lab.evaluate(before, "eval/loss")) + 0.02;
    expect(await lab.evaluate(after, "eval/loss")).toBeLessThanOrEqual(limit);
    expect(fpp.plan(before.shape, options).exact).toBe("least");
  });

  it("stops in the middle of its training when the run stops", async () => {
    let asked = 0;
    const lab = createLabWithText(engine, data, { verdict: async () => (++asked > 2 ? "stop" : "run") });
    const options = fpp.options.parse({ train: { max_steps: 50 } });
    await expect(fpp.apply(subject(), options, lab)).rejects.toMatchObject({ code: "cancelled" });
    expect(asked).toBe(3);
  });
});
