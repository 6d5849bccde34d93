/** Distillation: the value of each loss, where it is zero, its gradients, and that a model learns with it. */
import { describe, expect, it } from "vitest";
import { resolveLossWeights, type LossWeights, teacherSchema } from "../../../src/schema/teacher";
import { gradients } from "../../../src/backend/graph/autodiff";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { type Graph, listInputs } from "../../../src/backend/graph/graph";
import { input, parameter, sizeOf } from "../../../src/backend/graph/op";
import { sum } from "../../../src/backend/graph/ops/reduction";
import { recomputeGateName } from "../../../src/backend/graph/recompute";
import { dimensionsOf, type ModelShape } from "../../../src/backend/models/model";
import { Sampler } from "../../../src/backend/data/sampler";
import { openEngine } from "../../../src/backend/engine/open";
import {
  computeTopKLoss,
  computeSoftTargetLoss,
  mapTeacherLayers,
} from "../../../src/backend/training/distillation";
import { disposeAll } from "../../../src/backend/training/evaluateLoss";
import { TopKTargetCache, findLargest } from "../../../src/backend/training/topKTargetCache";
import { type MemorySavings, noSavings } from "../../../src/backend/training/memorySavings";
import { type Teacher, createTrainee } from "../../../src/backend/training/trainee";
import { buildAccumulateStep, gradientName, inverseCountName } from "../../../src/backend/training/trainStep";
import { createTeacher } from "../../../src/backend/runs/steps/teachers";
import { computeCentralDifferences, computeRelativeError, createUniform } from "../../support/sampleValues";
import { tinyNames, createTinyShape, createTrainOptions, drawWeights } from "../../support/tinyModels";
import { computeLargestRatio } from "../../support/tinyRun";
import { useTinyTraining } from "../../support/tinyTraining";

const every: LossWeights = {
  temperature: 2,
  weights: { ce: 0.7, clm: 0.25, cos: 0.5, hidden: 0.4, embedding: 0.2, attention: 0.6 },
};
const options = createTrainOptions();
const batch = { rows: 2, length: 6, segments: true, positions: true };

function taughtBy(shape: ModelShape, teacher: ModelShape, counts = every): ReturnType<typeof createTrainee> {
  const [own, others] = [dimensionsOf(shape).layers, dimensionsOf(teacher).layers];
  const made: Teacher = { ...counts, trainee: createTrainee(teacher), layers: mapTeacherLayers(own, others) };
  return createTrainee(shape, made);
}

/** Seeded numbers for all inputs; a name without `teacher:` gives the same numbers as with it. */
function feedsOf(
  graph: Graph,
  changes: Readonly<Record<string, number[]>> = {},
  apart = 0,
): Record<string, number[]> {
  const [rows, length] = [batch.rows, batch.length];
  const place = Array.from({ length: rows * length }, (_, i) => i % length);
  const given: Readonly<Record<string, number[]>> = {
    segments: place.map((at) => (at < 3 ? 1 : at < length - 1 ? 2 : 0)),
    positions: place.map((at) => (at < 3 ? at : at - 3)),
    labels: place.map((at) => (at === length - 1 ? -100 : (at * 7) % 32)),
    [recomputeGateName]: [1],
    [inverseCountName]: [1 / (rows * (length - 1))],
    dropout_seed: [1234],
    keep_gradients: [0],
    ...changes,
  };
  return Object.fromEntries(
    listInputs(graph).map(({ name, type }) => {
      const own = name.replace(/^teacher:/, "");
      const random = createUniform(own.length * 31 + own.charCodeAt(own.length - 1));
      const other = createUniform(99);
      const draw = type.dtype === "int32" ? () => Math.floor(random() * 32) : () => random() - 0.5;
      const shift = name === own ? () => 0 : () => apart * (other() - 0.5);
      return [name, given[name] ?? Array.from({ length: sizeOf(type.shape) }, () => draw() + shift())];
    }),
  );
}

function outputsOf(trainee: ReturnType<typeof createTrainee>, apart = 0, savings: MemorySavings = noSavings) {
  const graph = buildAccumulateStep(trainee, batch, options, savings);
  return evaluateGraph(graph, feedsOf(graph, {}, apart));
}

