/** A step without labels: training continues as if the step did not exist. */
import { describe, expect, it } from "vitest";
import { type Batch, IGNORED } from "../../../src/backend/data/split";
import { encodeTensors, type TinyTrainingResult } from "../../support/tinyRun";
import { useTinyTraining } from "../../support/tinyTraining";

const training = useTinyTraining();
const empty = "empty";
type Drawn = number | typeof empty;

/** Trains on the given batches of the data in order, one or several per step, instead of those of the sampler. */
function trainOn(
  drawn: readonly Drawn[],
  options: Readonly<Record<string, unknown>>,
  more: Parameters<typeof training.run>[1] = {},
): Promise<TinyTrainingResult> {
  const batches = [...training.data.train.batches(2)];
  let next = 0;
  const prepare = (batch: Batch): Batch => {
    const wanted = drawn[next++]!;
    return wanted === empty
      ? { ...batch, labels: new Int32Array(batch.labels.length).fill(IGNORED) }
      : batches[wanted]!;
  };
  const accumulation = Number(options["gradient_accumulation_steps"] ?? 1);
  const max_steps = (more.resume?.state.step ?? 0) + drawn.length / accumulation;
  return training.run(
    { per_device_train_batch_size: 2, weight_decay: 0.1, ...options, max_steps, save_steps: 1 },
    { prepare, ...more },
  );
}

/** Weights and optimizer state after each step. */
const statesOf = ({ saves }: TinyTrainingResult) =>
  saves.map(({ tensors, training: { optimizer } }) => ({
    ...encodeTensors(tensors),
    ...encodeTensors(optimizer),
  }));

describe.each([
  ["adamw", { optim: "adamw" }],
  ["sgd with momentum", { optim: "sgd", momentum: 0.9 }],
  ["adamw in two parts", { optim: "adamw", gradient_accumulation_steps: 2 }],
])("a step without a label, with %s", (_, options: Readonly<Record<string, unknown>>) => {
  const parts = options["gradient_accumulation_steps"] === 2 ? 2 : 1;
  const steps = (...wanted: Drawn[]) => wanted.flatMap((each) => Array.from({ length: parts }, () => each));

  it("changes neither weights nor moments, nor the step count of bias correction", async () => {
    const [first, skipped, last] = statesOf(await trainOn(steps(0, empty, 1), options));
    const [before, after] = statesOf(await trainOn(steps(0, 1), options));
    expect(skipped).toEqual(first);
    expect(first).toEqual(before);
    expect(last).not.toEqual(first);
    expect(last).toEqual(after);
  });

  it("as the first step leaves the optimizer in its initial state", async () => {
    const states = statesOf(await trainOn(steps(empty, empty, 0), options));
    expect(states.at(-1)).toEqual(statesOf(await trainOn(steps(0), options)).at(-1));
  });

  it("is preserved by a checkpoint", async () => {
    const { saves } = await trainOn(steps(0, empty), options);
    const { tensors, training: resume } = saves.at(-1)!;
    const resumed = await trainOn(steps(1), options, { tensors, resume });
    expect(statesOf(resumed).at(-1)).toEqual(statesOf(await trainOn(steps(0, 1), options)).at(-1));
  });

  it("consumes its sequences, counts as a step, and is logged", async () => {
    const { result, logs, metrics } = await trainOn(steps(0, empty, 1), options);
    const { result: full } = await trainOn(steps(0, 1, 1), options);
    expect(result.state.sampler).toEqual(full.state.sampler);
    expect(result.state.step).toBe(3);
    expect(result.state.tokens).toBe((full.state.tokens * 2) / 3);
    expect(metrics["train/loss"]!.map(([step]) => step)).toEqual([1, 3]);
    expect(logs).toContain("Step 2 has no labels, so it does not change the weights.");
  });
});

it("an evaluation without a label is skipped and logged", async () => {
  const { metrics, logs } = await training.run(
    { per_device_train_batch_size: 2, max_steps: 2, eval_steps: 1 },
    {
      validation: training.data.validation,
      prepare: (batch) => ({ ...batch, labels: new Int32Array(batch.labels.length).fill(IGNORED) }),
    },
  );
  expect(metrics).toEqual({});
  expect(logs.filter((line) => line.startsWith("Evaluation skipped"))).toHaveLength(3);
});
