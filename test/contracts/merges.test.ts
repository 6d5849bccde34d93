/** What every method of merging has to do, whatever it computes. */
import { describe, expect, it } from "vitest";
import { mergeMethods } from "../../src/backend/merging/catalog";
import type { MergePlace } from "../../src/backend/merging/mergeMethod";
import { drawNormals } from "../support/normals";

const place: MergePlace = { name: "model.layers.1.mlp.up_proj.weight", depth: 0.5, seed: 7 };
const size = 600;
const cases = Object.entries(mergeMethods).flatMap(([name, method]) =>
  method.samples.map((sample) => ({
    name,
    method,
    sample,
    options: method.options.parse(sample) as unknown,
  })),
);

describe.each(cases)("$name with $sample", ({ method, options }) => {
  const current = drawNormals(size, 1);
  const others = method.models(options).map((_, k) => drawNormals(size, 2 + k));

  it("changes neither input, and gives the same for the same seed", () => {
    const before = [current, ...others].map((each) => Float32Array.from(each));
    const merged = method.merge(current, others, options, place);
    expect([current, ...others]).toEqual(before);
    expect(merged).toHaveLength(size);
    expect(method.merge(current, others, options, place)).toEqual(merged);
    expect(merged).not.toEqual(current);
  });

  it("returns the model itself where all are equal", () => {
    const same = others.map(() => Float32Array.from(current));
    const merged = method.merge(current, same, options, place);
    // The weights of a mean that is not normalized add up to 1 in its sample: 0.5, and half of the way from 0 to 1.
    for (const [i, value] of merged.entries()) expect(value).toBeCloseTo(current[i]!, 5);
  });
});

describe("spherical interpolation", () => {
  const { merge, options } = mergeMethods["slerp"]!;
  const [a, b] = [drawNormals(size, 11), drawNormals(size, 12)];
  const at = (t: number) => merge(a, [b], options.parse({ model: "b", t }), place);

  it("starts at the current model and ends at the other, exactly", () => {
    expect(at(0)).toEqual(a);
    expect(at(1)).toEqual(b);
  });

  it("keeps the norm between models of the same norm", () => {
    const scale = norm(a) / norm(b);
    const equal = b.map((value) => value * scale);
    const merged = merge(a, [equal], options.parse({ model: "b", t: 0.4 }), place);
    expect(norm(merged) / norm(a)).toBeCloseTo(1, 5);
  });
});

describe("signs that do not agree", () => {
  const current = Float32Array.from([1, 1, 1, 1]);
  const others = [
    [3, 0, 1.5, 1],
    [2, 2, 0, 1],
  ].map((each) => Float32Array.from(each));
  const models = [{ model: "a" }, { model: "b" }];

  it("are left out of the mean of TIES", () => {
    const { merge, options } = mergeMethods["ties"]!;
    // Task vectors 2, −1, 0.5, 0 and 1, 1, −1, 0: the signs +, + (a sum of 0), − and + (nothing there) are elected.
    const merged = merge(current, others, options.parse({ models, density: 1 }), place);
    expect([...merged]).toEqual([1 + 1.5, 1 + 1, 1 - 1, 1]);
  });

  it("cancel in task arithmetic", () => {
    const { merge, options } = mergeMethods["task_arithmetic"]!;
    const merged = merge(current, others, options.parse({ models }), place);
    expect([...merged]).toEqual([4, 1, 0.5, 1]);
  });
});

describe("dropping at random", () => {
  const { merge, options } = mergeMethods["dare_linear"]!;
  const many = 20_000;
  const base = new Float32Array(many);
  const other = drawNormals(many, 5);

  it("keeps the density's share, divided by it, and depends on the seed and the tensor", () => {
    const parsed = options.parse({ models: [{ model: "a" }], density: 0.3 }) as unknown;
    const merged = merge(base, [other], parsed, place);
    const kept = merged.reduce((count, value) => count + (value === 0 ? 0 : 1), 0);
    // Three standard deviations of a binomial.
    expect(Math.abs(kept / many - 0.3)).toBeLessThan(3 * Math.sqrt((0.3 * 0.7) / many));
    for (const [i, value] of merged.entries()) if (value !== 0) expect(value).toBeCloseTo(other[i]! / 0.3, 4);
    expect(merge(base, [other], parsed, { ...place, seed: 8 })).not.toEqual(merged);
    expect(merge(base, [other], parsed, { ...place, name: "another" })).not.toEqual(merged);
  });
});

function norm(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}
