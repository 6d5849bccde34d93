/** Models learn what can be learned, but no more. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { testDevice } from "../../support/device";
import { createShape } from "../../../src/backend/models/model";
import { createTinyShape, createTrainOptions } from "../../support/tinyModels";
import { openTinyData, trainTiny } from "../../support/tinyRun";

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine(testDevice, { threads: 1 });
});
afterAll(() => engine[Symbol.asyncDispose]());

describe("on text with a known entropy rate", () => {
  it.each(["gpt2", "kphi3", "llama"] as const)("%s gets close to it, but not below it", async (name) => {
    using data = await openTinyData({
      grammar: { length: 120_000, symbols: 16, branching: 4, order: 1, seed: 1 },
      sequence_len: 16,
      val_fraction: 0.2,
    });
    const shape = createTinyShape(name, {
      layers: 2,
      vocab_size: data.tokenizer.vocabSize,
      ...(name === "gpt2" ? { n_embd: 32 } : { hidden_size: 32, intermediate_size: 64 }),
    });
    const options = createTrainOptions({
      max_steps: 400,
      per_device_train_batch_size: 16,
      learning_rate: 0.004,
      lr_scheduler_type: "cosine",
      warmup_steps: 10,
      logging_steps: 50,
      eval_tokens: 20_480,
    });
    const started = performance.now();
    const { metrics } = await trainTiny({ engine, shape, data, options, validation: data.validation });
    const [, loss] = metrics["eval/loss"]!.at(-1)!;
    const floor = data.floor!;
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`${name}: ${loss.toFixed(4)} nats a token, entropy rate ${floor.toFixed(4)}, ${seconds} s`);
    // 20,480 tokens: their mean deviates by less than 0.02 from that of all texts.
    expect(loss).toBeGreaterThan(floor - 0.02);
    expect(loss).toBeLessThan(floor + 0.03);
  });
});

it("a kphi3 of 47,424 grouped parameters memorizes a text of 100 tokens", async () => {
  const text =
    "Shrinking a model is easy; keeping what it knows is not. So it has to learn these very bytes by heart!";
  using data = await openTinyData({
    rows: [{ text }],
    tokenizer: "bytes",
    sequence_len: 100,
    val_fraction: 0,
  });
  expect(data.train.sequences).toBe(1);
  const shape = createShape({
    model_type: "kphi3",
    num_hidden_layers: 2,
    hidden_size: 64,
    intermediate_size: 192,
    min_channels_per_group: 16,
    num_attention_heads: 4,
    vocab_size: data.tokenizer.vocabSize,
    max_position_embeddings: 128,
  });
  const options = createTrainOptions({
    max_steps: 150,
    per_device_train_batch_size: 1,
    learning_rate: 0.01,
    lr_scheduler_type: "cosine",
    warmup_steps: 5,
  });
  const { losses } = await trainTiny({ engine, shape, data, options });
  console.log(`kphi3: ${losses[0]!.toFixed(3)} → ${losses.at(-1)!.toFixed(4)} nats a byte`);
  expect(losses[0]).toBeGreaterThan(5);
  expect(losses.at(-1)).toBeLessThan(0.05);
});
