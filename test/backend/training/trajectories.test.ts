/** Ten losses of a training of each family, held against PyTorch and transformers (scripts/reference/trajectories.py). */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/onnxRuntime";
import { models } from "../../../src/backend/models/catalog";
import { parametersOf, shapeFromConfig } from "../../../src/backend/models/model";
import { referenceTensor } from "../../support/referenceModel";
import { trainOptions } from "../../support/tinyModels";
import { largestRatio, tinyData, trainTiny } from "../../support/tinyRun";

interface Trajectory {
  readonly config: Readonly<Record<string, unknown>>;
  readonly losses: number[];
  readonly norms: number[];
}
const path = new URL("../../fixtures/trajectories.json", import.meta.url);
const { bound, text, length, train, families } = JSON.parse(readFileSync(path, "utf8")) as {
  readonly bound: number;
  readonly text: string;
  readonly length: number;
  readonly train: Readonly<Record<string, unknown>>;
  readonly families: Readonly<Record<string, Trajectory | undefined>>;
};

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine("cpu", { threads: 1 });
});
afterAll(() => engine[Symbol.asyncDispose]());

it.for(Object.keys(models))("%s has PyTorch's ten losses and gradient norms", async (family, { skip }) => {
  const reference = families[family];
  if (reference === undefined) return skip(`trajectories.json has no ${family}`);
  const { config, losses, norms } = reference;
  const shape = shapeFromConfig(config);
  using data = await tinyData({
    rows: [{ text }],
    tokenizer: "bytes",
    sequence_len: length,
    val_fraction: 0,
  });
  const trained = await trainTiny({
    engine,
    shape,
    data,
    tensors: new Map(
      parametersOf(shape).map(({ name, shape: size }) => [
        name,
        { shape: size, data: referenceTensor(name, size, bound) },
      ]),
    ),
    // All sequences at once, so that the order in which they are drawn changes nothing.
    options: trainOptions({ ...train, per_device_train_batch_size: data.train.sequences }),
  });
  expect(largestRatio(trained.losses, losses)).toBeLessThan(1e-4);
  const found = trained.metrics["train/grad_norm"]!.map(([, norm]) => norm);
  expect(largestRatio(found, norms)).toBeLessThan(1e-3);
  // The learning has to be worth comparing: it moves every loss after the first step, whose rate is 0.
  expect(losses.at(-1)! / losses[0]!).toBeLessThan(0.8);
});
