/** Strategies apply any method repeatedly: at a rising rate while the model stays acceptable, or part by part. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DataSet } from "../../../src/backend/data/dataSet";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { testDevice } from "../../support/device";
import { countModel } from "../../../src/backend/models/accounting";
import { methods } from "../../../src/backend/methods/catalog";
import type { Trial } from "../../../src/backend/compression/method";
import type { MethodTraining } from "../../../src/backend/compression/training";
import { initialize } from "../../../src/backend/models/initialize";
import { createShape } from "../../../src/backend/models/model";
import { strategies } from "../../../src/backend/strategies/catalog";
import recursive from "../../../src/backend/strategies/recursive";
import sequential from "../../../src/backend/strategies/sequential";
import { type Checkpoint, checkTensors } from "../../../src/backend/checkpoints/checkpoint";
import { createLabWithText } from "../../support/lab";
import {
  drawModelTensors,
  openGrammarData,
  createTemporaryFolder,
  createTinyShape,
} from "../../support/subject";

let engine: Engine;
let data: DataSet;
const folder = createTemporaryFolder();
beforeAll(async () => {
  engine = await openEngine(testDevice);
  data = await openGrammarData(folder.path, { val_fraction: 0.2 });
});
afterAll(async () => {
  data[Symbol.dispose]();
  await engine[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const quiet = { resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0 };
const drawn = (changes: Readonly<Record<string, unknown>> = {}): Checkpoint => {
  const shape = createTinyShape("gpt2", { ...quiet, ...changes });
  return { shape, tensors: drawModelTensors(shape, 4) };
};
const learned = (): Promise<Checkpoint> => {
  const shape = createTinyShape("gpt2", quiet);
  const training = { max_steps: 150, learning_rate: 0.01 } as MethodTraining;
  return createLabWithText(engine, data).train({ shape, tensors: initialize(shape, 3) }, training);
};

describe.each(Object.entries(strategies))("%s", (_, strategy) => {
  it.each(strategy.samples)("does what it planned with %j", async (sample) => {
    const options = strategy.options.parse(sample) as unknown;
    const before = drawn();
    const plan = strategy.plan(before.shape, options);
    const after = await strategy.apply(before, options, createLabWithText(engine, data));
    checkTensors("the result", after.shape, after.tensors);
    const stored = countModel(after.shape).total.stored;
    if (plan.exact === "least") expect(stored).toBeGreaterThanOrEqual(plan.after.total.stored);
    else expect(stored).toBe(plan.after.total.stored);
  });
});

describe("recursive", () => {
  const withRate = Object.entries(methods).filter(
    // SliceGPT refuses a GPT-2.
    ([name, { rate }]) => rate !== undefined && name !== "slicegpt",
  );
  /** The heads of a GPT-2 are removed with its width. */
  const needed: Readonly<Record<string, object>> = { minitron: { parts: ["channels"] } };
  it.each(withRate)("tries rates of %s", async (name, method) => {
    const trials: Trial[] = [];
    const lab = createLabWithText(engine, data, { trial: (trial) => trials.push(trial) });
    const options = recursive.options.parse({
      method: { [name]: needed[name] ?? {} },
      start: 0.25,
      step: 0.25,
      until: 0.75,
      stop: "never",
    });
    // GraphHash refuses a head that is the embedding.
    await recursive.apply(drawn({ tie_word_embeddings: name !== "graphhash" }), options, lab);
    expect(trials.map(({ rate }) => rate)).toEqual(method.levels ?? [0.25, 0.5, 0.75]);
    const sizes = trials.map(({ shape }) => countModel(shape).total.stored);
    expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
  });

  it("refuses a method that removes nothing", async () => {
    const options = recursive.options.parse({ method: { quarot: {} } });
    expect(() => recursive.plan(drawn().shape, options)).toThrow(/quarot has none: it removes nothing/);
    const lab = createLabWithText(engine, data);
    await expect(recursive.apply(drawn(), options, lab)).rejects.toThrow(/quarot has none/);
  });

  it("keeps the last acceptable model, reverts the first one that is not, and stops there", async () => {
    const trials: Trial[] = [];
    const lab = createLabWithText(engine, data, { trial: (trial) => trials.push(trial) });
    const before = await learned();
    const options = recursive.options.parse({
      method: { magnitude: { targets: ["embed_tokens", "layers.*"] } },
      start: 0.1,
      step: 0.1,
      tolerance: 0.05,
      train: { max_steps: 5, learning_rate: 1e-3 },
    });
    const after = await recursive.apply(before, options, lab);
    const accepted = trials.filter((trial) => trial.accepted);
    expect(accepted.length).toBeGreaterThan(0);
    expect(trials.length).toBe(accepted.length + 1);
    expect(trials.at(-1)!.accepted).toBe(false);
    const limit = (await lab.evaluate(before, "eval/loss")) + 0.05;
    for (const { value, accepted: holds } of trials) expect(value <= limit).toBe(holds);
    expect(countModel(after.shape)).toEqual(countModel(accepted.at(-1)!.shape));
    expect(await lab.evaluate(after, "eval/loss")).toBe(accepted.at(-1)!.value);
  });

  const prune = { method: { magnitude: {} }, start: 0.2, step: 0.2, until: 0.8, stop: "never" };

  it("continues from the trained result of the rate before, which learns more than restarts", async () => {
    const before = await learned();
    const trials = async (given: object) => {
      const all: Trial[] = [];
      const lab = createLabWithText(engine, data, { trial: (trial) => all.push(trial) });
      const train = { max_steps: 10, learning_rate: 3e-3 };
      await recursive.apply(before, recursive.options.parse({ ...prune, train, ...given }), lab);
      return all;
    };
    const [continued, restarted] = [await trials({}), await trials({ from: "original" })];
    expect(continued.map(({ from }) => from)).toEqual(["original", "previous", "previous", "previous"]);
    expect(restarted.map(({ from }) => from)).toEqual(["original", "original", "original", "original"]);
    expect(continued[0]!.value).toBe(restarted[0]!.value);
    expect(continued.at(-1)!.value).toBeLessThan(restarted.at(-1)!.value);
    const sizes = (all: readonly Trial[]) => all.map(({ shape }) => countModel(shape).total);
    expect(sizes(continued)).toEqual(sizes(restarted));
  });

  const ownResults = {
    magnitude: [{}, "previous"],
    svd: [{}, "previous"],
    rtn: [{}, "previous"],
    irc: [{ donor: "mean" }, "previous"],
    dwc: [{}, "previous"],
    llmpruner: [{ calibration: { samples: 2, batch_size: 2 } }, "previous"],
    layerdrop: [{}, "original"],
  } as const;
  const deep = { n_layer: 8 };
  it.each(Object.entries(ownResults))("applies %s with %j to its result", async (name, [given, from]) => {
    const all: Trial[] = [];
    const lab = createLabWithText(engine, data, { trial: (trial) => all.push(trial) });
    const rates = { start: 0.25, step: 0.25, until: 0.5, stop: "never" };
    const before = drawn(name === "layerdrop" ? deep : {});
    await recursive.apply(before, recursive.options.parse({ method: { [name]: given }, ...rates }), lab);
    expect(all[1]!.from).toBe(from);
    const { shape } = all[1]!;
    const method = methods[name]!;
    const rate = method.levels?.[1] ?? 0.5;
    const alone = method.plan(before.shape, method.options.parse({ ...given, [method.rate!]: rate }));
    expect(countModel(shape).total.bits).toBe(alone.after.total.bits);
  });

  it("refuses to continue where a rate would be of what is left", async () => {
    const options = recursive.options.parse({ method: { layerdrop: {} }, start: 0.25, from: "previous" });
    const before = drawn(deep);
    const message = /layerdrop at .* of its result .* Set from: original/;
    expect(() => recursive.plan(before.shape, options)).toThrow(message);
    await expect(recursive.apply(before, options, createLabWithText(engine, data))).rejects.toThrow(message);
  });

  it("returns the original model if no rate is acceptable", async () => {
    const before = drawn();
    const options = recursive.options.parse({ method: { irc: {} }, start: 0.5, threshold: 0 });
    expect(await recursive.apply(before, options, createLabWithText(engine, data))).toEqual(before);
  });

  it("refuses an invalid rate, method or metric", async () => {
    const parse = (given: object) => () => recursive.options.parse({ method: { irc: {} }, ...given });
    expect(parse({ start: 1.5 })).toThrow();
    expect(parse({ start: 0.5, until: 0.4 })).toThrow(/at least start/);
    expect(parse({ method: {} })).toThrow(/one method/);
    expect(parse({ method: { nothing: {} } })).toThrow();
    const options = recursive.options.parse({
      method: { irc: {} },
      metric: "nothing/at_all",
      higher_is_better: false,
    });
    await expect(recursive.apply(drawn(), options, createLabWithText(engine, data))).rejects.toThrow(
      /no metric nothing/,
    );
  });
});

