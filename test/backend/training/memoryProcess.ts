/**
 * A process that takes a training step of a deep, narrow model and reports its peak size: `node … LENGTH ROWS OPTIONS`.
 */
import { openEngine } from "../../../src/backend/engine/open";
import { createTinyShape, createTrainOptions } from "../../support/tinyModels";
import { openNoiseData, trainTiny } from "../../support/tinyRun";

async function main(): Promise<void> {
  const [length, rows] = [Number(process.argv[2]), Number(process.argv[3])];
  const engine = await openEngine("cpu", { threads: 2 });
  const data = await openNoiseData(16_000, length);
  const shape = createTinyShape("llama", {
    layers: 12,
    hidden_size: 64,
    intermediate_size: 192,
    max_position_embeddings: length,
    attention_dropout: 0.1,
  });
  const options = createTrainOptions({
    max_steps: 1,
    per_device_train_batch_size: rows,
    ...(JSON.parse(process.argv[4]!) as Readonly<Record<string, unknown>>),
  });
  const { losses } = await trainTiny({ engine, shape, data, options });
  await engine[Symbol.asyncDispose]();
  process.stdout.write(JSON.stringify({ bytes: process.resourceUsage().maxRSS * 1024, losses }));
}

void main();
