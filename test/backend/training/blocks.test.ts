/** Training in blocks: when the optimizer restarts, what is evaluated, and that resuming gives the same training. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DataSet } from "../../../src/backend/data/dataSet";
import { type Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { readCheckpoint, writeCheckpoint } from "../../../src/backend/checkpoints/checkpoint";
import type { HostTensor, HostTensors } from "../../../src/backend/checkpoints/safetensors";
import { recipes } from "../../../src/schema/recipe";
import { createTinyShape, createTrainOptions } from "../../support/tinyModels";
import { createTemporaryFolder } from "../../support/temporary";
import { encodeTensors, openTinyData, type TinyTraining, trainTiny } from "../../support/tinyRun";

const letters = "abcdefghijklmnopqrstuvwxyz";
const pairs = Array.from({ length: 60 }, (_, i) => ({
  instruction: letters.slice(i % 9, 12 + (i % 14)),
  response: letters.slice(i % 5, 8 + (i % 11)),
}));
const short = { template: "{instruction}.{response}", sequence_len: 16, val_set_size: 12 };
const shape = createTinyShape("phi3");

let engine: Engine;
let published: DataSet;
let fixed: DataSet;
beforeAll(async () => {
  engine = await openEngine("cpu", { threads: 1 });
  published = await openTinyData({ ...recipes.paper.data, ...short, rows: pairs, characters_per_token: 3 });
  fixed = await openTinyData({ ...recipes.fixed.data, ...short, rows: pairs });
});
afterAll(async () => {
  published[Symbol.dispose]();
  fixed[Symbol.dispose]();
  await engine[Symbol.asyncDispose]();
});

function run(
  recipe: "paper" | "fixed",
  options: Readonly<Record<string, unknown>> = {},
  more: Partial<TinyTraining> = {},
) {
  const data = recipe === "paper" ? published : fixed;
  const given = { ...recipes[recipe].train, learning_rate: 0.01, block_rows: 20, max_steps: 20, ...options };
  const request = { engine, shape, data, validation: data.validation, options: createTrainOptions(given) };
  return trainTiny({ ...request, ...more });
}

/** Steps at which each block except the last ended, from the log lines of the block starts. */
function bordersOf(logs: readonly string[]): number[] {
  const steps = logs.flatMap((line) => /^Block .*, (\d+) steps/.exec(line)?.[1] ?? []).map(Number);
  return steps.slice(0, -1).map((_, i) => steps.slice(0, i + 1).reduce((sum, each) => sum + each));
}

const spoilt = (slots: HostTensors): HostTensors =>
  new Map(
    [...slots].map(([name, { shape: size, data }]): [string, HostTensor] => [
      name,
      { shape: size, data: (data as Float32Array).map(() => 5) },
    ]),
  );

describe("a restarted optimizer", () => {
  it("has no memory: the previous moments make no difference after the block boundary", async () => {
    const whole = await run("paper");
    const [border] = bordersOf(whole.logs);
    expect(border).toBeGreaterThan(1);
    const before = (await run("paper", {}, { stopAt: border! })).saves.at(-1)!;
    expect(before.training.state.step).toBe(border);
    const resume = { ...before.training, optimizer: spoilt(before.training.optimizer) };
    const resumed = await run("paper", {}, { tensors: before.tensors, resume });
    expect(encodeTensors(resumed.result.tensors)).toEqual(encodeTensors(whole.result.tensors));
    // Without a restart, the same moments do make a difference.
    const kept = await run("paper", { restart_optimizer: false }, { tensors: before.tensors, resume });
    expect(encodeTensors(kept.result.tensors)).not.toEqual(encodeTensors(whole.result.tensors));
    expect(whole.logs.filter((line) => line.includes("optimizer is reset")).length).toBe(
      bordersOf(whole.logs).length,
    );
  });

  it("takes the first step of a block like its very first: by the learning rate, whatever the gradient", async () => {
    const [border] = bordersOf((await run("paper")).logs);
    const options = { adam_epsilon: 1e-30, save_steps: 1, save_total_limit: 99, max_steps: border! + 2 };
    const { saves } = await run("paper", options, { validation: undefined });
    const largest = (step: number): number => {
      const [from, to] = [step - 1, step].map(
        (each) => saves.find(({ training }) => training.state.step === each)!.tensors,
      );
      const moved = [...to!].flatMap(([name, { data }]) =>
        [...(data as Float32Array)].map((each, i) => Math.abs(each - Number(from!.get(name)!.data[i]))),
      );
      return Math.max(...moved);
    };
    // m̂/√v̂ of a single gradient is ±1; later steps mix gradients and stay below.
    expect(largest(border! + 1)).toBeCloseTo(0.01, 6);
    expect(Math.abs(largest(border!) - 0.01)).toBeGreaterThan(1e-5);
  });
});