describe("soft targets", () => {
  const [rows, classes, temperature] = [3, 5, 4];
  const [student, teacher] = [parameter("s", [rows, classes]), parameter("t", [rows, classes])];
  const random = createUniform(5);
  const draw = () => Array.from({ length: rows * classes }, () => 4 * random() - 2);
  const feeds = { s: draw(), t: draw() };
  const softmax = (numbers: readonly number[]) => {
    const exps = numbers.map((each) => Math.exp(each / temperature));
    const total = exps.reduce((a, b) => a + b);
    return exps.map((each) => each / total);
  };

  it("have the divergence as value and T · (softmax_S − softmax_T) as gradient", () => {
    const loss = computeSoftTargetLoss(student, teacher, temperature);
    const [gradient] = gradients(sum(loss, { axes: [0], keepDims: false }), [student]);
    const results = evaluateGraph({ outputs: { loss, gradient: gradient! } }, feeds);
    for (let row = 0; row < rows; row++) {
      const of = (all: readonly number[]) => softmax(all.slice(row * classes, (row + 1) * classes));
      const [own, wanted] = [of(feeds.s), of(feeds.t)];
      const divergence = wanted.reduce((all, p, i) => all + p * Math.log(p / own[i]!), 0);
      expect(results["loss"]![row]).toBeCloseTo(temperature ** 2 * divergence, 10);
      expect(results["loss"]![row]).toBeGreaterThan(0);
      own.forEach((q, i) =>
        expect(results["gradient"]![row * classes + i]).toBeCloseTo(temperature * (q - wanted[i]!), 10),
      );
    }
  });
});

describe.each(tinyNames)("%s", (name) => {
  const shape = createTinyShape(name);

  it("has zero distance from itself, and the loss of its labels", () => {
    const taught = outputsOf(taughtBy(shape, shape));
    const plain = outputsOf(createTrainee(shape));
    expect(taught["loss"]![0]).toBeCloseTo(plain["loss"]![0]!, 12);
    for (const term of ["ce", "cos", "hidden", "embedding", "attention"])
      expect(taught[`teacher_${term}`]![0], term).toBeCloseTo(0, 12);
    expect(taught["objective"]![0]).toBeCloseTo(0.25 * plain["loss"]![0]!, 12);
  });

  it("learns like without a teacher if only labels count", () => {
    const labelled = outputsOf(taughtBy(shape, shape, { temperature: 1, weights: { clm: 1 } }), 1);
    const plain = outputsOf(createTrainee(shape));
    for (const [output, numbers] of Object.entries(plain)) expect(labelled[output], output).toEqual(numbers);
  });

  it("has gradients of all terms that central differences confirm, whole or in chunks", () => {
    const trainee = taughtBy(shape, createTinyShape(name));
    const graph = buildAccumulateStep(trainee, batch, options, noSavings);
    const feeds = feedsOf(graph, {}, 0.5);
    const found = evaluateGraph(graph, feeds);
    const objective = graph.outputs["objective"]!;
    for (const { name: own } of [trainee.parameters[0]!, trainee.parameters.at(-1)!]) {
      const wanted = computeCentralDifferences(objective, feeds, own);
      expect(computeRelativeError(found[`${gradientName(own)}:next`]!, wanted), own).toBeLessThan(1e-6);
    }
    for (const savings of [
      { ...noSavings, lossChunk: 5 },
      { attentionBlock: 2, lossChunk: 4, recompute: true },
    ]) {
      const pieces = buildAccumulateStep(trainee, batch, options, savings);
      const again = evaluateGraph(pieces, feedsOf(pieces, {}, 0.5));
      for (const [output, numbers] of Object.entries(found))
        numbers.forEach((each, i) => expect(again[output]![i], output).toBeCloseTo(each, 10));
    }
  });

  it("counts only tokens with a label", () => {
    const trainee = taughtBy(shape, shape);
    const graph = buildAccumulateStep(trainee, batch, options, noSavings);
    const none = { labels: Array.from({ length: batch.rows * batch.length }, () => -100) };
    const results = evaluateGraph(graph, feedsOf(graph, none, 1));
    for (const output of [
      "loss",
      "objective",
      "teacher_ce",
      "teacher_cos",
      "teacher_hidden",
      "teacher_attention",
    ])
      expect(results[output]![0], output).toBe(0);
  });
});

