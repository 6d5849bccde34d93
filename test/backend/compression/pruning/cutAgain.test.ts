/** Removing heads and channels of matrices that are smaller or factored already. */
import { describe, expect, it } from "vitest";
import { checkTensors, type Checkpoint } from "../../../../src/backend/checkpoints/checkpoint";
import { findUnitGroups, keepUnits } from "../../../../src/backend/compression/pruning/structured";
import magnitude from "../../../../src/backend/methods/magnitude";
import svd from "../../../../src/backend/methods/svd";
import { exportTensors } from "../../../../src/backend/models/huggingFace";
import { listMatrixSlots, type ModelShape, withRepresentations } from "../../../../src/backend/models/model";
import { describeStorage } from "../../../../src/backend/models/weights";
import type { TensorData } from "../../../../src/backend/representations/representation";
import { plainLab } from "../../../support/lab";
import { createTinyShape, drawModelTensors } from "../../../support/subject";

const options = { rate: 0.5, parts: ["heads", "channels"] as const, scope: "global" as const };
const wide = { num_attention_heads: 4, num_key_value_heads: 4 };
const models: readonly (readonly [string, ModelShape])[] = [
  ["gpt2", createTinyShape("gpt2", { n_head: 4 })],
  ["llama", createTinyShape("llama", wide)],
  ["phi3", createTinyShape("phi3", wide)],
];
const draw = (shape: ModelShape): Checkpoint => ({ shape, tensors: drawModelTensors(shape, 6) });
const groupsOf = ({ shape }: Checkpoint) => findUnitGroups("Cutting", shape, options);

/** The written matrices of a model. */
function denseOf({ shape, tensors }: Checkpoint): Map<string, TensorData> {
  const source = (name: string) => tensors.get(name)!.data as TensorData;
  return new Map([...exportTensors(shape, source)].map(({ name, data }) => [name, data]));
}

describe.each(models)("%s", (_, shape) => {
  it("loses in two steps what it loses in one", () => {
    const before = draw(shape);
    const groups = groupsOf(before);
    // All but every third unit, then all but the first of those.
    const first = groups.map(({ units }) => [...Array(units).keys()].filter((unit) => unit % 3 !== 2));
    const once = keepUnits(before, groups, first);
    const rest = groupsOf(once);
    expect(rest.map(({ units }) => units)).toEqual(first.map(({ length }) => length));
    const twice = keepUnits(once, rest, rest.map(({ units }) => [...Array(units).keys()].slice(1))); // prettier-ignore
    checkTensors("the result", twice.shape, twice.tensors);
    expect(twice).toEqual(keepUnits(before, groups, first.map((kept) => kept.slice(1)))); // prettier-ignore
  });
});

describe("a factored model", () => {
  const dense = draw(models[1]![1]);
  const factorize = (rate: number) => svd.apply(dense, svd.options.parse({ rate }), plainLab);

  it.each([
    ["keeps its factors", [3, 1], "sliced of factored"],
    ["multiplies factors that would store more than their product", [1, 3], "sliced"],
  ] as const)("%s", async (_, [kept, lost], storage) => {
    const before = await factorize(0.5);
    const groups = groupsOf(before);
    const units = groups.map(({ units: all }) =>
      [...Array(all).keys()].filter((unit) => unit % (kept + lost) < kept),
    );
    const cut = keepUnits(before, groups, units);
    checkTensors("the result", cut.shape, cut.tensors);
    const slot = listMatrixSlots(cut.shape).find(
      ({ matrix }) => matrix.role === "layers.0.self_attn.q_proj",
    )!;
    expect(describeStorage(slot.stored[0]!)).toBe(storage);
    // The same units of the matrices that the factors are.
    const plain = { shape: dense.shape, tensors: new Map(dense.tensors) };
    for (const [name, data] of denseOf(before))
      plain.tensors.set(name, { shape: dense.tensors.get(name)!.shape, data });
    const wanted = denseOf(keepUnits(plain, groupsOf(plain), units));
    for (const [name, data] of denseOf(cut))
      data.forEach((each, i) => expect(each, name).toBeCloseTo(wanted.get(name)![i]!, 5));
  });

  it("lowers its rank when it is factorized again, as the best approximation of its product", async () => {
    const [before, direct] = [await factorize(0.4), await factorize(0.7)];
    const rankOf = ({ shape }: Checkpoint, role: string) => shape.representations[role]!.options["rank"];
    const role = "layers.0.mlp.up_proj";
    expect(rankOf(before, role)).toBe(5);
    const after = await svd.apply(before, svd.options.parse({ rate: 0.5 }), plainLab);
    expect(rankOf(after, role)).toBe(2);
    expect(rankOf(direct, role)).toBe(2);
    const name = "model.layers.0.mlp.up_proj.weight";
    const [again, once] = [denseOf(after).get(name)!, denseOf(direct).get(name)!];
    again.forEach((each, i) => expect(each).toBeCloseTo(once[i]!, 5));
  });

  it("is refused where a factor is pruned, or where the matrices of a layer keep different units", async () => {
    const before = await factorize(0.5);
    const pruned = await magnitude.apply(before, magnitude.options.parse({ targets: "*.out" }), plainLab);
    expect(() => groupsOf(pruned)).toThrow(/q_proj\.out is stored as masked/);
    const uneven = withRepresentations(dense.shape, {
      "layers.1.mlp.up_proj": { type: "sliced", options: { outputs: 5 } },
    });
    expect(() => findUnitGroups("Cutting", uneven, options)).toThrow(
      /the matrices of layer 1 do not keep the same channels/,
    );
  });
});
