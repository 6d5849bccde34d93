/**
 * Removing whole layers: which layers stay, that these are unchanged, and that their representations move with them.
 */
import { expect, it } from "vitest";
import { getRoleValues } from "../../../src/backend/analysis/roleValues";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import type { OpenedModel } from "../../../src/backend/imports/openedModel";
import irc from "../../../src/backend/methods/irc";
import layerdrop from "../../../src/backend/methods/layerdrop";
import magnitude from "../../../src/backend/methods/magnitude";
import { countModel } from "../../../src/backend/models/accounting";
import { dimensionsOf, createShape } from "../../../src/backend/models/model";
import { chooseByInfluence, measureInfluence } from "../../../src/backend/compression/pruning/layerChoice";
import { useGrammar } from "../../support/grammar";
import { createLabWithText, plainLab } from "../../support/lab";
import { drawModelTensors, createTinyShape } from "../../support/subject";

const grammar = useGrammar();
const calibration = { samples: 4, batch_size: 2 };

const keptOf = (layers: number, given: object) => {
  const shape = createTinyShape("gpt2", { n_layer: layers });
  const tensors = drawModelTensors(shape, 3);
  return { shape, tensors, options: layerdrop.options.parse(given) };
};

it("keeps the layers of DistilGPT2, and has exactly its parameters", async () => {
  const { shape, tensors, options } = keptOf(12, { rate: 0.5, as: "published" });
  const after = await layerdrop.apply({ shape, tensors }, options, plainLab);
  expect(dimensionsOf(after.shape).layers).toBe(6);
  [0, 2, 4, 7, 9, 11].forEach((layer, place) => {
    for (const end of ["attn.c_attn.weight", "mlp.c_proj.bias", "ln_1.weight"])
      expect(after.tensors.get(`transformer.h.${place}.${end}`)).toBe(
        tensors.get(`transformer.h.${layer}.${end}`),
      );
  });
  expect(after.tensors.size).toBeLessThan(tensors.size);
  const small = createShape({ model_type: "gpt2", vocab_size: 50257 });
  const planned = layerdrop.plan(small, options);
  expect(planned.after.total.stored).toBe(81_912_576);
});

it("keeps the requested number from one end, or the named layers", () => {
  const { shape } = keptOf(5, {});
  const layers = (given: object) =>
    dimensionsOf(layerdrop.plan(shape, layerdrop.options.parse(given)).shape).layers;
  expect(layers({ rate: 0.5 })).toBe(3);
  expect(layers({ rate: 1 })).toBe(1);
  expect(layers({ keep: [0, 4] })).toBe(2);
  expect(() => layers({ keep: [0, 5] })).toThrow(/keep includes layer 5, but the model has 5/);
  expect(() => layerdrop.options.parse({ keep: [3, 1] })).toThrow(/larger than the previous layer/);
});

it("removes the layers without which the loss on the text is lowest, one after the other", async () => {
  const { shape, tensors, options } = keptOf(4, { rate: 0.5, calibration });
  const before = { shape, tensors };
  const lab = createLabWithText(grammar.engine, grammar.data);
  const lossOf = async (keep: readonly number[]) => {
    const fewer = await layerdrop.apply(before, layerdrop.options.parse({ keep }), plainLab);
    return (await lab.gradients(fewer, new Set(), calibration)).loss;
  };
  let kept = [0, 1, 2, 3];
  for (let removed = 0; removed < 2; removed++) {
    const choices = kept.map((layer) => kept.filter((each) => each !== layer));
    const losses = await Promise.all(choices.map(lossOf));
    kept = choices[losses.indexOf(Math.min(...losses))]!;
  }
  const expected = await layerdrop.apply(before, layerdrop.options.parse({ keep: kept }), plainLab);
  expect(await layerdrop.apply(before, options, lab)).toEqual(expected);
  expect(countModel(expected.shape)).toEqual(layerdrop.plan(shape, options).after);
});

it("measures no influence of a layer that changes nothing, and removes it first", async () => {
  const { shape, tensors } = keptOf(3, {});
  // The output matrices and biases of the second layer are zero, so that it adds nothing to its input.
  const still = new Map(tensors);
  for (const [name, { shape: size, data }] of tensors)
    if (/\.h\.1\.(attn|mlp)\.c_proj\./.test(name))
      still.set(name, { shape: size, data: data.slice().fill(0) });
  const lab = createLabWithText(grammar.engine, grammar.data);
  const influences = await measureInfluence({ shape, tensors: still }, calibration, lab);
  expect(influences[1]).toBeCloseTo(0, 5);
  for (const layer of [0, 2]) expect(influences[layer]).toBeGreaterThan(1e-4);
  expect(await chooseByInfluence({ shape, tensors: still }, 2, calibration, lab)).toEqual([0, 2]);
});

it("plans at most what layers of different sizes leave", async () => {
  const { shape, tensors } = keptOf(3, {});
  const pruned = await magnitude.apply(
    { shape, tensors },
    magnitude.options.parse({ sparsity: 0.5, targets: "layers.0.mlp.*" }),
    plainLab,
  );
  const plan = layerdrop.plan(pruned.shape, layerdrop.options.parse({ rate: 0.4 }));
  expect(plan.exact).toBe("most");
  const sizes = [
    [0, 1],
    [0, 2],
    [1, 2],
  ].map((keep) => layerdrop.plan(pruned.shape, layerdrop.options.parse({ keep })).after.total.bits);
  expect(plan.after.total.bits).toBe(Math.max(...sizes));
});

it("moves representations with their layers", async () => {
  const { shape, tensors } = keptOf(3, {});
  const pruned = await magnitude.apply(
    { shape, tensors },
    magnitude.options.parse({ sparsity: 0.5, targets: "layers.2.mlp.*" }),
    plainLab,
  );
  const after = await layerdrop.apply(pruned, layerdrop.options.parse({ keep: [1, 2] }), plainLab);
  expect(Object.keys(after.shape.representations).sort()).toEqual([
    "layers.1.mlp.down_proj",
    "layers.1.mlp.up_proj",
  ]);
  expect(countModel(after.shape).total.stored).toBeLessThan(countModel(pruned.shape).total.stored);
});

it("keeps the matrix of tied rows when their layer gets another number", async () => {
  const { shape, tensors, options } = keptOf(3, { keep: [2] });
  const tied = await irc.apply({ shape, tensors }, irc.options.parse({ rate: 0.5 }), plainLab);
  const after = await layerdrop.apply(tied, options, plainLab);
  const query = (model: typeof tied, role: string) => getRoleValues(opened(model), role);
  const lines = (values: ReturnType<typeof query>) => [...values.lines()].map((line) => [...line.values]);
  const was = lines(query(tied, "layers.2.self_attn.q_proj"));
  expect(lines(query(after, "layers.0.self_attn.q_proj"))).toEqual(was);
});

/** The model as the weights page opens it. */
function opened({ shape, tensors }: Pick<Checkpoint, "shape" | "tensors">): OpenedModel {
  const read = (name: string, from?: number, to?: number) =>
    (tensors.get(name)!.data as Float32Array).subarray(from, to);
  return { shape, read } as unknown as OpenedModel;
}
