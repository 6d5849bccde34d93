import { describe, expect, it } from "vitest";
import { countSteps } from "../../../src/backend/training/request";
import { computeRelativeError, createUniform } from "../../support/sampleValues";
import { createTinyShape, createTrainOptions, drawWeights } from "../../support/tinyModels";
import {
  encodeTensors,
  computeLargestRatio,
  openNoiseData,
  openTinyData,
  type TinyTraining,
  type TinyTrainingResult,
} from "../../support/tinyRun";
import { useTinyTraining } from "../../support/tinyTraining";

const training = useTinyTraining();
const { run, shape } = training;

describe("steps", () => {
  it("equal max_steps, or else the steps of the epochs, rounded up", () => {
    const steps = (options: Readonly<Record<string, unknown>>) =>
      countSteps(createTrainOptions(options), 100);
    expect(steps({ max_steps: 7, num_train_epochs: 50 })).toBe(7);
    expect(steps({ num_train_epochs: 3 })).toBe(38);
    expect(steps({ num_train_epochs: 1, micro_batch_size: 10, gradient_accumulation_steps: 2 })).toBe(5);
    expect(steps({ num_train_epochs: 0.001 })).toBe(1);
  });

  it("report loss, gradient norm, rate and speed every logging_steps and at the end", async () => {
    const { metrics, result } = await run({ max_steps: 7, logging_steps: 3 });
    for (const name of ["train/loss", "train/grad_norm", "train/learning_rate", "train/tokens_per_second"])
      expect(
        metrics[name]!.map(([step]) => step),
        name,
      ).toEqual([3, 6, 7]);
    expect(result.outcome).toBe("done");
    expect(result.lastLoss).toBe(metrics["train/loss"]!.at(-1)![1]);
    expect(result.state).toMatchObject({ step: 7, tokens: 7 * 8 * 16, action: 0 });
  });

  it("lower the loss, and give the same numbers for the same seed, and different ones for another", async () => {
    const [first, again, other] = [
      await run({ max_steps: 20 }),
      await run({ max_steps: 20 }),
      await run({ max_steps: 20 }, { seed: 8 }),
    ];
    expect(first.losses.at(-1)).toBeLessThan(first.losses[0]! - 0.2);
    expect(again.losses).toEqual(first.losses);
    expect(encodeTensors(again.result.tensors)).toEqual(encodeTensors(first.result.tensors));
    expect(other.losses).not.toEqual(first.losses);
  });

  it("leave the caller's tensors unchanged", async () => {
    const tensors = drawWeights(shape);
    const before = encodeTensors(tensors);
    await run({ max_steps: 3 }, { tensors });
    expect(encodeTensors(tensors)).toEqual(before);
  });
});

describe("gradient accumulation", () => {
  const eight = { per_device_train_batch_size: 8, max_steps: 6, adam_epsilon: 1e-4 };
  const fourByTwo = { ...eight, per_device_train_batch_size: 2, gradient_accumulation_steps: 4 };

  async function expectEqual(more: Partial<TinyTraining>, options: Readonly<Record<string, unknown>>) {
    const whole = await run({ ...eight, ...options }, more);
    const parts = await run({ ...fourByTwo, ...options }, more);
    expect(computeLargestRatio(parts.losses, whole.losses)).toBeLessThan(1e-5);
    const norms = ({ metrics }: TinyTrainingResult) => metrics["train/grad_norm"]!.map(([, norm]) => norm);
    expect(computeLargestRatio(norms(parts), norms(whole))).toBeLessThan(1e-4);
    for (const [name, { data: wanted }] of whole.result.tensors)
      expect(computeRelativeError(parts.result.tensors.get(name)!.data, wanted), name).toBeLessThan(1e-4);
    expect(parts.result.state.tokens).toBe(whole.result.state.tokens);
    return whole;
  }

  it.each(["adamw", "sgd"])("of 4 × 2 sequences equals a batch of 8, with %s", (optim) =>
    expectEqual({}, { optim, weight_decay: 0.1 }).then(() => undefined),
  );

  it("weights every label equally, even if the micro-batches have different numbers of labels", async () => {
    const random = createUniform(4);
    const rows = Array.from({ length: 60 }, () => ({
      text: "abcdefgh".repeat(8).slice(0, 3 + Math.floor(random() * 40)),
    }));
    const uneven = await openTinyData({ rows, packing: false, sequence_len: 16, val_fraction: 0 });
    const { result } = await expectEqual({ data: uneven }, {});
    expect(result.state.tokens).toBeLessThan(6 * 8 * 16 * 0.9);
    uneven[Symbol.dispose]();
  });
});

