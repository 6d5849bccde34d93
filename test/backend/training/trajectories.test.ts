/** Compares ten training losses of each family with PyTorch and transformers (scripts/reference/trajectories.py). */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { testDevice } from "../../support/device";
import { matchToModel } from "../../../src/backend/data/labels";
import { models } from "../../../src/backend/models/catalog";
import { getHead } from "../../../src/backend/models/classifier";
import { parametersOf, createShape } from "../../../src/backend/models/model";
import { createPrepare } from "../../../src/backend/training/objective";
import { createModelTensor } from "../../support/referenceModel";
import { createTrainOptions } from "../../support/tinyModels";
import { computeLargestRatio, openTinyData, trainTiny } from "../../support/tinyRun";

interface Trajectory {
  readonly config: Readonly<Record<string, unknown>>;
  readonly losses: number[];
  readonly norms: number[];
}
const path = new URL("../../fixtures/trajectories.json", import.meta.url);
const { bound, text, rows, length, train, families } = JSON.parse(readFileSync(path, "utf8")) as {
  readonly bound: number;
  readonly text: string;
  /** For families that classify. */
  readonly rows: readonly { readonly text: string; readonly label: string }[];
  readonly length: number;
  readonly train: Readonly<Record<string, unknown>>;
  readonly families: Readonly<Record<string, Trajectory | undefined>>;
};

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine(testDevice, { threads: 1 });
});
afterAll(() => engine[Symbol.asyncDispose]());

it.for(Object.keys(models))("%s has PyTorch's ten losses and gradient norms", async (family) => {
  const reference = families[family];
  if (reference === undefined)
    throw new Error(`Add ${family} to scripts/reference/trajectories.py and run it.`);
  const { config, losses, norms } = reference;
  const shape = createShape(config);
  const classifies = getHead(shape.config) !== undefined;
  using data = await openTinyData({
    ...(classifies ? { rows, text_column: "text", label_column: "label" } : { rows: [{ text }] }),
    tokenizer: "bytes",
    sequence_len: length,
    val_fraction: 0,
  });
  const trained = await trainTiny({
    engine,
    shape,
    data,
    train: matchToModel(data, getHead(shape.config)).train,
    prepare: createPrepare(shape, data.tokenizer),
    tensors: new Map(
      parametersOf(shape).map(({ name, shape: size }) => [
        name,
        { shape: size, data: createModelTensor(shape, name, size, bound) },
      ]),
    ),
    // All sequences in one batch, so that their order does not matter.
    options: createTrainOptions({ ...train, per_device_train_batch_size: data.train.sequences }),
  });
  expect(computeLargestRatio(trained.losses, losses)).toBeLessThan(1e-4);
  const found = trained.metrics["train/grad_norm"]!.map(([, norm]) => norm);
  expect(computeLargestRatio(found, norms)).toBeLessThan(1e-3);
  // The comparison must be meaningful: learning changes every loss after the first step, whose rate is 0.
  expect(losses.at(-1)! / losses[0]!).toBeLessThan(0.8);
});
