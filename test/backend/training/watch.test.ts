/** `train.watch`: a record equals a plain count, and a watched training equals one that is not, bit for bit. */
import { beforeAll, describe, expect, it } from "vitest";
import {
  binCount,
  countValues,
  getBinEdges,
  getStatistic,
  type Spread,
  zeroBin,
} from "../../../src/protocol/watch";
import { openEngine } from "../../../src/backend/engine/open";
import { input } from "../../../src/backend/graph/op";
import { listMatrixSlots } from "../../../src/backend/models/model";
import { layerRole } from "../../../src/backend/models/roles";
import { disposeAll } from "../../../src/backend/training/evaluateLoss";
import { uploadAll, uploadScalar } from "../../../src/backend/training/feeds";
import { noSavings } from "../../../src/backend/training/memorySavings";
import { createTrainee } from "../../../src/backend/training/trainee";
import {
  buildGradients,
  dropoutSeedName,
  gradientName,
  inverseCountName,
} from "../../../src/backend/training/trainStep";
import {
  buildStepWatch,
  buildWatch,
  buildWeightWatch,
  readSpreads,
} from "../../../src/backend/training/watch";
import { distinctFamilies } from "../../support/families";
import { countMoved, countPlainly } from "../../support/plainSpread";
import { createUniform } from "../../support/sampleValues";
import { createTinyShape, drawModelTensors } from "../../support/subject";
import { useTinyTraining } from "../../support/tinyTraining";
import { encodeTensors, type TinyTrainingResult } from "../../support/tinyRun";

const tiny = useTinyTraining();

it("has bins that tile all numbers of single precision, equally on both sides of zero", () => {
  for (let bin = 0; bin < binCount - 1; bin++) {
    const [, high] = getBinEdges(bin);
    if (bin === zeroBin - 1) expect(high).toBe(-getBinEdges(zeroBin + 1)[0]);
    else if (bin !== zeroBin) expect(high).toBe(getBinEdges(bin + 1)[0]);
  }
  expect(getBinEdges(zeroBin + 1)[0]).toBe(2 ** -126);
  expect(getBinEdges(binCount - 1)[1]).toBe(2 ** 128);
});

function expectEqualSpread(actual: Spread, expected: Spread): void {
  expect(countMoved(actual, expected)).toBeLessThanOrEqual(Math.max(1, 1e-3 * countValues(expected)));
  const scale = Math.max(Math.abs(expected.min), Math.abs(expected.max)) || 1;
  for (const name of ["mean", "deviation", "min", "max"] as const)
    expect(Math.abs(actual[name] - expected[name]) / scale, name).toBeLessThan(2e-6);
  expect(actual.notFinite).toBe(expected.notFinite);
}

it.each([9, 5000, 4_300_000])("counts %i numbers on the device as a plain loop does", async (size) => {
  await using engine = await openEngine("cpu");
  const random = createUniform(size);
  const values = Float32Array.from({ length: size }, () => (random() + random() - 1) * 10 ** (-6 * random()));
  values.set([0, -0, NaN, Infinity, 0.25, -2, 1, 2 ** -126, -3e38].slice(0, size - 1));
  const graph = buildWatch([
    { what: "weights", name: "w", role: "w", group: "w", value: input("w", [size]) },
  ]);
  const program = await engine.compile(graph);
  const tensor = engine.upload({ dtype: "float32", shape: [size] }, values.slice());
  const [record] = await readSpreads(graph, await program.run({ w: tensor }));
  const expected = countPlainly(values);
  // Its square exceeds single precision.
  expectEqualSpread({ ...record!.spread, deviation: expected.deviation }, expected);
  expect(getStatistic(record!.spread, "zeros")).toBe(2 / size);
  expect(getStatistic(record!.spread, "notFinite")).toBe(2 / size);
  expect(getStatistic(record!.spread, "largest")).toBe(size === 9 ? 2 : 3e38);
});

