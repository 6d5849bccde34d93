import { describe, expect, it } from "vitest";
import type { RunFigures } from "../../../src/backend/card/figures";
import { createScalingSection } from "../../../src/backend/report/scalingLaw";
import type { RunPlan } from "../../../src/protocol/run";

const sizes = [1e4, 3e4, 1e5, 3e5, 1e6];
const lossOf = (size: number) => 1.5 + 120 * size ** -0.4;

function createPlan(scalingLaw: unknown): RunPlan {
  const steps = [
    { index: 0, action: "report", options: { scaling_law: scalingLaw }, key: "" },
  ] as unknown as RunPlan["steps"];
  return {
    experiment: "sizes.lathe.md",
    name: "sizes",
    folder: ".",
    variant: "",
    sweep: {},
    seed: 0,
    device: "cpu",
    data: undefined,
    model: undefined,
    baseModel: undefined,
    steps,
  };
}

function createRun(size: number, loss: number, variant = ""): RunFigures {
  return {
    variant,
    scale: undefined,
    point: `model.n_embd ${size}`,
    seed: 0,
    values: { "parameters/non_embedding": size, "eval/loss": loss },
    tokens: 1000 * size,
  };
}

const runs = sizes.map((size) => createRun(size, lossOf(size)));
const create = (options: unknown, figures = runs, entropy?: number) =>
  createScalingSection([createPlan(options)], figures, entropy)!;

describe("the scaling law of a report", () => {
  it("states the law, the prediction of the largest size, the size of a target and the known floor", () => {
    const { tables, conclusions, figures } = create({ targets: [2, 1.4] }, runs, 1.5);
    expect(conclusions).toEqual([
      expect.stringMatching(
        /^eval\/loss = 1\.5\d* \+ 12\d(?:\.\d+)? · parameters\/non_embedding\^−0\.4\d*, fitted to the runs; the floor is between 1\.\d+ and 1\.\d+ \(95 %\)\.$/,
      ),
      expect.stringMatching(
        /^The entropy rate of the text is 1\.5 nats per token, (within|outside) the interval/,
      ),
      expect.stringMatching(
        /^At 1M, which was not fitted, the law predicts eval\/loss 1\.97\d*; measured was 1\.97\d*/,
      ),
      expect.stringMatching(/^To reach eval\/loss 2 takes parameters\/non_embedding of about 8\d\dk\.$/),
      expect.stringMatching(/^No size reaches eval\/loss 1\.4: it is not above the floor/),
    ]);
    const [table] = tables;
    expect(table).toMatchObject({ kind: "table", title: "Scaling law of eval/loss" });
    const [figure] = figures;
    expect(figure!.lines).toHaveLength(1 + sizes.length);
    for (const [, measured, fitted] of figure!.lines.slice(1))
      expect(Number(fitted) / Number(measured)).toBeCloseTo(1, 2);
    expect(figure!.picture.marks).toHaveLength(sizes.length);
  });

  it("reports sizes that did not help", () => {
    const flat = sizes.map((size, i) => createRun(size, i === 2 ? lossOf(sizes[1]!) + 0.4 : lossOf(size)));
    expect(create({ hold_out: 0 }, flat).conclusions).toContainEqual(
      expect.stringMatching(
        /^Plateau: eval\/loss rose by 0\.4\d* from parameters\/non_embedding of 30k to 100k\./,
      ),
    );
  });

  it("reports what is missing where there are too few sizes, and fits only the named variants", () => {
    const [conclusion] = create({}, runs.slice(0, 3)).conclusions;
    expect(conclusion).toBe(
      "There is no scaling law of eval/loss yet: it takes runs of at least 4 sizes, and there are 3. Sweep over a key that changes parameters/non_embedding.",
    );
    const others = [...runs, createRun(5e5, 9, "broken")];
    expect(create({ variants: [""] }, others).tables).toEqual(create({}).tables);
    expect(createScalingSection([createPlan(undefined)], runs, undefined)).toBeUndefined();
  });

  it("fits tokens in the place of parameters", () => {
    expect(create({ size: "tokens" }).conclusions[0]).toMatch(/· tokens\^−0\.4/);
  });
});
