/** Rotated models compute the same, have no weights in their norms, and spread an outlier over all channels. */
import { describe, expect, it } from "vitest";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import { createRotation } from "../../../src/backend/compression/algebra/orthogonal";
import {
  createRotatedShape,
  foldNorms,
  hasLayerNorms,
  rotateStream,
  rotateValues,
} from "../../../src/backend/compression/rotation";
import magnitude from "../../../src/backend/methods/magnitude";
import quarot from "../../../src/backend/methods/quarot";
import { countModel } from "../../../src/backend/models/accounting";
import { parametersOf } from "../../../src/backend/models/model";
import { plainLab } from "../../support/lab";
import { computePlainLogits } from "../../support/plainLogits";
import { computeRelativeError, createUniform } from "../../support/sampleValues";
import { createTinyShape, drawModelTensors } from "../../support/subject";

function draw(family: string, changes = {}): Checkpoint {
  const shape = createTinyShape(family, changes);
  return { shape, tensors: drawModelTensors(shape, 7) };
}

const models: readonly (readonly [family: string, changes: object])[] = [
  ["llama", { tie_word_embeddings: true }],
  ["llama", { attention_bias: true, mlp_bias: true }],
  ["llama", { num_labels: 3 }],
  // 10 channels have no Hadamard matrix, and heads keep their width.
  ["qwen2", { hidden_size: 10, head_dim: 4 }],
  ["phi3", {}],
  ["kphi3", { min_channels_per_group: -1 }],
  ["gpt2", {}],
  ["gpt2", { tie_word_embeddings: false }],
  ["gpt2", { num_labels: 2 }],
];

describe.each(models)("%s %j", (family, changes) => {
  const before = draw(family, changes);
  const after = createRotatedShape("A rotation", before.shape);
  const was = computePlainLogits(before);

  it("computes the same without weights in its norms", () => {
    const folded = foldNorms(before, after);
    const norms = parametersOf(after).filter(({ name }) => /(norm|ln_.)\.weight$/.test(name));
    expect(norms.length).toBeGreaterThan(2);
    for (const { name } of norms) expect(new Set(folded.tensors.get(name)!.data)).toEqual(new Set([1]));
    expect(computeRelativeError(computePlainLogits(folded), was)).toBeLessThan(1e-5);
  });

  it("computes the same in other coordinates", async () => {
    const is = await quarot.apply(before, quarot.options.parse({}), plainLab);
    expect(computeRelativeError(computePlainLogits(is), was)).toBeLessThan(1e-4);
    expect(countModel(is.shape)).toEqual(quarot.plan(before.shape, quarot.options.parse({})).after);
    for (const [name, { data }] of is.tensors)
      if (data.length > 100) expect(data, name).not.toEqual(before.tensors.get(name)?.data);
  });
});

it("needs a rotation that keeps the mean for layer norms", async () => {
  const before = draw("gpt2");
  expect(hasLayerNorms(before.shape)).toBe(true);
  const folded = foldNorms(before, createRotatedShape("A rotation", before.shape));
  const { q } = createRotation(16, { kind: "hadamard", keepsMean: false }, createUniform(2));
  const rotated = await rotateStream(folded, folded.shape, q, plainLab.algebra);
  expect(computeRelativeError(computePlainLogits(rotated), computePlainLogits(before))).toBeGreaterThan(0.01);
});

it("rotates the values of heads that several queries read", async () => {
  const before = draw("llama");
  const { q } = createRotation(4, { kind: "hadamard", keepsMean: false }, createUniform(2));
  const rotated = await rotateValues(before, q, plainLab.algebra);
  const changed = [...before.tensors].flatMap(([name, { data }]) =>
    rotated.tensors.get(name)!.data === data ? [] : [name.replace(/^.*self_attn\./, "")],
  );
  expect(new Set(changed)).toEqual(new Set(["v_proj.weight", "o_proj.weight"]));
  expect(computeRelativeError(computePlainLogits(rotated), computePlainLogits(before))).toBeLessThan(1e-5);
});

it("spreads a channel that is much larger than the others", async () => {
  const before = draw("llama");
  const name = "model.embed_tokens.weight";
  const { shape, data } = before.tensors.get(name)!;
  const large = data.map((each, i) => (i % 16 === 3 ? 50 : 1) * each) as Float32Array;
  const model = { ...before, tensors: new Map(before.tensors).set(name, { shape, data: large }) };
  const rotated = await quarot.apply(model, quarot.options.parse({}), plainLab);
  const peak = (values: Float32Array) => {
    const size = Math.sqrt(values.reduce((sum, each) => sum + each ** 2, 0) / values.length);
    return values.reduce((most, each) => Math.max(most, Math.abs(each)), 0) / size;
  };
  expect(peak(large)).toBeGreaterThan(6);
  expect(peak(rotated.tensors.get(name)!.data as Float32Array)).toBeLessThan(3);
});

it("refuses norms within the residual stream, and matrices in other forms", async () => {
  const options = quarot.options.parse({});
  expect(() => quarot.plan(createTinyShape("bert"), options)).toThrow(/norms of bert models are part of/);
  const pruned = await magnitude.apply(draw("llama"), magnitude.options.parse({}), plainLab);
  expect(() => quarot.plan(pruned.shape, options)).toThrow(/is stored as masked/);
});

it("counts the head that a tied embedding needs", () => {
  const tied = createTinyShape("gpt2");
  const { before, after } = quarot.plan(tied, quarot.options.parse({}));
  expect(after.total.stored - before.total.stored).toBe(32 * 16);
});
