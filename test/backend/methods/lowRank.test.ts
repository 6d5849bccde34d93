/** Compares factorizations with the singular values that bound their error. */
import { describe, expect, it } from "vitest";
import cluster from "../../../src/backend/methods/cluster";
import kron, { approximateChain } from "../../../src/backend/methods/kron";
import { multiply, transpose } from "../../../src/backend/compression/algebra/linearAlgebra";
import { computeSingularValues } from "../../../src/backend/compression/algebra/lowRank";
import { loopAlgebra } from "../../../src/backend/compression/algebra/products";
import rtn from "../../../src/backend/methods/rtn";
import svd from "../../../src/backend/methods/svd";
import { listMatrixSlots } from "../../../src/backend/models/model";
import mpo, {
  createCores,
  type MpoOptions,
  computeSiteOrder,
  countCoreScalars,
  computeWidestBonds,
} from "../../../src/backend/representations/mpo";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import { createTinyShape } from "../../support/subject";
import { applied, correlated, denseOf, errorOf, labWithInputs, role, sizesOf, tiny } from "./shrinkSamples";

const before = tiny();
const [inputs, outputs] = sizesOf(before);
const dense = denseOf(before);
const x = correlated(60, inputs, 8);
const lab = labWithInputs(x, inputs);

const singularValuesOf = async (a: ArrayLike<number>, m: number, n: number) => ({
  values: await computeSingularValues(loopAlgebra, a, [m, n]),
});

const tail = (values: Float64Array, from: number) =>
  values.slice(from).reduce((sum, each) => sum + each ** 2, 0);

function optionsOf({ shape }: Checkpoint): Readonly<Record<string, unknown>> {
  const slot = listMatrixSlots(shape).find(({ matrix }) => matrix.role === role)!;
  return slot.stored[0]!.options as Readonly<Record<string, unknown>>;
}