describe("kept targets", () => {
  const [rows, classes, temperature] = [3, 6, 2];
  const random = createUniform(15);
  const draw = () => Array.from({ length: rows * classes }, () => 4 * random() - 2);
  const feeds = { s: draw(), t: draw() };

  it("have the loss of the whole distribution if all tokens are kept", () => {
    const places = Array.from({ length: rows }, (_, row) =>
      findLargest(feeds.t.slice(row * classes, (row + 1) * classes), classes),
    );
    const shares = places.map((order, row) => {
      const weights = order.map((token) => Math.exp(feeds.t[row * classes + token]! / temperature));
      const total = weights.reduce((all, each) => all + each, 0);
      return weights.map((each) => each / total);
    });
    const [student, teacher] = [input("s", [rows, classes]), input("t", [rows, classes])];
    const kept = computeTopKLoss(
      student,
      input("tokens", [rows, classes], "int32"),
      input("shares", [rows, classes]),
      temperature,
    );
    const whole = computeSoftTargetLoss(student, teacher, temperature);
    const results = evaluateGraph(
      { outputs: { kept, whole } },
      { ...feeds, tokens: places.flat(), shares: shares.flat() },
    );
    results["kept"]!.forEach((each, i) => expect(each).toBeCloseTo(results["whole"]![i]!, 10));
  });

  it("are the largest, and the first of equal ones", () => {
    expect(findLargest([1, 5, 3, 5, 2], 3)).toEqual([1, 3, 2]);
    expect(findLargest([2, 1], 2)).toEqual([0, 1]);
    expect(findLargest([0, 0, 0], 1)).toEqual([0]);
  });
});

describe("layers", () => {
  it("are matched evenly to those of the teacher, up to its last", () => {
    expect(mapTeacherLayers(6, 12)).toEqual([1, 3, 5, 7, 9, 11]);
    expect(mapTeacherLayers(3, 3)).toEqual([0, 1, 2]);
    expect(mapTeacherLayers(2, 3)).toEqual([1, 2]);
    expect(mapTeacherLayers(2, 3, [0, 2])).toEqual([0, 2]);
  });
});

describe("recipes", () => {
  it("use the published weights, which single weights override", () => {
    const of = (given: object) => resolveLossWeights(teacherSchema.parse(given));
    expect(of({ recipe: "distilgpt2" })).toEqual({ temperature: 2, weights: { ce: 5, clm: 2, cos: 1 } });
    expect(of({ recipe: "lightpaff" })).toEqual({ temperature: 1, weights: { ce: 0.5, clm: 0.5 } });
    expect(of({ recipe: "ilkd" }).weights).toEqual({ embedding: 0.5, attention: 0.5, hidden: 0.5, clm: 0.1 });
    expect(of({ recipe: "distilgpt2", alpha_cos: 0, temperature: 4 })).toEqual({
      temperature: 4,
      weights: { ce: 5, clm: 2 },
    });
  });
});

