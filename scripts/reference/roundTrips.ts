/**
 * Reads models, measures them, prunes and rounds them, and writes them again, for roundTrips.py:
 * `tsx scripts/reference/roundTrips.ts FOLDER…`. Beside each FOLDER, FOLDER-after has the smaller model for transformers.
 * Prints as JSON for each of the two the loss on a text and the logits of tokens 7i modulo the vocabulary, [1, 12, vocabulary].
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Checkpoint } from "../../src/backend/checkpoints/checkpoint";
import { openData } from "../../src/backend/data/dataSet";
import { openEngine } from "../../src/backend/engine/open";
import { exportModel } from "../../src/backend/exports/exportModel";
import { evaluateGraph } from "../../src/backend/graph/evaluate";
import { constant } from "../../src/backend/graph/op";
import { importModel } from "../../src/backend/imports/importModel";
import { methods } from "../../src/backend/methods/catalog";
import {
  createValue,
  dimensionsOf,
  familyOf,
  forward,
  type ModelShape,
  parametersOf,
} from "../../src/backend/models/model";
import { createMethodLab } from "../../src/backend/runs/steps/methodLab";
import { dataSchema } from "../../src/schema/experiment";
import { createPairOptions } from "../methodPairs";

const length = 12;

function computeLogits({ shape, tensors }: Checkpoint): number[] {
  const { vocabulary } = dimensionsOf(shape);
  const ids = Int32Array.from({ length }, (_, i) => (7 * i) % vocabulary);
  const values = new Map(parametersOf(shape).map((spec) => [spec.name, createValue(spec)]));
  const logits = forward(shape, (name) => values.get(name)!, { tokens: constant(ids, [1, length]) });
  const weights = Object.fromEntries([...tensors].map(([name, { data }]) => [name, data as Float32Array]));
  return [...evaluateGraph({ outputs: { logits } }, weights)["logits"]!];
}

/** The loss of an encoder is that of hidden tokens. The text does not have the last token of the vocabulary. */
function addMaskToken(shape: ModelShape): ModelShape {
  if (familyOf(shape.family).mask === "causal") return shape;
  return { ...shape, config: { ...shape.config, mask_token_id: dimensionsOf(shape).vocabulary - 1 } };
}

const work = mkdtempSync(join(tmpdir(), "lathe-round-trips-"));
const engine = await openEngine("cpu");
try {
  const text = { grammar: { symbols: 12, length: 600 }, tokenizer: "characters", sequence_len: 8 };
  using data = await openData(dataSchema.parse(text), { baseFolder: work, cacheFolder: work });
  const nothing = () => undefined;
  const lab = createMethodLab({
    engine,
    data: { ...data, title: "grammar" },
    tokenizer: data.tokenizer,
    seed: 1,
    signal: new AbortController().signal,
    progress: nothing,
    log: nothing,
    metrics: nothing,
    trial: nothing,
    verdict: () => Promise.resolve("run"),
  });
  const measure = async (model: Checkpoint) => ({
    loss: await lab.evaluate(model, "eval/loss"),
    logits: computeLogits(model),
  });
  const found: Record<string, unknown> = {};
  for (const folder of process.argv.slice(2)) {
    const { shape, tensors } = await importModel(folder);
    let model: Checkpoint = { shape: addMaskToken(shape), tensors };
    const before = await measure(model);
    for (const name of ["wanda", "rtn"])
      model = await methods[name]!.apply(model, createPairOptions(methods[name]!), lab);
    const after = await measure(model);
    await exportModel(model, { format: "safetensors" }, `${folder}-after`);
    found[folder] = { before, after };
  }
  console.log(JSON.stringify(found));
} finally {
  await engine[Symbol.asyncDispose]();
  rmSync(work, { recursive: true, force: true });
}
