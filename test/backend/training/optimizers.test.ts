/**
 * Compares ten steps of each optimizer with a plain reference in double precision, independent of the training graph.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TrainOptions } from "../../../src/schema/experiment";
import type { DataSet } from "../../../src/backend/data/dataSet";
import { Sampler } from "../../../src/backend/data/sampler";
import type { Batch } from "../../../src/backend/data/split";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { gradients } from "../../../src/backend/graph/autodiff";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input, parameter, scalar } from "../../../src/backend/graph/op";
import { mul } from "../../../src/backend/graph/ops/elementwise";
import { crossEntropy } from "../../../src/backend/graph/ops/loss";
import { reshape } from "../../../src/backend/graph/ops/movement";
import { sum } from "../../../src/backend/graph/ops/reduction";
import { models } from "../../../src/backend/models/catalog";
import { forward, parametersOf, createShape } from "../../../src/backend/models/model";
import { computeRelativeError } from "../../support/sampleValues";
import { createTinyShape, createTrainOptions, drawWeights } from "../../support/tinyModels";
import { openNoiseData, trainTiny } from "../../support/tinyRun";

const shape = createTinyShape("gpt2", { layers: 1 });
const specs = parametersOf(shape);
const [rows, length] = [2, 8];
const steps = 10;

/** Mean loss and gradients of a batch in double precision. */
function differentiate(weights: ReadonlyMap<string, Float64Array>, batch: Batch) {
  const values = new Map(specs.map((spec) => [spec.name, parameter(spec.name, spec.shape)]));
  const logits = forward(shape, (name) => values.get(name)!, {
    tokens: input("tokens", [rows, length], "int32"),
  });
  const labels = reshape(input("labels", [rows, length], "int32"), { shape: [rows * length] });
  const loss = mul(
    sum(crossEntropy(logits, labels), { axes: [0], keepDims: false }),
    scalar(1 / (rows * length)),
  );
  const found = gradients(loss, [...values.values()]);
  const outputs = Object.fromEntries(specs.map(({ name }, i) => [name, found[i]!]));
  const { loss: total, ...rest } = evaluateGraph(
    { outputs: { loss, ...outputs } },
    { ...Object.fromEntries(weights), tokens: batch.tokens, labels: batch.labels },
  );
  return { loss: total![0]!, gradients: new Map(Object.entries(rest)) };
}

/** Linear warm-up over 3 of 10 steps, then linear decay. */
const rateOf = (step: number, peak: number) => peak * (step <= 3 ? (step - 1) / 3 : (10 - (step - 1)) / 7);

interface Reference {
  readonly weights: Map<string, Float64Array>;
  readonly slots: Map<string, Float64Array>;
  readonly losses: number[];
  readonly norms: number[];
}

function referenceTraining(data: DataSet, options: TrainOptions): Reference {
  const sampler = new Sampler(data.train, rows, 7);
  const weights = new Map(
    [...drawWeights(shape)].map(([name, { data: each }]) => [name, Float64Array.from(each)]),
  );
  const slots = new Map<string, Float64Array>();
  const slot = (name: string) => {
    const found = slots.get(name) ?? new Float64Array(weights.get(name.split("#")[0]!)!.length);
    slots.set(name, found);
    return found;
  };
  const losses: number[] = [];
  const norms: number[] = [];
  for (let step = 1; step <= steps; step++) {
    const { loss, gradients: found } = differentiate(weights, sampler.next());
    const norm = Math.hypot(...[...found.values()].map((each) => Math.hypot(...each)));
    losses.push(loss);
    norms.push(norm);
    const clip = options.max_grad_norm > 0 && norm > options.max_grad_norm ? options.max_grad_norm / norm : 1;
    const rate = rateOf(step, options.learning_rate);
    for (const { name } of specs) {
      const w = weights.get(name)!;
      const decays = name.endsWith(".weight") && !name.includes("ln_");
      found.get(name)!.forEach((raw, i) => {
        const g = raw * clip;
        if (decays) w[i]! *= 1 - rate * options.weight_decay;
        if (options.optim === "sgd") {
          const v = slot(`${name}#momentum`);
          v[i] = options.momentum * v[i]! + g;
          w[i]! -= rate * v[i];
          return;
        }
        const [m, v] = [slot(`${name}#exp_avg`), slot(`${name}#exp_avg_sq`)];
        m[i] = options.adam_beta1 * m[i]! + (1 - options.adam_beta1) * g;
        v[i] = options.adam_beta2 * v[i]! + (1 - options.adam_beta2) * g * g;
        const meanHat = m[i] / (1 - options.adam_beta1 ** step);
        const squareHat = v[i] / (1 - options.adam_beta2 ** step);
        w[i]! -= (rate * meanHat) / (Math.sqrt(squareHat) + options.adam_epsilon);
      });
    }
  }
  return { weights, slots, losses, norms };
}

