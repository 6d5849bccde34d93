import { describe, expect, test } from "vitest";
import { drawFromRange } from "../../../src/backend/experiment/draws";
import { parseExperiment } from "../../../src/backend/experiment/parse";
import { planRuns, type PlanOptions } from "../../../src/backend/experiment/plan";
import { computeRungs } from "../../../src/backend/experiment/search";
import { catalog } from "./sampleCatalog";

const cells = [
  "data: {text: '**/*.ts', sequence_len: 128}",
  "model: {model_type: phi3, hidden_size: 64, num_attention_heads: 4}",
  "train: {max_steps: 810}",
];

const plan = (changes: readonly string[], options: Partial<PlanOptions> = {}) => {
  const text = [...cells, ...changes].map((cell) => `\`\`\`yaml\n${cell}\n\`\`\`\n`).join("\n");
  return planRuns(parseExperiment(text, "search.lathe.md", catalog), { codeVersion: "1", ...options });
};

const fail = (changes: readonly string[]) => {
  try {
    plan(changes);
  } catch (thrown) {
    return (thrown as Error).message;
  }
  throw new Error("The plan was accepted.");
};

const sweep =
  "sweep: {train.learning_rate: {min: 1e-4, max: 1e-2, scale: log}, train.warmup_steps: {min: 0, max: 9, integer: true}, model.hidden_size: [32, 64]}";