describe("low rank", () => {
  it("has an error of the tail of the singular values, or those of the products if whitened", async () => {
    const plain = await applied(svd, { rate: 0.6 }, before);
    const rank = optionsOf(plain)["rank"] as number;
    expect(rank).toBe(Math.floor((0.4 * inputs * outputs) / (inputs + outputs)));
    const { values } = await singularValuesOf(dense, inputs, outputs);
    expect(errorOf(dense, denseOf(plain), outputs)).toBeCloseTo(tail(values, rank), 5);

    const white = denseOf(await applied(svd, { rate: 0.6, whiten: true }, before, lab));
    const seen = await singularValuesOf(multiply(x, dense, [60, inputs, outputs]), 60, outputs);
    const error = errorOf(dense, white, outputs, x);
    expect(error / tail(seen.values, rank)).toBeCloseTo(1, 3);
    expect(error).toBeLessThan(errorOf(dense, denseOf(plain), outputs, x));
  });

  it("whitened by independent inputs equals the plain one", async () => {
    const identity = Float64Array.from({ length: inputs ** 2 }, (_, i) => Number(i % (inputs + 1) === 0));
    const own = denseOf(
      await applied(svd, { rate: 0.5, whiten: true }, before, labWithInputs(identity, inputs)),
    );
    const plain = denseOf(await applied(svd, { rate: 0.5 }, before));
    own.forEach((each, i) => expect(each).toBeCloseTo(plain[i]!, 4));
  });

  it("centered has an error of the tail of the mean-centered products, and folds their mean into the bias", async () => {
    // Inputs far from zero, like those of the second matrix of a feed-forward layer.
    const shifted = x.map((each, i) => each + ((i % inputs) % 3) - 0.5);
    const text = labWithInputs(shifted, inputs);
    const given = { rate: 0.8, whiten: true };
    const after = await applied(svd, { ...given, center: true }, before, text);
    const rank = optionsOf(after)["rank"] as number;
    const bias = after.tensors.get("model.layers.0.mlp.up_proj.bias")!.data;

    const products = multiply(shifted, dense, [60, inputs, outputs]);
    const mean = Float64Array.from({ length: outputs }, (_, j) =>
      products.reduce((sum, each, i) => sum + (i % outputs === j ? each / 60 : 0), 0),
    );
    const centered = await singularValuesOf(
      products.map((each, i) => each - mean[i % outputs]!),
      60,
      outputs,
    );
    const own = multiply(shifted, denseOf(after), [60, inputs, outputs]);
    const error = products.reduce((sum, each, i) => sum + (each - own[i]! - bias[i % outputs]!) ** 2, 0);
    expect(error / tail(centered.values, rank)).toBeCloseTo(1, 3);
    const plain = denseOf(await applied(svd, given, before, text));
    expect(error).toBeLessThan(errorOf(dense, plain, outputs, shifted));
    // The mean itself is preserved.
    const lost = multiply(shifted, denseOf(after), [60, inputs, outputs]);
    for (let j = 0; j < outputs; j++) {
      const found = lost.reduce((sum, each, i) => sum + (i % outputs === j ? each / 60 : 0), 0);
      expect(found + bias[j]!).toBeCloseTo(mean[j]!, 4);
    }
  });

  it("counts the biases that it creates, adds to existing ones, and reports where they are impossible", async () => {
    const given = { rate: 0.5, whiten: true, center: true };
    const options = (own: object) => svd.options.parse({ ...given, ...own });
    const { before: was, after } = svd.plan(before.shape, options({ targets: role }));
    const plain = svd.plan(before.shape, options({ targets: role, center: false })).after;
    expect(after.total.stored - plain.total.stored).toBe(
      listMatrixSlots(before.shape)
        .filter(({ matrix }) => matrix.role.includes(".mlp."))
        .reduce((sum, { matrix }) => sum + matrix.outputs, 0),
    );
    expect(was.total.stored).toBeGreaterThan(after.total.stored);

    const gpt2 = tiny("gpt2");
    const part = "layers.0.self_attn.k_proj";
    const width = 2 * sizesOf(gpt2)[0];
    const text = correlated(60, sizesOf(gpt2)[0], 8).map((each) => each + 1);
    const split = await applied(
      svd,
      { ...given, targets: part },
      gpt2,
      labWithInputs(text, sizesOf(gpt2)[0]),
    );
    const name = "transformer.h.0.attn.c_attn.bias";
    const changed = [...split.tensors.get(name)!.data].map(
      (each, i) => each !== gpt2.tensors.get(name)!.data[i],
    );
    expect(changed).toEqual(changed.map((_, i) => i >= width / 2 && i < width));

    expect(() => svd.plan(before.shape, options({ targets: "embed_tokens" }))).toThrow(
      /cannot be applied to embed_tokens/,
    );
    const untied = createTinyShape("gpt2", { tie_word_embeddings: false });
    expect(() => svd.plan(untied, options({ targets: "lm_head" }))).toThrow(
      /lm_head has no bias.*center: false/,
    );
    expect(svd.options.safeParse({ center: true }).error?.message).toMatch(/Set whiten: true/);
  });

  it("accepts text that lacks some directions", async () => {
    const few = correlated(2, inputs, 3);
    const after = denseOf(
      await applied(svd, { rate: 0.5, whiten: true }, before, labWithInputs(few, inputs)),
    );
    expect(after.every(Number.isFinite)).toBe(true);
    expect(errorOf(dense, after, outputs, few)).toBeLessThan(
      1e-3 *
        errorOf(
          dense,
          dense.map(() => 0),
          outputs,
          few,
        ),
    );
  });

  it("by energy stores no more scalars and loses no more energy over all matrices", async () => {
    const targets = "layers.*.mlp.*";
    const model = tiny();
    // One matrix of rank one among others: equal ranks waste scalars on it.
    const name = [...model.tensors.keys()].find((each) => each.includes("layers.1.mlp.down_proj"))!;
    const { shape, data } = model.tensors.get(name)! as { shape: readonly number[]; data: Float32Array };
    data.forEach(
      (_, i) => (data[i] = Math.sin(Math.floor(i / shape[1]!) + 1) * Math.cos((i % shape[1]!) + 1)),
    );
    const lost = async (ranks: string) => {
      const after = await applied(svd, { targets, rate: 0.7, ranks }, model);
      let [energy, scalars] = [0, 0];
      for (const { matrix, stored } of listMatrixSlots(after.shape)) {
        if (!/mlp/.test(matrix.role)) continue;
        const { representation, options } = stored[0]!;
        const now = representation.materialize(
          (each) => after.tensors.get(each)!.data as Float32Array,
          matrix,
          options,
        );
        const was = listMatrixSlots(model.shape)
          .find((slot) => slot.matrix.role === matrix.role)!
          .stored[0]!.representation.materialize(
            (each) => model.tensors.get(each)!.data as Float32Array,
            matrix,
            {},
          );
        energy += errorOf(was, now, matrix.outputs) / was.reduce((sum, each) => sum + each ** 2, 0);
        scalars += representation.count(matrix, options).stored;
      }
      return { energy, scalars };
    };
    const [even, byEnergy] = [await lost("even"), await lost("energy")];
    expect(byEnergy.scalars).toBeLessThanOrEqual(even.scalars);
    expect(byEnergy.energy).toBeLessThan(even.energy);
  });
});

