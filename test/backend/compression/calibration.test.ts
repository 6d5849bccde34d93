/** Calibration reads exactly the sequences that are asked for, and its results do not depend on the batch size. */
import { describe, expect, it } from "vitest";
import { readCalibrationBatches } from "../../../src/backend/compression/calibration/batches";
import { computeGradients } from "../../../src/backend/compression/calibration/gradients";
import { observe, type Tap } from "../../../src/backend/compression/calibration/observe";
import { sum, sumSquares } from "../../../src/backend/graph/ops/reduction";
import { methods } from "../../../src/backend/methods/catalog";
import { createPrepare } from "../../../src/backend/training/objective";
import { useGrammar } from "../../support/grammar";
import { createLabWithText } from "../../support/lab";
import { createTinyShape, drawModelTensors } from "../../support/subject";

const grammar = useGrammar();
const call = () => ({
  engine: grammar.engine,
  train: grammar.data.train,
  seed: 3,
  signal: new AbortController().signal,
  progress: () => undefined,
});
const draw = (family: string) => {
  const shape = createTinyShape(family);
  return { shape, tensors: drawModelTensors(shape, 7) };
};
const [samples, sizes] = [10, [1, 3, 8, 64]] as const;

const distance = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.hypot(...Array.from(a, (each, i) => each - b[i]!)) / Math.hypot(...Array.from(a));

describe("the calibration text", () => {
  it.each(sizes)("is the same sequences in the same order in batches of %d", (batch_size) => {
    const read = (size: number) =>
      [...readCalibrationBatches({ samples, batch_size: size }, call())].flatMap(({ tokens }) => [...tokens]);
    expect(read(batch_size)).toEqual(read(1));
    expect(read(batch_size)).toHaveLength(samples * grammar.data.train.layout.sequenceLength);
  });

  it("is every sequence once where the split has fewer", () => {
    const { train } = grammar.data;
    const batches = [...readCalibrationBatches({ samples: 10_000, batch_size: 7 }, call())];
    expect(batches.reduce((all, { rows }) => all + rows, 0)).toBe(train.sequences);
  });

  it.each(sizes)("gives the same statistics in batches of %d", async (batch_size) => {
    const role = "layers.1.mlp.down_proj";
    const tap: Tap = (x, counted) => ({
      squares: sumSquares(x, { axes: [0], keepDims: false }),
      tokens: sum(counted, { axes: [0], keepDims: false }),
    });
    const read = async (size: number) =>
      (await observe(draw("llama"), new Map([[role, tap]]), { samples, batch_size: size }, call())).get(
        role,
      )!;
    const [one, many] = [await read(1), await read(batch_size)];
    expect(many["tokens"]).toEqual(one["tokens"]);
    expect(distance(many["squares"]!, one["squares"]!)).toBeLessThan(1e-6);
  });
});

describe("gradients on text", () => {
  it.each(["llama", "bert"])("have the mean square over the sequences of %s", async (family) => {
    const model = draw(family);
    const name = [...model.tensors.keys()].find((each) => /down_proj|1.output.dense.weight/.test(each))!;
    const prepare = createPrepare(model.shape, grammar.data.tokenizer);
    const read = async (count: number, batch_size: number) => {
      const given = { samples: count, batch_size };
      const { moments, loss } = await computeGradients(model, new Set([name]), given, { ...call(), prepare });
      return { ...moments.get(name)!, loss };
    };
    // The gradient of the second sequence alone follows from the mean over two.
    const [first, both] = [await read(1, 8), await read(2, 8)];
    first.mean.forEach((g, i) => {
      const second = 2 * both.mean[i]! - g;
      expect(Math.abs(both.meanSquare[i]! - (g ** 2 + second ** 2) / 2)).toBeLessThan(1e-6);
    });
    for (const size of sizes) expect(await read(samples, size)).toEqual(await read(samples, 1));
  });

  it.each<[string, object]>([
    ["mixed", { bits: 3 }],
    // What is fitted to the text is summed in another order in other batches.
    ["llmpruner", { rate: 0.5, importance: "mixed", refit: false }],
  ])("let %s choose the same for every batch size", async (name, given) => {
    const apply = (batch_size: number) => {
      const options = methods[name]!.options.parse({
        ...given,
        calibration: { samples, batch_size },
      }) as unknown;
      return methods[name]!.apply(draw("llama"), options, createLabWithText(grammar.engine, grammar.data));
    };
    const one = await apply(1);
    for (const size of sizes.slice(1)) expect(await apply(size)).toEqual(one);
  });
});
