/** The text is read layer by layer as the whole model reads it, and targets are compressed in forward order. */
import { describe, expect, it } from "vitest";
import { calibrationSchema } from "../../../src/backend/compression/calibration/batches";
import { listInputGroups } from "../../../src/backend/compression/calibration/inputGroups";
import { gramTap, observe, type Tap } from "../../../src/backend/compression/calibration/observe";
import { driftName, readLayers } from "../../../src/backend/compression/calibration/readLayers";
import { getObservedRole } from "../../../src/backend/compression/denseTargets";
import { layerwiseSchema } from "../../../src/backend/compression/layerwise";
import { selectTargets } from "../../../src/backend/compression/targets";
import { methods } from "../../../src/backend/methods/catalog";
import { models } from "../../../src/backend/models/catalog";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import type { ObserveCall } from "../../../src/backend/compression/calibration/batches";
import { useGrammar } from "../../support/grammar";
import { createLabWithText } from "../../support/lab";
import { createTinyShape, drawModelTensors, openGrammarData } from "../../support/subject";

const grammar = useGrammar();
const families = Object.keys(models);
const calibration = calibrationSchema.parse({ samples: 3, batch_size: 3 });
const call = (train = grammar.data.train): ObserveCall => ({
  engine: grammar.engine,
  train,
  seed: 3,
  signal: new AbortController().signal,
  progress: () => undefined,
});
const draw = (family: string, seed = 7): Checkpoint => {
  const shape = createTinyShape(family);
  return { shape, tensors: drawModelTensors(shape, seed) };
};
const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (each, i) => Math.abs(each - b[i]!)));
/** With one batch, the sum over the batches is the input itself. */
const whole: Tap = (x) => ({ x });

describe("reading a model layer by layer", () => {
  it.each(families)("gives the inputs of every matrix of %s that the whole model has", async (family) => {
    // Sequences that are filled up have padding, and several documents have positions.
    using data = await openGrammarData(grammar.folder, { packing: false, sequence_len: 12 });
    const model = draw(family);
    const roles = listInputGroups(model.shape, selectTargets(model.shape, {})).flatMap(({ groups, layer }) =>
      groups.map(({ role }) => ({ role, layer })),
    );
    const taps = new Map(roles.map(({ role }) => [role, whole]));
    const expected = await observe(model, taps, calibration, call(data.train));
    const reader = await readLayers(model, false, calibration, call(data.train));
    for (const { role, layer } of roles) {
      await reader.moveTo(layer, model);
      const found = await reader.observe(model, new Map([[role, whole]]));
      expect(largestDifference(found.get(role)!["x"]!, expected.get(role)!["x"]!), role).toBeLessThan(1e-5);
    }
  });

  it.each(["llama", "bert"])("reads the head of %s after the last layer", async (family) => {
    const shape = createTinyShape(family, { tie_word_embeddings: family === "bert" });
    const model = { shape, tensors: drawModelTensors(shape, 7) };
    const role = family === "bert" ? "lm_head.transform" : "lm_head";
    const expected = await observe(model, new Map([[role, whole]]), calibration, call());
    const reader = await readLayers(model, false, calibration, call());
    await reader.moveTo(undefined, model);
    const found = await reader.observe(model, new Map([[role, whole]]));
    expect(largestDifference(found.get(role)!["x"]!, expected.get(role)!["x"]!)).toBeLessThan(1e-5);
  });

  it.each(["gpt2", "qwen2"])(
    "compares the inputs of another model of %s with the original ones",
    async (family) => {
      const original = draw(family);
      // The embeddings are the same in both models.
      const others = draw(family, 8).tensors;
      const tensors = new Map(
        [...original.tensors].map(([name, each]) => [
          name,
          /embed|wte|wpe/.test(name) ? each : others.get(name)!,
        ]),
      );
      const changed = { shape: original.shape, tensors };
      const role = "layers.1.mlp.down_proj";
      const read = async (model: Checkpoint) =>
        (await observe(model, new Map([[role, whole]]), calibration, call())).get(role)!["x"]!;
      const [x, changedX] = [await read(original), await read(changed)];
      const reader = await readLayers(original, true, { samples: 3, batch_size: 2 }, call());
      await reader.moveTo(1, changed);
      const { [driftName]: drift, gram } = (await reader.observe(changed, new Map([[role, gramTap]]))).get(
        role,
      )!;
      const inputs = Math.sqrt(gram!.length);
      const expected = new Float64Array(inputs * inputs);
      for (let row = 0; row < changedX.length; row += inputs)
        for (let i = 0; i < inputs; i++)
          for (let j = 0; j < inputs; j++)
            expected[i * inputs + j]! += changedX[row + i]! * (x[row + j]! - changedX[row + j]!);
      expect(largestDifference(drift!, expected)).toBeLessThan(1e-4 * Math.max(...expected.map(Math.abs)));
    },
  );

  it("finds no difference as long as nothing has changed", async () => {
    const model = draw("llama");
    const reader = await readLayers(model, true, calibration, call());
    await reader.moveTo(1, model);
    const found = await reader.observe(model, new Map([["layers.1.mlp.up_proj", gramTap]]));
    expect(Object.keys(found.get("layers.1.mlp.up_proj")!)).toEqual(["gram"]);
  });
});