describe("random search", () => {
  test("draws so many different combinations, the same each time", () => {
    const plans = plan([sweep, "search: {method: random, runs: 20, seed: 3}"]);
    expect(plans).toHaveLength(20);
    expect(plan([sweep, "search: {method: random, runs: 20, seed: 3}"])).toEqual(plans);
    expect(new Set(plans.map((each) => JSON.stringify(each.sweep))).size).toBe(20);
    expect(new Set(plans.map(({ name }) => name)).size).toBe(20);
    for (const { sweep: point, steps, model } of plans) {
      const rate = point["train.learning_rate"] as number;
      expect(rate).toBeGreaterThanOrEqual(1e-4);
      expect(rate).toBeLessThanOrEqual(1e-2);
      expect(steps[0]!.options).toMatchObject({
        learning_rate: rate,
        warmup_steps: point["train.warmup_steps"],
      });
      expect(Number.isInteger(point["train.warmup_steps"])).toBe(true);
      expect(model!["hidden_size"]).toBe(point["model.hidden_size"]);
    }
  });

  test("the draws of a seed are fixed, so that every machine and version has the same", () => {
    const plans = plan([sweep, "search: {method: random, runs: 3, seed: 0}"]);
    expect(plans.map((each) => each.sweep)).toMatchInlineSnapshot(`
      [
        {
          "model.hidden_size": 32,
          "train.learning_rate": 0.006665,
          "train.warmup_steps": 2,
        },
        {
          "model.hidden_size": 64,
          "train.learning_rate": 0.00204,
          "train.warmup_steps": 4,
        },
        {
          "model.hidden_size": 64,
          "train.learning_rate": 0.002222,
          "train.warmup_steps": 2,
        },
      ]
    `);
  });

  test("another seed draws others, more runs keep the first, another path changes no values", () => {
    const rates = (search: string, from = sweep) =>
      plan([from, search]).map((each) => each.sweep["train.learning_rate"]);
    const few = rates("search: {method: random, runs: 5}");
    expect(rates("search: {method: random, runs: 5, seed: 1}")).not.toEqual(few);
    expect(rates("search: {method: random, runs: 9}").slice(0, 5)).toEqual(few);
    const alone = "sweep: {train.learning_rate: {min: 1e-4, max: 1e-2, scale: log}}";
    expect(rates("search: {method: random, runs: 5}", alone)).toEqual(few);
  });

  test("lists with no more combinations than runs are a grid", () => {
    const lists = "sweep: {train.learning_rate: [1e-3, 3e-4], seed: [0, 1, 2]}";
    expect(plan([lists, "search: {method: random, runs: 50}"])).toEqual(plan([lists]));
    expect(plan([lists, "search: {method: random, runs: 4}"])).toHaveLength(4);
    expect(plan([lists, "search: {method: grid}"])).toEqual(plan([lists]));
  });

  test("every variant gets the same draws; --set takes a path out of them", () => {
    const variants = "variants: {small: {model: {hidden_size: 32}}, large: {}}";
    const rates = "sweep: {train.learning_rate: {min: 1e-4, max: 1e-2, scale: log}}";
    const plans = plan([rates, variants, "search: {method: random, runs: 4}"]);
    expect(plans.map(({ variant }) => variant)).toEqual([
      ...Array<string>(4).fill("small"),
      ...Array<string>(4).fill("large"),
    ]);
    expect(plans.slice(4).map((each) => each.sweep)).toEqual(plans.slice(0, 4).map((each) => each.sweep));
    const set = { "train.learning_rate": 1e-3 };
    expect(plan([rates, "search: {method: random, runs: 4}"], { set })).toHaveLength(1);
  });

  test("ranges cover both ends, whole numbers equally often, and orders of magnitude with scale: log", () => {
    const range = (scale: "log" | "linear", integer: boolean) => ({ min: 1, max: 4, scale, integer });
    const shares = Array.from({ length: 1000 }, (_, i) => i / 1000);
    const draws = shares.map((share) => drawFromRange(range("linear", true), share));
    expect([1, 2, 3, 4].map((value) => draws.filter((draw) => draw === value).length)).toEqual([
      250, 250, 250, 250,
    ]);
    expect(drawFromRange({ min: 1e-4, max: 1e-2, scale: "log", integer: false }, 0.5)).toBe(1e-3);
    expect(drawFromRange({ min: 0, max: 1, scale: "linear", integer: false }, 1 / 3)).toBe(0.3333);
    expect(
      shares.map((share) => drawFromRange(range("log", false), share)).every((x) => x >= 1 && x <= 4),
    ).toBe(true);
  });

  test.each([
    [
      ["sweep: {train.learning_rate: {min: 1e-4, max: 1e-2}}"],
      /:14:30: .*is a range, but a sweep without search/,
    ],
    [["search: {method: random, runs: 5}"], /search has nothing to choose from/],
    [["sweep: {seed: [0, 1]}", "search: {method: random}"], /search needs the key "runs"/],
    [["sweep: {seed: [0, 1]}", "search: {method: bayes}"], /Allowed: grid, random, halving/],
    [
      ["sweep: {seed: {min: 3, max: 1}}", "search: {method: random, runs: 2}"],
      /min that is less than its max/,
    ],
    [
      ["sweep: {train.learning_rate: {min: 0, max: 1, scale: log}}", "search: {method: random, runs: 2}"],
      /min greater than 0/,
    ],
    [
      ["sweep: {train.learning_rate: {min: -1, max: 1}}", "search: {method: random, runs: 2}"],
      /learning_rate has to be/,
    ],
  ])("%j is refused where it is wrong", (changes, message) => {
    expect(fail(changes)).toMatch(message);
  });

  test("a scale may search less", () => {
    const scales =
      "scales: {full: {}, small: {search: {runs: 2}}, one: {search: null, sweep: {train.learning_rate: [1e-3]}}}";
    const rates = "sweep: {train.learning_rate: {min: 1e-4, max: 1e-2, scale: log}}";
    const count = (scale: string) =>
      plan([rates, "search: {method: random, runs: 6}", scales], { set: { scale } }).length;
    expect([count("full"), count("small"), count("one")]).toEqual([6, 2, 1]);
  });
});