describe("evaluation", () => {
  const watched = { max_steps: 12, eval_steps: 5, eval_tokens: 256 };

  it("runs before the first step, every eval_steps, and at the end", async () => {
    const { metrics } = await run(watched, { validation: training.data.validation });
    expect(metrics["eval/loss"]!.map(([step]) => step)).toEqual([0, 5, 10, 12]);
    const values = metrics["eval/loss"]!.map(([, loss]) => loss);
    expect(values[0]).toBeCloseTo(Math.log(32), 1);
    expect(values.at(-1)).toBeLessThan(values[0]!);
  });

  it("reads the same text for any training batch, and as much of it as eval_tokens specifies", async () => {
    const { validation } = training.data;
    const lossAt = async (rows: number, options: Readonly<Record<string, unknown>> = {}) => {
      const still = { max_steps: 1, learning_rate: 0, per_device_train_batch_size: rows, ...options };
      const { metrics } = await run(still, { validation });
      return metrics["eval/loss"]!.at(-1)![1];
    };
    const whole = await lossAt(1);
    for (const rows of [3, 4, 16]) expect(await lossAt(rows)).toBeCloseTo(whole, 6);
    expect(await lossAt(4, { eval_tokens: 0 })).toBeCloseTo(whole, 6);
    // 10 sequences of 16 tokens, rounded up; then 8 of them with the older option.
    const part = await lossAt(1, { eval_tokens: 150 });
    expect(part).not.toBeCloseTo(whole, 6);
    for (const rows of [3, 16]) expect(await lossAt(rows, { eval_tokens: 150 })).toBeCloseTo(part, 6);
    const older = await lossAt(1, { eval_batches: 1 });
    expect(await lossAt(16, { eval_batches: 1 })).toBeCloseTo(older, 6);
    expect(await lossAt(5, { eval_tokens: 128 })).toBeCloseTo(older, 6);
  });

  it("runs only at the end without eval_steps, and before the first step only on request", async () => {
    const once = await run({ max_steps: 4 }, { validation: training.data.validation });
    expect(once.metrics["eval/loss"]!.map(([step]) => step)).toEqual([4]);
    const later = await run(watched, { validation: training.data.validation, evaluateFirst: false });
    expect(later.metrics["eval/loss"]!.map(([step]) => step)).toEqual([5, 10, 12]);
  });

  it("does not run without a validation split, and does not change the training", async () => {
    const blind = await run(watched);
    const seeing = await run(watched, { validation: training.data.validation });
    expect(blind.metrics["eval/loss"]).toBeUndefined();
    expect(seeing.losses).toEqual(blind.losses);
  });

  it("uses no dropout: two evaluations of the same weights agree", async () => {
    const dropping = createTinyShape("gpt2", { embd_pdrop: 0.5, resid_pdrop: 0.5, attn_pdrop: 0.5 });
    const still = { ...watched, learning_rate: 0, weight_decay: 0 };
    const { metrics, losses } = await run(still, { shape: dropping, validation: training.data.validation });
    expect(new Set(metrics["eval/loss"]!.map(([, loss]) => loss)).size).toBe(1);
    expect(new Set(losses).size).toBe(losses.length);
  });
});

describe("checkpoints", () => {
  it("are saved every save_steps, at the end, and whenever the validation loss is the lowest", async () => {
    const options = { max_steps: 11, eval_steps: 2, eval_tokens: 256, save_steps: 4, learning_rate: 0.3 };
    const { saves, metrics, result } = await run(options, { validation: training.data.validation });
    let lowest = Infinity;
    const best = metrics["eval/loss"]!.flatMap(([step, loss]) => {
      if (step === 0 || loss >= lowest) return [];
      lowest = loss;
      return [step];
    });
    expect(saves.filter((each) => each.best).map(({ training }) => training.state.step)).toEqual(best);
    const wanted = [...new Set([4, 8, 11, ...best])].sort((a, b) => a - b);
    expect(saves.map(({ training }) => training.state.step)).toEqual(wanted);
    expect(best.length).toBeLessThan(5); // At this rate, the loss also rises.
    expect(result.state.best).toEqual({ step: best.at(-1), loss: lowest });
    const atBest = saves.findLast((each) => each.best)!;
    expect(atBest.training.state.best).toEqual(result.state.best);
    expect(encodeTensors(saves.at(-1)!.tensors)).toEqual(encodeTensors(result.tensors));
  });

  it("are written on request between steps, and before a stop", async () => {
    const { saves, result } = await run({ max_steps: 9 }, { stopAt: 5 });
    expect(result.outcome).toBe("stopped");
    expect(saves.map(({ training }) => training.state.step)).toEqual([5]);
    expect(result.state.step).toBe(5);
  });

  it("of another optimizer or model cannot be resumed", async () => {
    const { saves } = await run({ max_steps: 2, optim: "sgd" });
    const { tensors, training } = saves.at(-1)!;
    const resumed = (options: Readonly<Record<string, unknown>>, more: Partial<TinyTraining>) =>
      run({ max_steps: 3, ...options }, { tensors, resume: training, ...more });
    await expect(resumed({ optim: "adamw" }, {})).rejects.toMatchObject({ code: "invalid-input" });
    await expect(resumed({ optim: "adamw" }, {})).rejects.toThrow("an optimizer other than adamw");
    const wider = createTinyShape("phi3", { intermediate_size: 32 });
    await expect(resumed({ optim: "sgd" }, { shape: wider })).rejects.toMatchObject({
      code: "invalid-input",
    });
    const mixed = { shape: wider, tensors: drawWeights(wider) };
    await expect(resumed({ optim: "sgd" }, mixed)).rejects.toMatchObject({ code: "invalid-input" });
    const lost = { ...training, state: { ...training.state, sampler: { seed: 1 } } };
    await expect(resumed({ optim: "sgd" }, { resume: lost })).rejects.toMatchObject({ code: "corrupt" });
    const less = await openNoiseData(2000);
    await expect(resumed({ optim: "sgd" }, { data: less })).rejects.toThrow("Resume with the data");
    less[Symbol.dispose]();
  });
});
