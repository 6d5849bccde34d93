/**
 * Removing whole heads and channels: the smaller model computes what the masked one does, and means replace units that
 * hardly vary.
 */
import { describe, expect, it } from "vitest";
import { countModel } from "../../../../src/backend/models/accounting";
import { evaluateGraph } from "../../../../src/backend/graph/evaluate";
import { input, sizeOf } from "../../../../src/backend/graph/op";
import llmpruner from "../../../../src/backend/methods/llmpruner";
import flap from "../../../../src/backend/methods/flap";
import {
  selectUnits,
  type UnitGroup,
  findUnitGroups,
  createStructuredOptions,
  keepUnits,
} from "../../../../src/backend/compression/pruning/structured";
import { dimensionsOf, forward, parametersOf, createValue } from "../../../../src/backend/models/model";
import type { Checkpoint } from "../../../../src/backend/checkpoints/checkpoint";
import type { HostTensor } from "../../../../src/backend/checkpoints/safetensors";
import { useGrammar } from "../../../support/grammar";
import { createLabWithText } from "../../../support/lab";
import { drawModelTensors, createTinyShape } from "../../../support/subject";
import { computeRelativeError } from "../../../support/sampleValues";

const grammar = useGrammar();

const options = { rate: 0.5, parts: ["heads", "channels"] as const, scope: "global" as const };
const families = ["gpt2", "llama", "phi3"];
const model = (family: string, changes: Readonly<Record<string, unknown>> = {}): Checkpoint => {
  const shape = createTinyShape(family, changes);
  return { shape, tensors: drawModelTensors(shape, 6) };
};

function logitsOf({ shape, tensors }: Checkpoint): Float64Array {
  const time = Math.min(8, dimensionsOf(shape).context);
  const values = new Map(parametersOf(shape).map((spec) => [spec.name, createValue(spec)]));
  const logits = forward(shape, (name) => values.get(name)!, { tokens: input("tokens", [2, time], "int32") });
  const feeds = Object.fromEntries([...tensors].map(([name, { data: own }]) => [name, Array.from(own)]));
  const tokens = Array.from({ length: 2 * time }, (_, i) => (i * 5) % 32);
  return Float64Array.from(evaluateGraph({ outputs: { logits } }, { ...feeds, tokens })["logits"]!);
}

/** The model whose consumers read zeros in place of the removed units. */
function silenced(
  before: Checkpoint,
  groups: readonly UnitGroup[],
  kept: readonly (readonly number[])[],
): Checkpoint {
  const tensors = new Map<string, HostTensor>(before.tensors);
  groups.forEach(({ units, consumer: { matrix } }, i) => {
    const { inputs, outputs, layout, name } = matrix;
    const { shape, data: own } = tensors.get(`${name}.weight`)!;
    const now = Float32Array.from(own, (each, at) => {
      const row = layout === "in_out" ? Math.floor(at / outputs) : at % inputs;
      return kept[i]!.includes(Math.floor((row * units) / inputs)) ? each : 0;
    });
    tensors.set(`${name}.weight`, { shape, data: now });
  });
  return { shape: before.shape, tensors };
}

