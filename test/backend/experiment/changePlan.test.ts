/** Which actions of a run continue and which start again when its plan is changed. */
import { expect, it } from "vitest";
import { changePlan, type StepProgress } from "../../../src/backend/experiment/changePlan";
import { parseExperiment } from "../../../src/backend/experiment/parse";
import { planRuns } from "../../../src/backend/experiment/plan";
import { schemaCatalog as catalog } from "../../../src/backend/schemaCatalog";
import type { RunPlan } from "../../../src/protocol/run";

const text = `
data: {grammar: {}}
---
model: {model_type: gpt2}
---
train: {max_steps: 10, lr_scheduler_type: constant}
---
train: {max_steps: 20, lr_scheduler_type: constant}
`;
const [plan] = planRuns(parseExperiment(text, "two.yaml", catalog), { codeVersion: "1" });

/** Steps of each training; all trainings are finished. */
function change(before: RunPlan, settings: readonly string[], ...trained: readonly number[]) {
  const progressOf = ({ index }: { index: number }): StepProgress => ({
    finished: true,
    trained: trained[index]!,
  });
  return changePlan(before, { settings }, progressOf, { catalog, codeVersion: "1" });
}

const summary = ({ plan: { steps }, first }: ReturnType<typeof change>) => ({
  first,
  ends: steps.map(({ options }) => options["max_steps"]),
  earlier: steps.map(({ earlier }) => earlier?.map(({ steps: each }) => each)),
});

it("continues the first changed training, and restarts those after it, even if finished", () => {
  const longer = change(plan!, ["train.1.max_steps=30"], 10, 20);
  expect(summary(longer)).toEqual({ first: 1, ends: [10, 30], earlier: [undefined, [20]] });
  const both = change(longer.plan, ["train.0.max_steps=15"], 10, 30);
  expect(summary(both)).toEqual({ first: 0, ends: [15, 30], earlier: [[10], undefined] });
  // The second training restarts, so it may also become shorter and save at other steps.
  const shorter = change(longer.plan, ["train.max_steps=15", "train.save_steps=5"], 10, 30);
  expect(summary(shorter)).toEqual({ first: 0, ends: [15, 15], earlier: [[10], undefined] });
  expect(shorter.plan.steps[1]!.options).toMatchObject({ save_steps: 5 });
});

it("gives different keys from a plan that had these steps from the start", () => {
  const { plan: longer } = change(plan!, ["train.0.max_steps=15"], 10, 20);
  const [planned] = planRuns(parseExperiment(text.replace("10", "15"), "two.yaml", catalog), {
    codeVersion: "1",
  });
  expect(longer.steps.map(({ options }) => options)).toEqual(planned!.steps.map(({ options }) => options));
  for (const [index, { key }] of longer.steps.entries()) {
    expect(key).not.toBe(planned!.steps[index]!.key);
    expect(key).not.toBe(plan!.steps[index]!.key);
  }
});

it("refuses epochs that truncate the last block", () => {
  const blocks = text.replaceAll("max_steps: 10", "num_train_epochs: 1, block_rows: 8");
  const [cut] = planRuns(parseExperiment(blocks, "blocks.yaml", catalog), { codeVersion: "1" });
  expect(() => change(cut!, ["train.0.num_train_epochs=2"], 10, 20)).toThrow(
    "train.0.num_train_epochs cannot change for blocks without replacement: their last block depends on it. Start a new run.",
  );
});
