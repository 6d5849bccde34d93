/** Identical row and diagonal weight compression: the counts of their paper, and properties of the formulas. */
import { describe, expect, it } from "vitest";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input } from "../../../src/backend/graph/op";
import { layerNorm } from "../../../src/backend/graph/ops/normalization";
import { sum } from "../../../src/backend/graph/ops/reduction";
import dwc from "../../../src/backend/methods/dwc";
import irc from "../../../src/backend/methods/irc";
import { listMatrixSlots, type ModelShape, createShape } from "../../../src/backend/models/model";
import { triangleSize } from "../../../src/backend/representations/diagonal";
import tied, { tie, splitTied, type TiedOptions } from "../../../src/backend/representations/tied";
import type { MatrixSpec } from "../../../src/backend/representations/representation";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import { useGrammar } from "../../support/grammar";
import { createLabWithText, plainLab } from "../../support/lab";
import { createUniform } from "../../support/sampleValues";
import { drawModelTensors, createTinyShape } from "../../support/subject";
import { createMatrixSpec } from "../../support/matrix";

const gpt2 = (): ModelShape => createShape({ model_type: "gpt2", vocab_size: 50257 });

const projection = (inputs: number, outputs: number): MatrixSpec =>
  createMatrixSpec(inputs, outputs, { role: "layers.0.self_attn.q_proj", name: "q_proj", purpose: "query" });

const drawn = (size: number, seed: number) => {
  const next = createUniform(seed);
  return Float32Array.from({ length: size }, () => 2 * next() - 1);
};

describe("the counts of the paper, from the shape of GPT-2 small", () => {
  it("14,155,776 scalars of queries and keys become 18,432", () => {
    const { after, before: counts } = irc.plan(gpt2(), irc.options.parse({ rate: 1 }));
    // The bias of a packed matrix, which no paper counts, belongs to its first part.
    const biases = 12 * 3 * 768;
    const folded = after.roles.filter(({ role }) => /[qk]_proj$/.test(role));
    expect(folded.length).toBe(24);
    expect(folded.reduce((total, { stored }) => total + stored, 0) - biases).toBe(18_432);
    expect(counts.total.stored - after.total.stored).toBe(14_155_776 - 18_432);
  });

  it("7,077,888 scalars of values become 9,216", () => {
    const { after, before } = dwc.plan(gpt2(), dwc.options.parse({ rate: 1 }));
    const values = after.roles.filter(({ role }) => /v_proj$/.test(role));
    expect(values.reduce((total, { stored }) => total + stored, 0)).toBe(9_216);
    expect(before.total.stored - after.total.stored).toBe(7_077_888 - 9_216);
  });

  it("a single triangle is half of a matrix, whatever percentage it is called", () => {
    const { after } = dwc.plan(gpt2(), dwc.options.parse({ rate: 1, region: "lower" }));
    const [first] = after.roles.filter(({ role }) => /v_proj$/.test(role));
    expect(first!.stored).toBe(295_296);
  });

  it.each([0.1, 0.25, 0.5, 0.8, 0.99])("a rate of %s leaves the counts of the formulas", (rate) => {
    const width = 768;
    const rows = irc.plan(gpt2(), irc.options.parse({ rate, targets: "layers.3.self_attn.k_proj" })).after;
    const k = Math.round(rate * width);
    const key = rows.roles.find(({ role }) => role === "layers.3.self_attn.k_proj")!;
    expect(key.stored).toBe((width - k) * width + width);
    expect(key.bits).toBe(32 * key.stored + 32);
    const band = dwc.plan(gpt2(), dwc.options.parse({ rate, targets: "layers.3.self_attn.v_proj" })).after;
    const triangle = triangleSize(width);
    const value = band.roles.find(({ role }) => role === "layers.3.self_attn.v_proj")!;
    expect(value.stored).toBe(width + 2 * (triangle - Math.round(rate * triangle)));
  });
});