describe("Kronecker products", () => {
  it("have an error of the tail of the rearranged matrix's singular values, and none for a true product", async () => {
    const b = [2, 4] as const;
    const after = await applied(kron, { rate: 0.5, b }, before);
    const { sites, bonds } = optionsOf(after) as unknown as MpoOptions;
    expect(sites).toEqual([[inputs / 2, outputs / 4], b]);
    const a = sites[0]!;
    const rearranged = Float64Array.from({ length: dense.length }, (_, place) => {
      const [block, inside] = [Math.floor(place / 8), place % 8];
      const [i1, j1] = [Math.floor(block / a[1]), block % a[1]];
      const [i2, j2] = [Math.floor(inside / 4), inside % 4];
      return dense[(i1 * 2 + i2) * outputs + j1 * 4 + j2]!;
    });
    const { values } = await singularValuesOf(rearranged, a[0] * a[1], 8);
    expect(errorOf(dense, denseOf(after), outputs)).toBeCloseTo(tail(values, bonds[0]!), 5);

    const model = tiny();
    const name = [...model.tensors.keys()].find((each) => each.includes("layers.0.mlp.up_proj"))!;
    const own = correlated(a[0], a[1], 1);
    const other = correlated(2, 4, 2);
    const product = Float64Array.from({ length: dense.length }, (_, place) => {
      const [i, j] = [Math.floor(place / outputs), place % outputs];
      return own[Math.floor(i / 2) * a[1] + Math.floor(j / 4)]! * other[(i % 2) * 4 + (j % 4)]!;
    });
    (model.tensors.get(name)!.data as Float32Array).set(transpose(product, inputs, outputs));
    const single = await applied(kron, { rate: 1, b }, model);
    expect(optionsOf(single)["bonds"]).toEqual([1]);
    const target = denseOf(model);
    expect(errorOf(target, denseOf(single), outputs)).toBeLessThan(
      1e-10 * target.reduce((sum, each) => sum + each ** 2, 0),
    );
  });

  it("of three sites lose at least the largest tail of a bond, at most all tails, and less at higher ranks", async () => {
    const total = dense.reduce((sum, each) => sum + each ** 2, 0);
    let last = Infinity;
    for (const rate of [0.9, 0.7, 0.5, 0.3, 0.1]) {
      const after = await applied(kron, { rate, sites: 3 }, before);
      const own = optionsOf(after) as unknown as MpoOptions;
      expect(own.sites).toHaveLength(3);
      expect(countCoreScalars(own)).toBeLessThanOrEqual((1 - rate) * inputs * outputs);
      const bySite = Float64Array.from(computeSiteOrder(own.sites), (place) => dense[place]!);
      const tailOf = async (bond: number, k: number) => {
        const left = own.sites.slice(0, k + 1).reduce((all, [i, o]) => all * i * o, 1);
        return tail((await singularValuesOf(bySite, left, bySite.length / left)).values, bond);
      };
      const tails = await Promise.all(own.bonds.map(tailOf));
      const error = errorOf(dense, denseOf(after), outputs);
      expect(error).toBeGreaterThan(Math.max(...tails) - 1e-6 * total);
      expect(error).toBeLessThan(tails.reduce((sum, each) => sum + each, 0) + 1e-6 * total);
      expect(error).toBeLessThan(last);
      last = error;
    }
  });

  it("of three sites recover a product of three, and lose nothing with the widest bonds", async () => {
    const model = tiny();
    const name = [...model.tensors.keys()].find((each) => each.includes("layers.0.mlp.up_proj"))!;
    const { sites } = optionsOf(await applied(kron, { rate: 0.5, sites: 3 }, model)) as unknown as MpoOptions;
    const factors = sites.map(([i, o], k) => correlated(i, o, k + 1));
    const [second, third] = [sites[1]![0] * sites[1]![1], sites[2]![0] * sites[2]![1]];
    const product = new Float64Array(dense.length);
    computeSiteOrder(sites).forEach((place, i) => {
      const [one, two, three] = [Math.floor(i / second / third), Math.floor(i / third) % second, i % third];
      product[place] = factors[0]![one]! * factors[1]![two]! * factors[2]![three]!;
    });
    (model.tensors.get(name)!.data as Float32Array).set(transpose(product, inputs, outputs));
    const single = await applied(kron, { rate: 1, sites: 3 }, model);
    expect(optionsOf(single)["bonds"]).toEqual([1, 1]);
    const [target, found] = [denseOf(model), denseOf(single)];
    const size = target.reduce((sum, each) => sum + each ** 2, 0);
    expect(errorOf(target, found, outputs)).toBeLessThan(1e-10 * size);

    const bonds = computeWidestBonds(sites);
    const bySite = Float64Array.from(computeSiteOrder(sites), (place) => dense[place]!);
    const { chain } = await approximateChain(loopAlgebra, bySite, { sites, bonds }, role);
    const cores = new Map(
      createCores({ name: "w" }, { sites, bonds }).map((core, k) => [
        core.name,
        Float32Array.from(chain[k]!),
      ]),
    );
    const { matrix } = listMatrixSlots(before.shape).find((slot) => slot.matrix.role === role)!;
    const own = mpo.materialize((core) => cores.get(core.replace(matrix.name, "w"))!, matrix, {
      sites,
      bonds,
    });
    expect(errorOf(dense, own, outputs)).toBeLessThan(
      1e-10 * dense.reduce((sum, each) => sum + each ** 2, 0),
    );
  });

  it("report that `b` is for two factors", () => {
    expect(kron.options.safeParse({ sites: 3, b: [1, 2] }).error?.message).toMatch(/Set sites: 2/);
  });

  it("are refused if the factors do not divide the size", () => {
    const options = kron.options.parse({ targets: role, b: [5, 1] }) as never;
    expect(() => kron.plan(before.shape, options)).toThrow(/not divisible/);
  });
});