describe("a teacher", () => {
  const small = createTinyShape("gpt2");
  const given = (changes: object) => teacherSchema.parse(changes);
  it.each<[string, ModelShape, object, RegExp]>([
    [
      "of another vocabulary",
      createTinyShape("gpt2", { vocab_size: 40 }),
      {},
      /vocabulary has 40 tokens, and the model's has 32/,
    ],
    [
      "of another width, by its hidden states",
      createTinyShape("gpt2", { n_embd: 32 }),
      { alpha_cos: 1 },
      /its width is 32/,
    ],
    [
      "of other heads, by its attention",
      createTinyShape("gpt2", { n_head: 4 }),
      { alpha_attention: 1 },
      /has 4 heads/,
    ],
    ["with a layer that it does not have", small, { layers: [0, 2] }, /lists layer 2, but the teacher has 2/],
    ["with too few layers named", small, { layers: [0] }, /the length of layers is 1/],
    [
      "of which more is requested than is kept",
      small,
      { top_k: 4, recipe: "distilgpt2" },
      /alpha_cos needs its intermediate values/,
    ],
    [
      "that should keep more tokens than its vocabulary has",
      small,
      { top_k: 33 },
      /top_k is 33, but its vocabulary has only 32/,
    ],
    ["whose losses all have weight zero", small, { alpha_ce: 0, alpha_clm: 0 }, /every loss weight is 0/],
  ])("%s is refused", (_, teacher, changes, message) => {
    expect(() => createTeacher(small, teacher, given(changes))).toThrow(message);
  });

  it("of another width teaches by its distribution", () => {
    expect(createTeacher(small, createTinyShape("llama", { hidden_size: 32 }), given({})).weights).toEqual({
      ce: 0.5,
      clm: 0.5,
    });
  });
});

describe("training", () => {
  const training = useTinyTraining();

  it("gives the same result from a complete stored distribution as from a live teacher", async () => {
    const teacher = await training.run({ max_steps: 30, learning_rate: 1e-2 });
    const { shape } = training;
    const vocabulary = dimensionsOf(shape).vocabulary;
    const weights: LossWeights = { temperature: 2, weights: { ce: 0.5, clm: 0.5 } };
    const along = taughtBy(shape, shape, weights);
    const kept = { ...along, teacher: { ...along.teacher!, topK: vocabulary } };
    const [one, other] = [along, kept].map((trainee) =>
      training.run({ max_steps: 8 }, { trainee, teacherTensors: teacher.result.tensors }),
    );
    const [a, b] = [await one!, await other!];
    expect(computeLargestRatio(b.losses, a.losses)).toBeLessThan(1e-4);
    const apart = (of: typeof a) => of.metrics["train/teacher_ce"]!.map(([, value]) => value);
    expect(computeLargestRatio(apart(b), apart(a))).toBeLessThan(1e-3);
  });

  it("runs the teacher once per sequence, for any number of epochs", async () => {
    const { shape, data } = training;
    const teacher = { ...taughtBy(shape, shape, { temperature: 1, weights: { ce: 1 } }).teacher!, topK: 3 };
    await using engine = await openEngine("cpu", { threads: 1 });
    const layout = { rows: 4, length: data.train.layout.sequenceLength, segments: false, positions: false };
    await using kept = await TopKTargetCache.open(engine, teacher, drawWeights(shape), layout);
    const sampler = new Sampler(data.train, 4, 1);
    const perEpoch = Math.ceil(data.train.sequences / 4);
    for (let i = 0; i < 3 * perEpoch; i++) {
      const feeds = await kept.feeds(sampler.next());
      const shares = (await feeds["teacher_shares"]!.read()) as Float32Array;
      for (let token = 0; token < shares.length; token += 3)
        expect(shares[token]! + shares[token + 1]! + shares[token + 2]!).toBeCloseTo(1, 5);
      disposeAll(feeds);
    }
    expect(kept.read).toBe(data.train.sequences);
  });

  it("approaches its teacher, and reports the distance", async () => {
    const teacher = await training.run({ max_steps: 60, learning_rate: 1e-2 });
    const { shape } = training;
    const trainee = taughtBy(shape, shape, { temperature: 2, weights: { ce: 1 } });
    const { metrics } = await training.run(
      { max_steps: 40, learning_rate: 1e-2 },
      { trainee, teacherTensors: teacher.result.tensors },
    );
    const apart = metrics["train/teacher_ce"]!.map(([, value]) => value);
    expect(apart).toHaveLength(40);
    expect(apart.at(-1)!).toBeLessThan(0.5 * apart[0]!);
    expect(metrics["train/objective"]).toEqual(metrics["train/teacher_ce"]);
    expect(metrics["train/loss"]!.at(-1)![1]).toBeLessThan(metrics["train/loss"]![0]![1]);
  });
});
