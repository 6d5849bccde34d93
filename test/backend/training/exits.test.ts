/** Exits are trained with the rest of the model frozen, and are a part of it that checkpoints, counts and exports know. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readCheckpoint, writeCheckpoint } from "../../../src/backend/checkpoints/checkpoint";
import type { HostTensors } from "../../../src/backend/checkpoints/safetensors";
import type { DataSet } from "../../../src/backend/data/dataSet";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { exportModel } from "../../../src/backend/exports/exportModel";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input } from "../../../src/backend/graph/op";
import { crossEntropy } from "../../../src/backend/graph/ops/loss";
import { importModel } from "../../../src/backend/imports/importModel";
import { countModel } from "../../../src/backend/models/accounting";
import { withExits } from "../../../src/backend/models/exits";
import { initialize } from "../../../src/backend/models/initialize";
import { createValue, forward, type ModelShape, parametersOf } from "../../../src/backend/models/model";
import { createStepTrainee, planTraining } from "../../../src/backend/runs/steps/trainedShapes";
import { testDevice } from "../../support/device";
import { createTinyShape, createTrainOptions, drawWeights, tinyNames } from "../../support/tinyModels";
import { createTemporaryFolder } from "../../support/temporary";
import { encodeTensors, openNoiseData, trainTiny } from "../../support/tinyRun";

let data: DataSet;
let engine: Engine;
beforeAll(async () => {
  data = await openNoiseData(900);
  engine = await openEngine(testDevice, { threads: 1 });
});
afterAll(async () => {
  data[Symbol.dispose]();
  await engine[Symbol.asyncDispose]();
});

const width = 16;

function createOptions(options: Readonly<Record<string, unknown>> = {}) {
  return createTrainOptions({
    max_steps: 12,
    learning_rate: 0.01,
    lr_scheduler_type: "constant",
    exits: { layers: [1, 2] },
    ...options,
  });
}

function trainExits(
  plain: ModelShape,
  tensors: HostTensors,
  options = createOptions(),
  more: Partial<Parameters<typeof trainTiny>[0]> = {},
) {
  const { during: shape } = planTraining(plain, options);
  const trainee = createStepTrainee(shape, options);
  const all = new Map([...initialize(shape, 0), ...tensors]);
  return trainTiny({ engine, shape, data, options, trainee, tensors: all, ...more });
}

const without = (tensors: HostTensors) =>
  encodeTensors(new Map([...tensors].filter(([name]) => !name.startsWith("exits."))));

/** Mean over a batch of the cross-entropy of the head on the state after some layers, in double precision. */
function computeLensLoss(
  shape: ModelShape,
  tensors: HostTensors,
  layers: number,
  tokens: Int32Array,
  labels: Int32Array,
) {
  const key = shape.family === "gpt2" ? "n_layer" : "num_hidden_layers";
  const short = { ...shape, config: { ...shape.config, [key]: layers } };
  const values = new Map(parametersOf(short).map((spec) => [spec.name, createValue(spec)]));
  const size = [tokens.length / 16, 16];
  const logits = forward(short, (name) => values.get(name)!, { tokens: input("tokens", size, "int32") });
  const loss = crossEntropy(logits, input("labels", [tokens.length], "int32"));
  const feeds = Object.fromEntries([...tensors].map(([name, each]) => [name, Array.from(each.data)]));
  const all = evaluateGraph({ outputs: { loss } }, { ...feeds, tokens: [...tokens], labels: [...labels] })[
    "loss"
  ]!;
  return all.reduce((sum, each) => sum + each, 0) / labels.filter((label) => label !== -100).length;
}

