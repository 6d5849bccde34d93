/** Input that a method cannot use: refused by the plan, or handled and reported. */
import { describe, expect, it } from "vitest";
import { methods } from "../../../src/backend/methods/catalog";
import { countModel } from "../../../src/backend/models/accounting";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import { useGrammar } from "../../support/grammar";
import { plainLab, createLabWithText } from "../../support/lab";
import { drawModelTensors, createTinyShape } from "../../support/subject";
import { correlated, labWithInputs, role, sizesOf, tiny } from "./shrinkSamples";

const grammar = useGrammar();

const model = (family = "llama"): Checkpoint => {
  const shape = createTinyShape(family);
  return { shape, tensors: drawModelTensors(shape, 2) };
};
const options = (name: string, given: object) => methods[name]!.options.parse(given) as unknown;
const applied = (name: string, given: object, before: Checkpoint) =>
  methods[name]!.apply(before, options(name, given), plainLab);

describe("a text that is too short for the options", () => {
  it.each(["sparsegpt", "gptq"])("is reported once by %s, with the consequence", async (name) => {
    const said: string[] = [];
    const lab = createLabWithText(grammar.engine, grammar.data, { log: (message) => said.push(message) });
    const given = options(name, { targets: role, calibration: { samples: 100_000, batch_size: 4 } });
    await methods[name]!.apply(model(), given, lab);
    expect(said.filter((line) => /is 100000, but the training split has \d+/.test(line))).toHaveLength(1);
  });

  it("with fewer tokens than inputs is reported for each matrix", async () => {
    const said: string[] = [];
    const before = tiny();
    const [inputs] = sizesOf(before);
    const lab = labWithInputs(correlated(5, inputs, 7), inputs, said, { tokens: Float64Array.of(5) });
    await methods["sparsegpt"]!.apply(before, options("sparsegpt", { targets: role }), lab);
    expect(said).toContainEqual(expect.stringMatching(/only 5 calibration tokens for 16 inputs/));
  });
});

describe("a weight that is not a number", () => {
  it.each<[string, object]>([
    ["magnitude", {}],
    ["gmp", { prunings: 2 }],
    ["wanda", {}],
    ["sparsegpt", {}],
    ["sparsegpt", { mask_structure: "2:4" }],
    ["fpp", {}],
  ])("is refused by %s with its name", async (name, given) => {
    const before = tiny();
    const [inputs] = sizesOf(before);
    const weight = before.tensors.get("model.layers.0.mlp.up_proj.weight")!;
    (weight.data as Float32Array)[5] = NaN;
    const applying = methods[name]!.apply(
      before,
      options(name, { ...given, targets: role }),
      labWithInputs(correlated(40, inputs, 7), inputs, []),
    );
    await expect(applying).rejects.toThrow(/layers\.0.* contains weights that are not numbers/);
  });
});

describe("unused channels, and a singular H", () => {
  it.each(["sparsegpt", "gptq"])("are handled by %s and reported", async (name) => {
    const said: string[] = [];
    const before = tiny();
    const [inputs] = sizesOf(before);
    const x = correlated(40, inputs, 7).map((each, i) => (i % inputs === 3 ? 0 : each));
    // Two equal inputs: without damping there is no inverse.
    x.forEach((_, i) => i % inputs === 1 && (x[i] = x[i - 1]!));
    const after = await methods[name]!.apply(
      before,
      options(name, { targets: role, damping: 0 }),
      labWithInputs(x, inputs, said),
    );
    expect(said).toContainEqual(
      expect.stringMatching(/1 of its inputs are zero throughout the calibration text/),
    );
    expect(said).toContainEqual(expect.stringMatching(/singular with a damping of 0/));
    for (const { data: own } of after.tensors.values()) expect(own.every(Number.isFinite)).toBe(true);
  });
});

describe("sizes that do not fit are refused before anything is read", () => {
  it.each<[string, object, RegExp]>([
    ["rtn", { group_size: 5 }, /is not a multiple of group_size 5/],
    ["gptq", { group_size: 7 }, /is not a multiple of group_size 7/],
    ["mixed", { group_size: 7 }, /is not a multiple of group_size 7/],
    ["rtn", { residual: 500 }, /higher than the full rank/],
    ["sparsegpt", { mask_structure: "3:5" }, /cannot be applied/],
    ["kron", { b: [5, 1] }, /cannot be applied|do not divide/],
    ["flap", { layers: [0, 9] }, /is not a range within the model's layers 0 to 1/],
    ["layerdrop", { keep: [7] }, /keep includes layer 7/],
  ])("%s with %o", (name, given, message) => {
    expect(() => methods[name]!.plan(model().shape, options(name, given))).toThrow(message);
  });

  it.each<[string, object, RegExp]>([
    ["rtn", { bits: 9 }, /8/],
    ["gptq", { bits: 1 }, /2/],
    ["mixed", { bits: 2, choices: [4] }, /at least 4/],
    ["magnitude", { mask_structure: "5:4" }, /more weights than there are/],
  ])("%s with %o, when parsing options", (name, given, message) => {
    expect(() => options(name, given)).toThrow(message);
  });

  it("a rank is never above the break-even point: matrices that would not get smaller are unchanged", async () => {
    const before = model();
    const after = await applied("svd", { rate: 0.01 }, before);
    expect(countModel(after.shape).total.stored).toBeLessThanOrEqual(countModel(before.shape).total.stored);
  });
});

describe("stacking", () => {
  const first: readonly (readonly [string, object, readonly string[]])[] = [
    // Codes keep zeros.
    ["magnitude", { sparsity: 0.5 }, ["rtn", "gptq", "mixed"]],
    ["rtn", { bits: 4 }, []],
    ["cluster", { clusters: 4, as: "published" }, []],
  ];
  const second = ["rtn", "gptq", "cluster", "svd", "kron", "irc", "flap", "mixed"];
  it.each(first)(
    "after %s, refuses methods that would destroy its representation",
    async (name, given, taken) => {
      const once = await applied(name, given, model("gpt2"));
      for (const other of second.filter((each) => !taken.includes(each)))
        expect(() => methods[other]!.plan(once.shape, options(other, {})), other).toThrow(
          /is stored as \w+(, but only dense (and \w+ )?matrices can be (compressed|pruned)| as a whole, so its parts cannot)/,
        );
    },
  );

  it("keeps zeros through a second pruning, and representations when layers are removed", async () => {
    const once = await applied("magnitude", { sparsity: 0.3 }, model("gpt2"));
    const twice = await applied("magnitude", { sparsity: 0.6 }, once);
    for (const [name, { data: own }] of once.tensors) {
      if (!name.endsWith("weight_mask")) continue;
      const now = twice.tensors.get(name)!.data;
      own.forEach((kept, i) => kept === 0 && expect(now[i]).toBe(0));
    }
    const fewer = await applied("layerdrop", { keep: [1] }, twice);
    expect(Object.values(fewer.shape.representations).every(({ type }) => type === "masked")).toBe(true);
  });
});