describe.each(families)("a %s without some heads and channels", (family) => {
  const before = model(family);
  const groups = findUnitGroups("Cutting", before.shape, options);
  const kept = groups.map(({ units }, i) =>
    Array.from({ length: units }, (_, unit) => unit).filter((unit) => unit % 3 !== i % 3),
  );

  it("computes what the whole one does with zeros in their place", () => {
    const cut = keepUnits(before, groups, kept);
    expect(computeRelativeError(logitsOf(cut), logitsOf(silenced(before, groups, kept)))).toBeLessThan(1e-9);
    for (const { name, shape } of parametersOf(cut.shape))
      expect(cut.tensors.get(name)!.data, name).toHaveLength(sizeOf(shape));
    expect(cut.tensors.size).toBe(parametersOf(cut.shape).length);
  });

  it("has lost the scalars of each, including biases", () => {
    const cut = keepUnits(before, groups, kept);
    const lost = groups.reduce((sum, { units, cost }, i) => sum + cost * (units - kept[i]!.length), 0);
    expect(countModel(before.shape).total.stored - countModel(cut.shape).total.stored).toBe(lost);
    const { width, headDim, heads, kvHeads } = dimensionsOf(before.shape);
    const ofKind = (kind: string) => groups.find((group) => group.kind === kind)!.cost;
    const [biased, gated] = [family === "gpt2", family !== "gpt2"];
    const queries = heads / kvHeads;
    expect(ofKind("heads")).toBe((2 * queries + 2) * width * headDim + (biased ? 3 * headDim : 0));
    expect(ofKind("channels")).toBe((gated ? 3 : 2) * width + (biased ? 1 : 0));
  });
});

describe("the units to remove", () => {
  const group = (units: number, cost: number) => ({ units, cost }) as UnitGroup;

  it("are those with the lowest scores of the whole model, until the share is reached", () => {
    const groups = [group(4, 10), group(4, 1)];
    const scores = [
      [4, 0, 3, 9],
      [1, 2, 8, 7],
    ];
    // A quarter of 44 scalars is 11: one of the first group and one of the second.
    expect(selectUnits(groups, scores, { ...options, rate: 0.25 })).toEqual([
      [0, 2, 3],
      [1, 2, 3],
    ]);
    expect(selectUnits(groups, scores, { ...options, rate: 0.25, scope: "layer" })).toEqual([
      [0, 2, 3],
      [1, 2, 3],
    ]);
    expect(selectUnits(groups, scores, { ...options, rate: 1 }).map(({ length }) => length)).toEqual([1, 1]);
    expect(selectUnits(groups, scores, { ...options, rate: 0 }).map(({ length }) => length)).toEqual([4, 4]);
  });

  it("can be limited to some layers", () => {
    const { shape } = model("gpt2");
    expect(
      findUnitGroups("Cutting", shape, { ...options, layers: [1, 1] }).map(({ layer }) => layer),
    ).toEqual([1, 1]);
    expect(() => findUnitGroups("Cutting", shape, { ...options, layers: [1, 2] })).toThrow(
      /is not a range within the model's layers 0 to 1/,
    );
    expect(createStructuredOptions("layer").rate.parse(undefined)).toBe(0.2);
  });
});

describe("LLM-Pruner", () => {
  it("first removes the unit with the least effect on the loss, according to its gradient", async () => {
    const before = model("gpt2");
    const name = "transformer.h.0.mlp.c_proj.weight";
    const tensors = new Map(before.tensors);
    const { shape, data: own } = tensors.get(name)!;
    // The contribution of the fifth channel is so small that no other can matter less.
    tensors.set(name, {
      shape,
      data: (own as Float32Array).map((each, i) => (Math.floor(i / 16) === 5 ? each * 1e-6 : each)),
    });
    const lab = createLabWithText(grammar.engine, grammar.data);
    const given = llmpruner.options.parse({
      as: "published",
      rate: 1 / 64,
      parts: ["channels"],
      layers: [0, 0],
      aggregation: "last",
      calibration: { samples: 4, batch_size: 2 },
    });
    const after = await llmpruner.apply({ shape: before.shape, tensors }, given, lab);
    const kept = after.tensors.get(name)!.data;
    const rows = own.length / 16;
    const stays = Array.from({ length: rows }, (_, row) => row).filter((row) => row !== 5);
    expect(Array.from(kept)).toEqual(stays.flatMap((row) => Array.from(own.slice(row * 16, (row + 1) * 16))));
  });

  it("reads the gradients of an evaluation's loss", async () => {
    const before = model("llama");
    const lab = createLabWithText(grammar.engine, grammar.data);
    const name = "model.layers.1.mlp.down_proj.weight";
    const names = new Set([name, "model.layers.0.mlp.up_proj.weight"]);
    const found = await lab.gradients(before, names, { samples: 1, batch_size: 2 });
    const { mean, meanSquare } = found.moments.get(name)!;
    // For a single sequence, the mean of squares is the square of the mean.
    expect(
      computeRelativeError(
        meanSquare,
        mean.map((each) => each ** 2),
      ),
    ).toBeLessThan(1e-6);
    expect(new Set(found.moments.keys())).toEqual(names);
    const step = 1e-2;
    const at = mean.reduce((best, each, i) => (Math.abs(each) > Math.abs(mean[best]!) ? i : best), 0);
    const lossAt = async (change: number) => {
      const { shape, data: own } = before.tensors.get(name)!;
      const moved = (own as Float32Array).map((each, i) => (i === at ? each + change : each));
      const tensors = new Map(before.tensors).set(name, { shape, data: moved });
      const calibration = { samples: 1, batch_size: 2 };
      return (await lab.gradients({ shape: before.shape, tensors }, new Set(), calibration)).loss;
    };
    expect((await lossAt(step)) - (await lossAt(-step))).toBeCloseTo(2 * step * mean[at]!, 5);
  });
});