describe("successive halving", () => {
  test("27 runs, factor 3, 810 steps: the bracket of the paper", () => {
    expect(computeRungs(27, 810, { factor: 3 })).toEqual([
      { runs: 27, steps: 30 },
      { runs: 9, steps: 90 },
      { runs: 3, steps: 270 },
      { runs: 1, steps: 810 },
    ]);
    // Table 1 of the paper, s = 4 and s = 3 of R = 81: 81 or 27 configurations and a first rung of 1 or 3.
    expect(computeRungs(81, 81, { factor: 3 }).map(({ runs, steps }) => [runs, steps])).toEqual([
      [81, 1],
      [27, 3],
      [9, 9],
      [3, 27],
      [1, 81],
    ]);
    expect(computeRungs(27, 81, { factor: 3, min_steps: 3 })[0]).toEqual({ runs: 27, steps: 3 });
    expect(computeRungs(27, 810, { factor: 3, min_steps: 100 })).toEqual([
      { runs: 27, steps: 270 },
      { runs: 9, steps: 810 },
    ]);
    expect(computeRungs(10, 100, { factor: 4 })).toEqual([
      { runs: 10, steps: 25 },
      { runs: 2, steps: 100 },
    ]);
    expect(computeRungs(2, 100, { factor: 3 })).toHaveLength(1);
  });

  test("each variant has its own bracket, which the same plan has again", () => {
    const search = "search: {method: halving, runs: 9}";
    const variants = "variants: {small: {model: {hidden_size: 32}}, large: {}}";
    const rates = "sweep: {train.learning_rate: {min: 1e-4, max: 1e-2, scale: log}}";
    const plans = plan([rates, search, variants]);
    expect(plans.map(({ halving }) => halving?.candidate)).toEqual([
      ...Array<number>(9).keys(),
      ...Array<number>(9).keys(),
    ]);
    const brackets = plans.map(({ halving }) => halving!.bracket);
    expect(new Set(brackets).size).toBe(2);
    expect(plan([rates, search, variants]).map(({ halving }) => halving!.bracket)).toEqual(brackets);
    expect(plans[0]!.halving).toMatchObject({
      candidates: 9,
      metric: "eval/loss",
      rungs: [
        { runs: 9, steps: 90 },
        { runs: 3, steps: 270 },
        { runs: 1, steps: 810 },
      ],
    });
  });

  test("lists without a number of runs start every combination", () => {
    const lists = "sweep: {train.learning_rate: [1e-3, 3e-4], seed: [0, 1, 2]}";
    expect(plan([lists, "search: {method: halving}"])).toHaveLength(6);
  });

  test.each([
    [
      ["sweep: {train.learning_rate: {min: 1e-4, max: 1e-2}}", "search: {method: halving}"],
      /needs the number of runs/,
    ],
    [
      ["sweep: {seed: [0, 1, 2]}", "search: {method: halving, runs: 2}"],
      /2 runs cannot be divided by the factor 3/,
    ],
    [["sweep: {train.max_steps: [10, 20, 30]}", "search: {method: halving}"], /cannot be swept with halving/],
    [["sweep: {data.sequence_len: [64, 128, 256]}", "search: {method: halving}"], /do not rank the runs/],
    [["sweep: {train.eval_tokens: [64, 128, 256]}", "search: {method: halving}"], /do not rank the runs/],
    [
      ["sweep: {seed: [0, 1, 2]}", "search: {method: halving, min_steps: 400}"],
      /into rungs of at least 400 steps/,
    ],
    [["train: {max_steps: 5}", "sweep: {seed: [0, 1, 2]}", "search: {method: halving}"], /here are 2/],
  ])("%j is refused", (changes, message) => {
    expect(fail(changes)).toMatch(message);
  });

  test("steps by epochs are refused, also by --set", () => {
    const changes = ["sweep: {seed: [0, 1, 2]}", "search: {method: halving}"];
    expect(() => plan(changes, { set: { "train.max_steps": null } })).toThrow(
      /train\.max_steps, which is missing/,
    );
  });
});