describe("sequential", () => {
  const stages = [
    { fpp: { targets: ["embed_tokens", "layers.*.mlp.*"], sparsity: 0.5 } },
    { irc: { rate: 1 } },
    { dwc: { rate: 1 } },
  ];

  it("compresses the embedding, then attention and feed-forward of each layer, with training in between", async () => {
    const lines: string[] = [];
    const lab = createLabWithText(engine, data, { log: (line) => lines.push(line) });
    const options = sequential.options.parse({
      stages: [...stages.slice(1), stages[0]],
      train: { max_steps: 2 },
    });
    const before = drawn();
    const after = await sequential.apply(before, options, lab);
    const attention = (layer: number) => `layers.${layer}.self_attn`;
    const forward = (layer: number) => `layers.${layer}.mlp`;
    const parts = lines
      .filter((line) => / of /.test(line))
      .map((line) => line.replace(/\.(\w+_proj).*$/, ""));
    expect(parts).toEqual([
      "fpp of embed_tokens.",
      ...[0, 1].flatMap((layer) => [
        `irc of ${attention(layer)}`,
        `dwc of ${attention(layer)}`,
        `fpp of ${forward(layer)}`,
      ]),
    ]);
    expect(lab.steps).toBe(14);
    expect(countModel(after.shape).total.stored).toBe(
      sequential.plan(before.shape, options).after.total.stored,
    );
  });

  it("gives the counts of the paper for GPT-2 small: 36,547,193 of 124,439,808 are left", () => {
    const gpt2 = createShape({ model_type: "gpt2", vocab_size: 50257 });
    const options = sequential.options.parse({
      stages: [
        { fpp: { sparsity: 0.7, targets: "embed_tokens" } },
        { irc: {} },
        { dwc: {} },
        { fpp: { sparsity: 0.7, targets: "layers.*.mlp.*", rounding: "kept" } },
      ],
    });
    const { before, after } = sequential.plan(gpt2, options);
    expect([before.total.stored, after.total.stored]).toEqual([124_439_808, 36_547_193]);
    expect((100 * (before.total.stored - after.total.stored)) / before.total.stored).toBeCloseTo(70.631, 3);
  });
});