describe("ten steps agree with the reference in double precision", () => {
  let engine: Engine;
  let data: DataSet;
  beforeAll(async () => {
    engine = await openEngine("cpu", { threads: 1 });
    data = await openNoiseData(2000, length);
  });
  afterAll(async () => {
    data[Symbol.dispose]();
    await engine[Symbol.asyncDispose]();
  });

  // AdamW divides by the root of v, so gradients that are only rounding error need an ε well above them.
  const adamw = { optim: "adamw", learning_rate: 0.02, adam_epsilon: 1e-4 };
  const sgd = { optim: "sgd", learning_rate: 0.5 };
  it.each([
    ["AdamW, clipped, with weight decay", { ...adamw, max_grad_norm: 0.4, weight_decay: 0.3 }],
    ["AdamW, not clipped, other betas", { ...adamw, max_grad_norm: 0, adam_beta1: 0.7, adam_beta2: 0.9 }],
    ["AdamW, clipped only at times", { ...adamw, max_grad_norm: 0.9 }],
    ["SGD, clipped, with weight decay", { ...sgd, max_grad_norm: 0.4, weight_decay: 0.1 }],
    ["SGD, not clipped, without momentum", { ...sgd, max_grad_norm: 0, momentum: 0 }],
  ])("%s", async (_, given) => {
    const options = createTrainOptions({
      ...given,
      max_steps: steps,
      warmup_steps: 3,
      per_device_train_batch_size: rows,
    });
    const wanted = referenceTraining(data, options);
    const { result, metrics, losses, saves } = await trainTiny({ engine, shape, data, options });
    expect(computeRelativeError(losses, wanted.losses)).toBeLessThan(1e-5);
    const norms = metrics["train/grad_norm"]!.map(([, norm]) => norm);
    expect(computeRelativeError(norms, wanted.norms)).toBeLessThan(1e-4);
    for (const [name, { data: got }] of result.tensors)
      expect(computeRelativeError(got as Float32Array, wanted.weights.get(name)!), name).toBeLessThan(1e-4);
    const { optimizer } = saves.at(-1)!.training;
    expect([...optimizer.keys()].sort()).toEqual([...wanted.slots.keys()].sort());
    // Relative to the largest of its kind: a slot that should be zero contains the rounding error of the others.
    for (const kind of new Set([...optimizer.keys()].map((name) => name.split("#")[1]!))) {
      const wantedOf = [...wanted.slots].filter(([name]) => name.endsWith(`#${kind}`));
      const all = (numbers: readonly ArrayLike<number>[]) => numbers.flatMap((each) => Array.from(each));
      const got = all(wantedOf.map(([name]) => optimizer.get(name)!.data));
      expect(computeRelativeError(got, all(wantedOf.map(([, each]) => each))), kind).toBeLessThan(1e-4);
    }
  });
});

describe("weight decay", () => {
  it.each(Object.keys(models))("applies to the matrices of %s, not to biases and norms", (name) => {
    const all = parametersOf(createShape(models[name]!.tiny));
    const [decayed, spared] = [all.filter(({ decay }) => decay), all.filter(({ decay }) => !decay)];
    for (const each of decayed) expect(each.shape.length, each.name).toBeGreaterThan(1);
    for (const each of spared) expect(each.shape.length, each.name).toBe(1);
    expect(decayed.length).toBeGreaterThan(0);
    expect(spared.length).toBeGreaterThan(0);
  });
});
