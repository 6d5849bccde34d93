/** Randomized parameter sharing: what is stored, what trains, and what it costs. */
import { describe, expect, it } from "vitest";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import roast from "../../../src/backend/methods/roast";
import { countModel } from "../../../src/backend/models/accounting";
import { useGrammar } from "../../support/grammar";
import { createLabWithText, plainLab } from "../../support/lab";
import { denseOf, role, sizesOf, tiny } from "./shrinkSamples";

const grammar = useGrammar();
const apply = (given: object, model: Checkpoint = tiny()) =>
  roast.apply(model, roast.options.parse({ targets: role, ...given }), plainLab);
const arrayOf = ({ tensors }: Checkpoint) =>
  [...tensors].find(([name]) => name.endsWith("weight_array"))![1].data as Float32Array;

describe("the compressed matrix", () => {
  it.each([0.25, 0.5, 0.9])("stores the planned share at a rate of %d", async (rate) => {
    const [inputs, outputs] = sizesOf(tiny());
    const after = await apply({ rate });
    expect(arrayOf(after)).toHaveLength(Math.round((1 - rate) * inputs * outputs));
    const plan = roast.plan(tiny().shape, roast.options.parse({ targets: role, rate }));
    expect(countModel(after.shape)).toEqual(plan.after);
    expect(plan.after.roles.find((each) => each.role === role)!.bits).toBe(32 * arrayOf(after).length + 32);
  });

  it("is determined by the seed", async () => {
    const [first, again, other] = await Promise.all([5, 5, 6].map((seed) => apply({ seed })));
    expect(first).toEqual(again);
    expect(denseOf(first!)).not.toEqual(denseOf(other!));
  });

  it("is nearer to the weights when fitted than at random", async () => {
    const dense = denseOf(tiny());
    const error = async (values: string) =>
      denseOf(await apply({ values })).reduce((total, each, i) => total + (each - dense[i]!) ** 2, 0);
    expect(await error("fit")).toBeLessThan(await error("random"));
  });

  it("has the same random weights whatever the standard deviation of the array is", async () => {
    const deviation = (values: Float32Array) =>
      Math.sqrt(values.reduce((total, each) => total + each ** 2, 0) / values.length);
    const found = await Promise.all(
      [0.001, 1].map((array_std) => apply({ values: "random", array_std, seed: 2 })),
    );
    const [narrow, wide] = found.map((each) => deviation(arrayOf(each)));
    expect(wide! / narrow!).toBeCloseTo(1000, 2);
    const [first, second] = found.map(denseOf);
    first!.forEach((each, i) => expect(each).toBeCloseTo(second![i]!, 6));
  });
});

it("trains the array, so that weights that share an entry keep sharing it", async () => {
  const before = await apply({ rate: 0.75, targets: "layers.*.mlp.*" });
  const lab = createLabWithText(grammar.engine, grammar.data);
  const training = { max_steps: 20, per_device_train_batch_size: 4, learning_rate: 0.01 };
  const after = await lab.train(before, training as never);
  expect(after.shape).toEqual(before.shape);
  expect(arrayOf(after)).not.toEqual(arrayOf(before));
  const values = new Set(denseOf(after).map(Math.abs));
  expect(values.size).toBeLessThanOrEqual(arrayOf(after).length);
  expect(await lab.evaluate(after, "eval/loss")).toBeLessThan(await lab.evaluate(before, "eval/loss"));
});

describe("bad input", () => {
  it("a block without blocks is refused with what to do", () => {
    expect(() => roast.options.parse({ block: 8 })).toThrow(/Omit block/);
  });

  it("a block larger than an array is refused in the plan", () => {
    const plan = () =>
      roast.plan(tiny().shape, roast.options.parse({ rate: 0.99, mapping: "blocks", block: 64 }));
    expect(plan).toThrow(/cannot be stored.*block of 64 weights does not fit/s);
  });
});