describe("the effect of tying all rows on attention", () => {
  const [tokens, width, heads] = [7, 12, 3];
  const headDim = width / heads;

  it("scores follow from two numbers per head", () => {
    const matrix = projection(width, width);
    const options: TiedOptions = { fold: "rows", tied: width, seed: 0 };
    const [wq, wk, bq, bk] = [1, 2, 3, 4].map((seed) => drawn(width, seed)) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const x = drawn(tokens * width, 5);
    const project = (w: Float32Array, bias: Float32Array) => {
      const dense = tied.materialize(() => w, matrix, options);
      return Array.from({ length: tokens }, (_, t) =>
        Array.from({ length: width }, (_, j) => {
          let y = bias[j]!;
          for (let i = 0; i < width; i++) y += x[t * width + i]! * dense[i * width + j]!;
          return y;
        }),
      );
    };
    const [q, k] = [project(wq, bq), project(wk, bk)];
    const s = Array.from({ length: tokens }, (_, t) =>
      x.subarray(t * width, (t + 1) * width).reduce((total, each) => total + each, 0),
    );
    for (let head = 0; head < heads; head++) {
      const own = (v: Float32Array) => v.subarray(head * headDim, (head + 1) * headDim);
      const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
        Array.from(a).reduce((total, each, i) => total + each * b[i]!, 0);
      const [a, c] = [dot(own(wq), own(wk)), dot(own(bq), own(wk))];
      for (let i = 0; i < tokens; i++) {
        const range = [head * headDim, (head + 1) * headDim] as const;
        const score = (j: number) => dot(q[i]!.slice(...range), k[j]!.slice(...range));
        // Terms that are the same for all j cancel in the softmax.
        for (let j = 1; j < tokens; j++)
          expect(score(j) - score(0)).toBeCloseTo((a * s[i]! + c) * (s[j]! - s[0]!), 4);
      }
    }
  });

  it("the features of a new norm sum to zero, so attention is initially uniform", () => {
    const normed = layerNorm(input("x", [tokens, width]), input("gamma", [width]), input("beta", [width]), {
      epsilon: 1e-5,
    });
    const total = sum(normed, { axes: [1], keepDims: false });
    const feeds = {
      x: [...drawn(tokens * width, 8)],
      gamma: new Array<number>(width).fill(1),
      beta: new Array<number>(width).fill(0),
    };
    for (const each of evaluateGraph({ outputs: { total } }, feeds)["total"]!)
      expect(Math.abs(each)).toBeLessThan(1e-9);
  });
});

it("selects one of the tied rows, or their mean, which minimizes the distance", () => {
  const matrix = projection(10, 4);
  const dense = drawn(40, 6);
  const options: TiedOptions = { fold: "rows", tied: 6, seed: 2 };
  const { tied: rows } = splitTied(matrix, options);
  const distance = (shares: number[]) => {
    const { data } = tie(dense, matrix, options, shares);
    const made = tied.materialize(() => data, matrix, options);
    return made.reduce((total, each, i) => total + (each - dense[i]!) ** 2, 0);
  };
  const one = rows.map((_, i) => Number(i === 0));
  const donor = tie(dense, matrix, options, one).data.subarray(-4);
  expect(donor).toEqual(dense.subarray(rows[0]! * 4, rows[0]! * 4 + 4));
  expect(distance(rows.map(() => 1 / 6))).toBeLessThan(distance(one));
});

