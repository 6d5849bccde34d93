/**
 * Removing whole layers: which layers stay, that these are unchanged, and that their representations move with them.
 */
import { expect, it } from "vitest";
import { getRoleValues } from "../../../src/backend/analysis/roleValues";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import type { OpenedModel } from "../../../src/backend/imports/openModel";
import irc from "../../../src/backend/methods/irc";
import layerdrop from "../../../src/backend/methods/layerdrop";
import magnitude from "../../../src/backend/methods/magnitude";
import { countModel } from "../../../src/backend/models/accounting";
import { dimensionsOf, createShape } from "../../../src/backend/models/model";
import { plainLab } from "../../support/lab";
import { drawModelTensors, createTinyShape } from "../../support/subject";

const keptOf = (layers: number, given: object) => {
  const shape = createTinyShape("gpt2", { n_layer: layers });
  const tensors = drawModelTensors(shape, 3);
  return { shape, tensors, options: layerdrop.options.parse(given) };
};

it("keeps the layers of DistilGPT2, and has exactly its parameters", async () => {
  const { shape, tensors, options } = keptOf(12, { rate: 0.5 });
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
