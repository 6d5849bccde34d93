/** The one filter of runs: what each term leaves. */
import { expect, test } from "vitest";
import { collectKeys, createRunFields } from "../../src/protocol/runFields";
import { createFilterTerm, parseFilter } from "../../src/protocol/runFilter";
import type { RunSummary } from "../../src/protocol/service/runs";
import { loss, someRun } from "../extension/views/someRun";

const runs: readonly RunSummary[] = [
  someRun({ name: "dense", variant: "dense", tags: ["night", "two words"], metrics: loss(2.5), seed: 1 }),
  someRun({ name: "grouped", variant: "grouped", tags: ["nights"], state: "failed", star: true }),
  someRun({
    name: "swept",
    sweep: { "train.learning_rate": 0.001 },
    metrics: { "eval/loss": { last: 1.5, min: 1.4, max: 3 }, "train/loss": { last: 9, min: 9, max: 9 } },
  }),
];
const fields = createRunFields(collectKeys(runs));
const filter = (text: string) => {
  const { matches, problem } = parseFilter(text, fields);
  return problem ?? runs.filter(matches).map(({ name }) => name);
};

test.each<[string, readonly string[] | string]>([
  ["", ["dense", "grouped", "swept"]],
  ["  ", ["dense", "grouped", "swept"]],
  ["state:", ["dense", "grouped", "swept"]],
  ["dense", ["dense"]],
  ['"two words"', ["dense"]],
  ["state:failed,done", ["dense", "grouped", "swept"]],
  ["-state:failed tag:night", ["dense"]],
  ["tag:night", ["dense", "grouped"]],
  ["tag=night", ["dense"]],
  ['tag="two words",nights', ["dense", "grouped"]],
  ["tag!=night", ["grouped", "swept"]],
  ["star:yes", ["grouped"]],
  ["star=1", ["grouped"]],
  // The headline is the loss of the evaluation where both exist.
  ["loss<2", ["swept"]],
  ["train/loss>2", ["dense", "swept"]],
  ["learning_rate=0.001", ["swept"]],
  ["train.learning_rate<1k", ["swept"]],
  // As numbers: as texts, 0.001 comes before 5e-4.
  ["train.learning_rate>=5e-4 train.learning_rate<=1e-2", ["swept"]],
  ["train.learning_rate<5e-4", []],
  ["shade:red", expect.stringContaining('There is no column "shade"') as never],
  ["loss<much", expect.stringContaining('"much" is not a number') as never],
])("%j leaves %j", (text, expected) => {
  expect(filter(text)).toEqual(expected);
});

test("a term made of values finds them again", () => {
  expect(filter(createFilterTerm("tag", ["two words"]))).toEqual(["dense"]);
  expect(filter(createFilterTerm("tag", ["nights", "two words"]))).toEqual(["dense", "grouped"]);
  expect(filter(createFilterTerm("variant", ["dense"], true))).toEqual(["grouped", "swept"]);
});