describe("the diagonals of grouped queries", () => {
  // Two query heads of 4 for each of two key-value heads.
  const shape = createTinyShape("llama", { hidden_size: 16, num_attention_heads: 4, num_key_value_heads: 2 });
  const before = { shape, tensors: drawModelTensors(shape, 4) };
  const role = "layers.0.self_attn.v_proj";
  const valuesOf = ({ shape: own, tensors }: Checkpoint) => {
    const { stored } = listMatrixSlots(own).find(({ matrix }) => matrix.role === role)!;
    const [{ matrix, representation, options, type }] = stored as [(typeof stored)[0]];
    return {
      type,
      dense: representation.materialize((name) => tensors.get(name)!.data as Float32Array, matrix, options),
    };
  };
  const was = valuesOf(before).dense;

  it("read every feature once, by the key-value head of its query head", async () => {
    const after = await dwc.apply(before, dwc.options.parse({ per_head: true }), plainLab);
    const { type, dense } = valuesOf(after);
    expect(type).toBe("diagonal");
    dense.forEach((each, i) => {
      const [row, column] = [Math.floor(i / 8), i % 8];
      const [queryHead, inHead] = [Math.floor(row / 4), row % 4];
      const isKept = column === Math.floor(queryHead / 2) * 4 + inHead;
      expect(each).toBe(isKept ? was[i] : 0);
    });
    expect(
      dwc.plan(shape, dwc.options.parse({ per_head: true })).after.roles.find((each) => each.role === role)!
        .stored,
    ).toBe(16);
  });

  it.each(["band", "magnitude", "random"])("lose the share of the other entries, by %s", async (order) => {
    const stored = (model: Checkpoint) => valuesOf(model).dense.filter((each) => each !== 0).length;
    const at = (rate: number) =>
      dwc.apply(before, dwc.options.parse({ per_head: true, order, rate }), plainLab);
    expect(valuesOf(await at(0)).dense).toEqual(was);
    const kept = stored(await at(0.5));
    expect(Math.abs(kept - 16 - (128 - 16) / 2)).toBeLessThanOrEqual(1);
    expect(stored(await at(1))).toBe(16);
  });

  it("are refused without per_head, whatever the order, and for matrices that are not values", () => {
    for (const order of ["band", "magnitude", "random"])
      expect(() => dwc.plan(shape, dwc.options.parse({ order, rate: 0.9 }))).toThrow(/Set per_head: true/);
    const down = { targets: "layers.*.mlp.down_proj", order: "magnitude", rate: 0.9, per_head: true };
    expect(() => dwc.plan(shape, dwc.options.parse(down))).toThrow(
      /so it has no diagonal\. Leave such roles out/,
    );
  });
});