describe.each(distinctFamilies)("a model of the family %s", (family) => {
  // Without dropout, whose masks another program may draw differently.
  const dropouts = Object.keys(createTinyShape(family).config).filter((key) => /dropout|pdrop/.test(key));
  const shape = createTinyShape(family, Object.fromEntries(dropouts.map((key) => [key, 0])));
  const tensors = drawModelTensors(shape, 5);
  const trainee = createTrainee(shape);
  const batch = { rows: 2, length: 8, segments: false, positions: false };
  const every = ["weights", "gradients", "activations"] as const;

  it("records all trained tensors, the layers and each matrix below the head", async () => {
    await using engine = await openEngine("cpu", { threads: 1 });
    const step = buildStepWatch(trainee, batch, noSavings, every, false)!;
    const weights = buildWeightWatch(trainee)!;
    const trained = trainee.parameters.filter(({ trainable }) => trainable).map(({ name }) => name);
    expect(weights.tensors.map(({ name }) => name)).toEqual(trained);
    const namesOf = (what: string) =>
      step.tensors.filter((each) => each.what === what).map(({ name }) => name);
    expect(namesOf("gradients").toSorted()).toEqual(trained.toSorted());
    const body = listMatrixSlots(shape).filter(({ matrix }) => matrix.kind === "projection");
    const layers = Array.from({ length: trainee.dimensions.layers }, (_, layer) => layerRole(layer));
    expect(namesOf("activations")).toEqual(
      expect.arrayContaining([...layers, ...body.map(({ matrix }) => matrix.role)]),
    );
    for (const tensor of [...step.tensors, ...weights.tensors])
      expect(tensor.group.includes("*")).toBe(tensor.layer !== undefined);

    const random = createUniform(2);
    const drawTokens = () =>
      Int32Array.from({ length: 16 }, () => Math.floor(random() * trainee.dimensions.vocabulary));
    const type = { dtype: "int32", shape: [2, 8] } as const;
    const feeds = {
      ...uploadAll(engine, tensors),
      tokens: engine.upload(type, drawTokens()),
      labels: engine.upload(type, drawTokens()),
      [inverseCountName]: uploadScalar(engine, 1 / 16),
      [dropoutSeedName]: engine.upload({ dtype: "int32", shape: [] }, Int32Array.of(1)),
    };
    const pick = (names: readonly string[]) =>
      Object.fromEntries(Object.entries(feeds).filter(([name]) => names.includes(name)));
    const run = async (graph: Parameters<typeof engine.compile>[0]) => {
      const program = await engine.compile(graph);
      return program.run(pick(program.inputs));
    };
    for (const { tensor, spread } of await readSpreads(weights, await run(weights)))
      expectEqualSpread(spread, countPlainly(tensors.get(tensor.name)!.data));
    const gradients = await run(buildGradients(trainee, batch, new Set(trained)));
    const records = await readSpreads(step, await run(step));
    for (const { tensor, spread } of records.filter((each) => each.tensor.what === "gradients")) {
      const values = (await gradients[gradientName(tensor.name)]!.read()) as Float32Array;
      // The same formula in another program: sums may be rounded differently, also to or from zero.
      expect(spread.deviation, tensor.name).toBeCloseTo(countPlainly(values).deviation, 6);
      expect(spread.max, tensor.name).toBeCloseTo(countPlainly(values).max, 6);
    }
    for (const { spread } of records) expect(spread.notFinite).toBe(0);
    disposeAll(feeds);
  });
});

const cases = [
  {},
  { gradient_accumulation_steps: 2, max_grad_norm: 0.1 },
  { cumulative_loss: "two-batch" },
  { cumulative_loss: "ema-grad", optim: "sgd" },
  { gradient_checkpointing: true, loss_chunk_size: 16, attention_block_size: 4, weight_decay: 0.1 },
];
const options = { max_steps: 11, per_device_train_batch_size: 4, save_steps: 4, save_total_limit: 9 };

describe.each(cases)("a training with %j", (more) => {
  const watch = { every: 4 };
  let plain: TinyTrainingResult;
  let watched: TinyTrainingResult;
  beforeAll(async () => {
    plain = await tiny.run({ ...options, ...more });
    watched = await tiny.run({ ...options, ...more, watch });
  });

  it("gives the same weights and losses as one that is not watched, bit for bit", () => {
    expect(watched.losses).toEqual(plain.losses);
    expect(encodeTensors(watched.result.tensors)).toEqual(encodeTensors(plain.result.tensors));
    expect(encodeTensors(watched.saves.at(-1)!.training.optimizer)).toEqual(
      encodeTensors(plain.saves.at(-1)!.training.optimizer),
    );
    expect(plain.records).toEqual([]);
  });

  it("records the first weights, every fourth step and the last", () => {
    expect(watched.records.map(({ step, turn }) => [step, turn])).toEqual([
      [0, 0],
      [4, 1],
      [8, 2],
      [11, 2.75],
    ]);
    expect(new Set(watched.records[0]!.spreads.map(({ tensor }) => tensor.what))).toEqual(
      new Set(["weights"]),
    );
    for (const { spreads } of watched.records.slice(1))
      expect(new Set(spreads.map(({ tensor }) => tensor.what))).toEqual(
        new Set(["weights", "gradients", "activations"]),
      );
  });

  it("records the weights of the checkpoint of the same step", () => {
    for (const { step, spreads } of watched.records.slice(1)) {
      const { tensors } = watched.saves.find(({ training }) => training.state.step === step)!;
      for (const { tensor, spread } of spreads.filter((each) => each.tensor.what === "weights"))
        expectEqualSpread(spread, countPlainly(tensors.get(tensor.name)!.data));
    }
  });

  it("records the gradients of the whole step before clipping, whose norm the training reports", () => {
    const norms = new Map(watched.metrics["train/grad_norm"]);
    for (const { step, spreads } of watched.records.slice(1)) {
      const squares = spreads
        .filter(({ tensor }) => tensor.what === "gradients")
        .map(
          ({ spread }) =>
            spread.counts.reduce((a, b) => a + b, 0) * (spread.deviation ** 2 + spread.mean ** 2),
        );
      const norm = Math.sqrt(squares.reduce((a, b) => a + b, 0));
      expect(Math.abs(norm / norms.get(step)! - 1)).toBeLessThan(1e-4);
    }
  });

  it("continues the records exactly when it resumes", async () => {
    const stopped = await tiny.run({ ...options, ...more, watch }, { stopAt: 5 });
    const { tensors, training } = stopped.saves.at(-1)!;
    const resumed = await tiny.run({ ...options, ...more, watch }, { tensors, resume: training });
    const before = stopped.records.filter(({ step }) => step <= 5);
    expect([...before, ...resumed.records]).toEqual(watched.records);
  });
});

it("records only what it is asked for", async () => {
  for (const what of ["weights", "gradients", "activations"] as const) {
    const { records } = await tiny.run({ ...options, max_steps: 2, watch: { every: 1, what: [what] } });
    expect(new Set(records.flatMap(({ spreads }) => spreads.map(({ tensor }) => tensor.what)))).toEqual(
      new Set([what]),
    );
    expect(records.map(({ step }) => step)).toEqual(what === "weights" ? [0, 1, 2] : [1, 2]);
  }
});