describe("exits", () => {
  it.each(tinyNames)("learn, and leave every other weight as it is, bit for bit: %s", async (name) => {
    const shape = createTinyShape(name, { layers: 3 });
    const tensors = drawWeights(shape);
    const { result, losses } = await trainExits(shape, tensors);
    expect(without(result.tensors)).toEqual(encodeTensors(tensors));
    expect(losses.at(-1)!).toBeLessThan(losses[0]!);
    for (const layer of [1, 2])
      for (const part of ["weight", "bias", "classifier.weight", "classifier.bias"])
        expect(result.tensors.get(`exits.${layer}.${part}`)!.data.some((each) => each !== 0)).toBe(true);
  });

  it("begin with the head on the state between layers, and with a classifier that knows nothing", async () => {
    const shape = createTinyShape("llama", { layers: 3 });
    const tensors = drawWeights(shape, 3);
    const seen: { tokens: Int32Array; labels: Int32Array }[] = [];
    const prepare = (batch: Parameters<NonNullable<Parameters<typeof trainTiny>[0]["prepare"]>>[0]) => {
      seen.push({ tokens: batch.tokens.slice(), labels: batch.labels.slice() });
      return batch;
    };
    const { losses } = await trainExits(shape, tensors, createOptions({ max_steps: 1 }), { prepare });
    const { tokens, labels } = seen[0]!;
    const lens = [1, 2].map((layers) => computeLensLoss(shape, tensors, layers, tokens, labels));
    expect(losses[0]).toBeCloseTo((lens[0]! + lens[1]!) / 2 + Math.log(3), 4);
  });

  it("learn the distribution of the whole model with loss full", async () => {
    const shape = createTinyShape("gpt2", { layers: 2 });
    const tensors = drawWeights(shape);
    const options = createOptions({ exits: { layers: [1], loss: "full" }, max_steps: 40 });
    const { result, losses } = await trainExits(shape, tensors, options);
    expect(losses.at(-1)!).toBeLessThan(losses[0]!);
    expect(without(result.tensors)).toEqual(encodeTensors(tensors));
  });

  it("resume as if the training had not stopped", async () => {
    const shape = createTinyShape("phi3", { layers: 3 });
    const options = createOptions({ save_steps: 5, gradient_accumulation_steps: 2, max_steps: 8 });
    const tensors = drawWeights(shape);
    const whole = await trainExits(shape, tensors, options);
    const stopped = await trainExits(shape, tensors, options, { stopAt: 3 });
    const { tensors: saved, training } = stopped.saves.at(-1)!;
    const folder = join(createTemporaryFolder(), "step");
    const exited = withExits(shape, [1, 2]);
    writeCheckpoint(folder, { shape: exited, tensors: saved, training });
    const checkpoint = readCheckpoint(folder);
    expect(checkpoint.shape).toEqual(exited);
    const rest = await trainExits(shape, checkpoint.tensors, options, { resume: checkpoint.training });
    expect(encodeTensors(rest.result.tensors)).toEqual(encodeTensors(whole.result.tensors));
  });

  it("are counted, and alone are trainable", () => {
    const shape = createTinyShape("llama", { layers: 3 });
    const [plain, exited] = [countModel(shape).total, countModel(withExits(shape, [1, 2])).total];
    const added = 2 * (width * width + width + 3 * width + 3);
    expect(exited.stored - plain.stored).toBe(added);
    expect(exited.bits - plain.bits).toBe(32 * added);
    expect(exited.bytes - plain.bytes).toBe(4 * added);
    expect(exited.trainable).toBe(added);
  });

  it("stay in checkpoints that become base models and in packed exports, and are left out of others", async () => {
    const shape = withExits(createTinyShape("llama", { layers: 3 }), [2]);
    const tensors = drawWeights(shape, 4);
    const folder = createTemporaryFolder();
    writeCheckpoint(join(folder, "checkpoint"), { shape, tensors });
    const read = await importModel(join(folder, "checkpoint"));
    expect(read.shape).toEqual(shape);
    expect(encodeTensors(read.tensors)).toEqual(encodeTensors(tensors));

    const packed = await exportModel({ shape, tensors }, { format: "packed" }, join(folder, "packed"));
    expect(packed.notices.join()).not.toContain("exits");
    expect(readFileSync(join(folder, "packed", "config.json"), "utf8")).toContain("exit_layers");

    const plain = await exportModel({ shape, tensors }, { format: "safetensors" }, join(folder, "plain"));
    expect(plain.notices.join()).toContain("Left out: the exit after 2 layers");
    const exported = await importModel(join(folder, "plain"));
    expect(exported.shape.config).not.toHaveProperty("exit_layers");
    expect(encodeTensors(exported.tensors)).toEqual(without(tensors));
  });

  it("are after every layer but the last with `all`", () => {
    const shape = createTinyShape("llama", { layers: 3 });
    const all = createOptions({ exits: { layers: "all" } });
    expect(planTraining(shape, all).after).toEqual(withExits(shape, [1, 2]));
    expect(() => planTraining(createTinyShape("llama", { layers: 1 }), all)).toThrow("it has only one layer");
  });

  it("are refused where a model cannot have them, and where their model would change", () => {
    const shape = createTinyShape("llama", { layers: 3 });
    expect(() => withExits(shape, [3])).toThrow(
      "There is no exit after 3 layers: the model has 3. Allowed: 1 to 2.",
    );
    expect(() => withExits(createTinyShape("llama", { layers: 1 }), [1])).toThrow("it has only one layer");
    expect(() => createTinyShape("llama", { layers: 3, exit_layers: [2, 1] })).toThrow("in ascending order");
    expect(() => planTraining(withExits(shape, [1]), createTrainOptions())).toThrow(
      "A train step without exits would change the hidden states",
    );
    expect(planTraining(withExits(shape, [1]), createOptions({ exits: { layers: [2] } })).after).toEqual(
      withExits(shape, [1, 2]),
    );
  });
});