describe("with real text", () => {
  const grammar = useGrammar();

  const seen = { calibration: { samples: 16, batch_size: 4 } };
  const subject = (): Checkpoint => {
    const shape = createTinyShape("gpt2");
    return { shape, tensors: drawModelTensors(shape, 4) };
  };

  /** Σ |x·W − x·W̃|² of a part over the text that calibration reads. */
  async function lost(before: Checkpoint, after: Checkpoint, part: string): Promise<number> {
    const role = part.replace(/[qkv]_proj/, "qkv_proj");
    const lab = createLabWithText(grammar.engine, grammar.data);
    const gram = (x: ReturnType<typeof input>) => ({ rows: x });
    const sums = await lab.observe(before, new Map([[role, gram]]), { samples: 4, batch_size: 4 });
    const x = sums.get(role)!["rows"]!;
    const width = 16;
    const matrixOf = ({ shape, tensors }: Checkpoint) => {
      const source = (name: string) => tensors.get(name)!.data as Float32Array;
      for (const { matrix, stored } of listMatrixSlots(shape))
        for (const { matrix: own, representation, options } of stored) {
          if (own.role === part) return representation.materialize(source, own, options);
          if (matrix.role === role && own.role === role) {
            const dense = representation.materialize(source, own, options);
            const { from } = matrix.parts!.find(({ role: each }) => each === part)!;
            return Float32Array.from(
              { length: width * width },
              (_, i) => dense[Math.floor(i / width) * own.outputs + from + (i % width)]!,
            );
          }
        }
      throw new Error(`There is no ${part}.`);
    };
    const [w, made] = [matrixOf(before), matrixOf(after)];
    let total = 0;
    for (let t = 0; t < x.length / width; t++)
      for (let j = 0; j < width; j++) {
        let difference = 0;
        for (let i = 0; i < width; i++)
          difference += x[t * width + i]! * (w[i * width + j]! - made[i * width + j]!);
        total += difference ** 2;
      }
    return total;
  }

  it("least squares preserve the products of the text better than a sampled row, a mean or a copied diagonal", async () => {
    const before = subject();
    const lab = createLabWithText(grammar.engine, grammar.data);
    const one = { calibration: { samples: 4, batch_size: 4 } };
    const q = "layers.1.self_attn.q_proj";
    const rows = async (donor: string) =>
      lost(
        before,
        await irc.apply(before, irc.options.parse({ rate: 0.6, donor, targets: q, ...one }), lab),
        q,
      );
    const [lsq, mean, random] = [await rows("lsq"), await rows("mean"), await rows("random")];
    expect(lsq).toBeLessThan(mean);
    expect(lsq).toBeLessThan(random);
    const v = "layers.1.self_attn.v_proj";
    for (const rate of [0.5, 1]) {
      const diagonal = async (fit: string) =>
        lost(before, await dwc.apply(before, dwc.options.parse({ rate, fit, targets: v, ...one }), lab), v);
      expect(await diagonal("lsq")).toBeLessThan(await diagonal("copy"));
    }
  });

  it("draws fitted rows toward their mean, and stores a seed only where it chooses rows", async () => {
    const before = subject();
    const lab = createLabWithText(grammar.engine, grammar.data, { seed: 2 ** 40 + 7 });
    const q = { targets: "layers.1.self_attn.q_proj", calibration: { samples: 4, batch_size: 4 } };
    const tied = async (given: object) =>
      irc.apply(before, irc.options.parse({ rate: 1, donor: "lsq", ...q, ...given }), lab);
    const row = ({ tensors }: Checkpoint) =>
      [...tensors].find(([name]) => name.endsWith("q_proj.tied_weight"))![1].data as Float32Array;
    const mean = row(await tied({ donor: "mean" }));
    const far = async (damping: number) => {
      const fitted = row(await tied({ damping }));
      return fitted.reduce((sum, each, i) => sum + (each - mean[i]!) ** 2, 0);
    };
    expect(await far(1)).toBeLessThan(await far(0));
    expect(await far(1e6)).toBeLessThan(1e-8);
    const options = ({ shape }: Checkpoint) => shape.representations["layers.1.self_attn.q_proj"]!.options;
    expect(options(await tied({}))).toEqual({ fold: "rows", tied: 16 });
    expect(options(await tied({ rate: 0.5 }))).toEqual({ fold: "rows", tied: 8, seed: 7 });
    // 32 bits hold the seed.
    const half = irc.plan(before.shape, irc.options.parse({ rate: 0.5, ...q }));
    const { stored, bits } = half.after.roles.find(({ role }) => role === "layers.1.self_attn.q_proj")!;
    expect(bits).toBe(32 * stored + 32);
    expect(() => irc.options.parse({ seed: 2 ** 32 })).toThrow(/4294967295/);
  });

  it("depends only on the seed", async () => {
    const before = subject();
    const options = irc.options.parse({ rate: 0.5, donor: "lsq", ...seen });
    const at = (seed: number) =>
      irc.apply(before, options, createLabWithText(grammar.engine, grammar.data, { seed }));
    expect(await at(3)).toEqual(await at(3));
    expect(await at(3)).not.toEqual(await at(4));
  });

  it("stops on request", async () => {
    const signal = AbortSignal.abort();
    const options = dwc.options.parse({ fit: "lsq", ...seen });
    await expect(
      dwc.apply(subject(), options, createLabWithText(grammar.engine, grammar.data, { signal })),
    ).rejects.toMatchObject({
      code: "cancelled",
    });
  });
});