describe("the validation split", () => {
  it("is evaluated after each block and at the end", async () => {
    const { metrics, logs } = await run("paper");
    expect(metrics["eval/loss"]!.map(([step]) => step)).toEqual([...bordersOf(logs), 20]);
    const blocks = await run("fixed", { block_rows: 8 });
    expect(blocks.metrics["eval/loss"]!.map(([step]) => step)).toEqual([...bordersOf(blocks.logs), 20]);
    expect(blocks.logs[0]).toMatch(/^Block 1: 8 documents in \d+ sequences, \d+ steps\.$/);
  });
});

describe("a resumed training", () => {
  const cases = [
    ["paper", {}],
    ["paper", { per_device_train_batch_size: 2, gradient_accumulation_steps: 2 }],
    ["fixed", { block_rows: 8 }],
    ["fixed", { max_steps: undefined, num_train_epochs: 1.2, restart_optimizer: true, data_seed: 11 }],
  ] as const;

  it.each(cases)(
    "equals the uninterrupted one: %s with %j, stopped in a block and at its boundary",
    async (recipe, more) => {
      const whole = await run(recipe, more);
      const borders = bordersOf(whole.logs);
      const steps = whole.result.state.step;
      expect(borders.length).toBeGreaterThan(0);
      const [border] = borders;
      for (const stops of [[border! - 1], [border!], [border! + 1, steps - 1]]) {
        let last = await run(recipe, more, { stopAt: stops[0]! });
        let losses = [...last.losses];
        const folder = join(createTemporaryFolder(), "step");
        for (const stopAt of [...stops.slice(1), undefined]) {
          expect(last.result.outcome).toBe("stopped");
          const { tensors, training } = last.saves.at(-1)!;
          writeCheckpoint(folder, { shape, tensors, training });
          const checkpoint = readCheckpoint(folder);
          const resumed = { tensors: checkpoint.tensors, resume: checkpoint.training };
          last = await run(recipe, more, { ...resumed, ...(stopAt === undefined ? {} : { stopAt }) });
          losses = [...losses, ...last.losses];
        }
        expect(losses, stops.join()).toEqual(whole.losses);
        expect(encodeTensors(last.result.tensors)).toEqual(encodeTensors(whole.result.tensors));
        const [got, wanted] = [last.saves.at(-1)!.training, whole.saves.at(-1)!.training];
        expect(encodeTensors(got.optimizer)).toEqual(encodeTensors(wanted.optimizer));
        expect({ ...got.state, seconds: 0 }).toEqual({ ...wanted.state, seconds: 0 });
      }
    },
  );

  it("is refused if its checkpoint does not contain its position", async () => {
    const { tensors, training } = (await run("paper", {}, { stopAt: 2 })).saves.at(-1)!;
    const state = { ...training.state, sampler: { seed: 7, epoch: 0, position: 2, sequences: 9 } };
    const resumed = run("paper", {}, { tensors, resume: { ...training, state } });
    await expect(resumed).rejects.toThrow("has no valid position in the training data");
  });
});

it("draws depend on data_seed, or on seed if there is none", async () => {
  const first = await run("paper", { max_steps: 6 });
  expect((await run("paper", { max_steps: 6, data_seed: 7 })).losses).toEqual(first.losses);
  expect((await run("paper", { max_steps: 6, data_seed: 8 })).losses).not.toEqual(first.losses);
  expect((await run("paper", { max_steps: 6, data_seed: 7 }, { seed: 99 })).losses).toEqual(first.losses);
});