describe("FLAP", () => {
  const given = (changes: object) =>
    flap.options.parse({
      as: "published",
      parts: ["channels"],
      calibration: { samples: 8, batch_size: 4 },
      ...changes,
    });

  it("first removes channels that never vary, and their mean replaces them exactly", async () => {
    const before = model("gpt2");
    const inner = 64;
    // Every third channel ignores the text: its output is its bias alone.
    const still = (channel: number) => channel % 3 === 0;
    const tensors = new Map(before.tensors);
    for (const layer of [0, 1]) {
      const name = `transformer.h.${layer}.mlp.c_fc.weight`;
      const { shape, data: own } = tensors.get(name)!;
      tensors.set(name, {
        shape,
        data: (own as Float32Array).map((each, i) => (still(i % inner) ? 0 : each)),
      });
    }
    const whole = { shape: before.shape, tensors };
    const after = await flap.apply(
      whole,
      given({ rate: 22 / 64, scope: "layer" }),
      createLabWithText(grammar.engine, grammar.data),
    );
    expect(after.shape.representations["layers.0.mlp.up_proj"]!.options).toEqual({ outputs: 42 });
    expect(computeRelativeError(logitsOf(after), logitsOf(whole))).toBeLessThan(1e-5);
    const bare = await flap.apply(
      whole,
      given({ rate: 22 / 64, scope: "layer", compensate: false }),
      createLabWithText(grammar.engine, grammar.data),
    );
    expect(computeRelativeError(logitsOf(bare), logitsOf(whole))).toBeGreaterThan(1e-3);
    // The fit includes the bias that the model has.
    const fitted = await flap.apply(
      whole,
      given({ rate: 22 / 64, scope: "layer", as: "improved", standardize: "inputs" }),
      createLabWithText(grammar.engine, grammar.data),
    );
    expect(computeRelativeError(logitsOf(fitted), logitsOf(whole))).toBeLessThan(1e-4);
  });

  it("adds biases to a model without any, and counts them; a phi3 cannot have any", async () => {
    const before = model("llama");
    const { after } = flap.plan(before.shape, given({ rate: 0.25 }));
    const shrunk = await flap.apply(
      before,
      given({ rate: 0.25 }),
      createLabWithText(grammar.engine, grammar.data),
    );
    expect(shrunk.shape.config["mlp_bias"]).toBe(true);
    expect(countModel(shrunk.shape).total.stored).toBeLessThanOrEqual(after.total.stored);
    expect(() => flap.plan(model("phi3").shape, given({ rate: 0.25 }))).toThrow(/Set compensate: false/);
  });
});
