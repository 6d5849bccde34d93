import { expect, test } from "vitest";
import {
  parseArrangement,
  parseFilterText,
  defaultArrangement,
} from "../../../src/extension/views/runTree/arrangement";

test("the state of the workspace is restored unchanged", () => {
  const arrangement = {
    filter: "a state:failed,done tag:x star:yes",
    sorting: "loss",
  } as const;
  expect(parseArrangement(JSON.parse(JSON.stringify(arrangement)))).toEqual(arrangement);
});

test.each([
  undefined,
  null,
  7,
  "newest",
  [],
  { filter: 3, sorting: "best" },
  { filter: { text: 1, states: "failed", tags: [1, null], star: "yes" } },
  { filter: { states: ["no such state", "__proto__"] } },
])("%j is an invalid state, and filters nothing", (value) => {
  expect(parseArrangement(value)).toEqual(defaultArrangement);
});

test("a filter is limited, wherever it comes from", () => {
  expect(parseFilterText("x".repeat(10_000))).toHaveLength(1000);
  const filter = parseFilterText({ text: "x".repeat(10_000), tags: Array.from({ length: 500 }, String) });
  expect(filter.length).toBeLessThanOrEqual(1000);
});

test("what an earlier version remembered becomes the same filter as text", () => {
  expect(
    parseFilterText({ text: "two words", states: ["failed", "queued"], tags: ["a", "b c"], star: true }),
  ).toBe('"two words" state:failed,queued tag:a,"b c" star:yes');
  expect(parseFilterText({ text: "", states: [], tags: [], star: false })).toBe("");
});