describe("low-rank compensation", () => {
  it("has an error of the tail of the rounding error's singular values, and none at full rank", async () => {
    const rounded = denseOf(await applied(rtn, { bits: 2 }, before));
    const lost = await singularValuesOf(
      Float64Array.from(dense, (each, i) => each - rounded[i]!),
      inputs,
      outputs,
    );
    let last = Infinity;
    for (const residual of [1, 3, 6, Math.min(inputs, outputs)]) {
      const error = errorOf(dense, denseOf(await applied(rtn, { bits: 2, residual }, before)), outputs);
      expect(error).toBeCloseTo(tail(lost.values, residual), 5);
      expect(error).toBeLessThan(last);
      last = error;
    }
    expect(last).toBeLessThan(1e-8);
  });
});

describe("clustering", () => {
  it("keeps a matrix of few values exactly, and improves with more clusters and more iterations", async () => {
    const few = tiny();
    const name = [...few.tensors.keys()].find((each) => each.includes("layers.0.mlp.up_proj"))!;
    const { data } = few.tensors.get(name)! as { data: Float32Array };
    data.forEach((_, i) => (data[i] = Math.fround([-0.5, 0.1, 0.7][i % 3]!)));
    expect(denseOf(await applied(cluster, { clusters: 3, as: "published" }, few))).toEqual(denseOf(few));
    const error = async (clusters: number, iterations: number) =>
      errorOf(
        dense,
        denseOf(await applied(cluster, { clusters, iterations, as: "published" }, before)),
        outputs,
      );
    expect(await error(8, 50)).toBeLessThan(await error(8, 1));
    expect(await error(32, 50)).toBeLessThan(await error(8, 50));
    const values = new Set(denseOf(await applied(cluster, { clusters: 8, as: "published" }, before)));
    expect(values.size).toBeLessThanOrEqual(8);
  });
});
