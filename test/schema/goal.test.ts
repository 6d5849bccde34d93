import { describe, expect, it } from "vitest";
import { findGoal } from "../../src/schema/goal";
import { paperSchema } from "../../src/schema/paper";
import recursive from "../../src/backend/strategies/recursive";
import { isHigherBetter } from "../../src/backend/card/outcome";

describe("the goal of a metric", () => {
  it.each([
    ["classification/f1_macro", "maximize"],
    // An error rate with "precision" in its name would not be one of the declared ones.
    ["custom/precision_loss", undefined],
    ["latency/median_ms", "minimize"],
    ["latency/examples_per_second", "maximize"],
    ["repetition/meaningless_128", "minimize"],
    ["repetition/rep4_512", "minimize"],
    ["savings/packed_file_bytes_percent", "minimize"],
    ["parameters/total", "minimize"],
    ["parameters/removed_percent", "maximize"],
    ["eval/loss", "minimize"],
    ["generate/tokens", undefined],
  ])("of %s is %s", (name, goal) => expect(findGoal(name)).toBe(goal));
});

describe("an undeclared goal", () => {
  const paper = (question: object) =>
    paperSchema
      .safeParse({
        title: "A paper",
        published: [],
        questions: [{ question: "Is it?", variant: "a", against: "b", ...question }],
      })
      .error?.issues.map(({ path, message }) => `${path.join(".")} ${message}`);

  it("is required by a paper card, which otherwise uses the declared one", () => {
    expect(paper({ quantity: "generate/tokens" })).toEqual([
      expect.stringMatching(/higher_is_better is required: generate\/tokens does not declare/),
    ]);
    expect(paper({ quantity: "generate/tokens", higher_is_better: true })).toBeUndefined();
    expect(paper({ quantity: "classification/accuracy" })).toBeUndefined();
    expect(isHigherBetter({ quantity: "classification/accuracy" })).toBe(true);
    expect(isHigherBetter({ quantity: "classification/accuracy", higher_is_better: false })).toBe(false);
    expect(isHigherBetter({ quantity: "eval/loss" })).toBe(false);
  });

  it("is required by recursive compression", () => {
    const faults = (options: object) =>
      recursive.options
        .safeParse({ method: { magnitude: {} }, ...options })
        .error?.issues.map(({ path, message }) => `${path.join(".")} ${message}`);
    expect(faults({ metric: "generate/tokens" })).toEqual([
      expect.stringMatching(/higher_is_better is required: generate\/tokens/),
    ]);
    expect(faults({ metric: "generate/tokens", higher_is_better: true })).toBeUndefined();
    expect(faults({ metric: "latency/tokens_per_second" })).toBeUndefined();
  });
});