describe("the order of targets", () => {
  const attention = (...roles: string[]) => roles.map((role) => `self_attn.${role}_proj`);
  it.each<[string, string[][]]>([
    [
      "llama",
      [attention("q", "k", "v"), attention("o"), ["mlp.gate_proj", "mlp.up_proj"], ["mlp.down_proj"]],
    ],
    ["bert", [attention("q", "k", "v"), attention("o"), ["mlp.up_proj"], ["mlp.down_proj"]]],
    ["gpt2", [attention("qkv"), attention("o"), ["mlp.up_proj"], ["mlp.down_proj"]]],
    ["phi3", [attention("qkv"), attention("o"), ["mlp.gate_up_proj"], ["mlp.down_proj"]]],
  ])("groups those of %s by the input that they read, in forward order", (family, expected) => {
    const shape = createTinyShape(family);
    const stages = listInputGroups(shape, selectTargets(shape, {}).toReversed());
    expect(stages.map(({ layer }) => layer)).toEqual([0, 1]);
    for (const { layer, groups } of stages)
      expect(groups.map(({ targets }) => targets.map(({ matrix }) => matrix.role).sort())).toEqual(
        expected.map((roles) => roles.map((role) => `layers.${layer}.${role}`).sort()),
      );
  });

  it("keeps the parts of a packed matrix together, and the head last", () => {
    const shape = createTinyShape("gpt2", { tie_word_embeddings: false });
    const targets = selectTargets(shape, {
      targets: ["lm_head", "layers.1.self_attn.q_proj", "layers.1.self_attn.v_proj"],
    });
    const [layer, head] = listInputGroups(shape, targets);
    expect(layer!.groups.map(({ role }) => role)).toEqual(["layers.1.self_attn.qkv_proj"]);
    expect(layer!.groups[0]!.targets.map(getObservedRole)).toEqual(
      Array(2).fill("layers.1.self_attn.qkv_proj"),
    );
    expect(head).toMatchObject({ layer: undefined, groups: [{ role: "lm_head" }] });
  });

  it("is refused where no input depends on it", () => {
    for (const given of [{ order: "sequential" }, { outputs: "original" }])
      expect(layerwiseSchema.safeParse({ inputs: "original", ...given }).error?.issues[0]?.message).toMatch(
        /^with inputs: original, .*set inputs: shrunk$/,
      );
    expect(layerwiseSchema.parse({ inputs: "original", order: "layer", outputs: "local" })).toBeDefined();
  });
});

describe("original outputs", () => {
  it.each<[string, object]>([
    ["wanda", { sparsity: 0.5 }],
    ["sparsegpt", { sparsity: 0.5 }],
    ["svd", { rate: 0.4, whiten: true }],
    ["gptq", { bits: 2 }],
    ["ria", { sparsity: 0.5 }],
    ["awq", { bits: 2 }],
    ["awq", { bits: 2, observer: "minmax" }],
  ])("are matched better by %s than with local ones", async (name, given) => {
    const before = draw("llama");
    const role = "layers.1.mlp.down_proj";
    const read = async (model: Checkpoint) =>
      (await observe(model, new Map([[role, whole]]), calibration, call())).get(role)!["x"]!;
    const original = await read(before);
    const errorWith = async (own: object) => {
      const options = methods[name]!.options.parse({
        ...given,
        as: "published",
        calibration: { samples: 16, ...own },
      }) as unknown;
      const after = await methods[name]!.apply(
        before,
        options,
        createLabWithText(grammar.engine, grammar.data),
      );
      return (await read(after)).reduce((sum, each, i) => sum + (each - original[i]!) ** 2, 0);
    };
    expect(await errorWith({ order: "sequential", outputs: "original" })).toBeLessThan(await errorWith({}));
  });

  it.each<[string, object]>([
    ["ria", { sparsity: 0.5 }],
    ["awq", { bits: 3, observer: "minmax", signed_scale: true }],
  ])("and the order are those of the form in %s", async (name, given) => {
    const before = draw("llama");
    const apply = async (own: object, read: object = {}) => {
      const options = methods[name]!.options.parse({
        ...given,
        ...own,
        calibration: { samples: 4, ...read },
      }) as unknown;
      return (await methods[name]!.apply(before, options, createLabWithText(grammar.engine, grammar.data)))
        .tensors;
    };
    const [improved, published] = [await apply({}), await apply({ as: "published" })];
    expect(await apply({ as: "published" }, { order: "sequential", outputs: "original" })).toEqual(improved);
    expect(await apply({}, { order: "layer", outputs: "local" })).toEqual(published);
    expect(improved).not.toEqual(published);
  });
});
