import { expect, test } from "vitest";
import {
  describeFilter,
  isFiltering,
  parseArrangement,
  parseFilter,
  defaultArrangement,
} from "../../../src/extension/views/runTree/arrangement";

test("the state of the workspace is restored unchanged", () => {
  const arrangement = {
    filter: { text: "a", states: ["failed", "done"], tags: ["x"], star: true },
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
  const filter = parseFilter({ text: "x".repeat(10_000), tags: Array.from({ length: 500 }, String) });
  expect(filter.text).toHaveLength(200);
  expect(filter.tags).toHaveLength(100);
});

test("a filter is described in words", () => {
  expect(describeFilter({ text: "gpt", states: ["failed", "queued"], tags: ["a", "b"], star: true })).toBe(
    "“gpt”, failed or waiting, #a or #b, starred",
  );
  expect(isFiltering({ text: "", states: [], tags: [], star: false })).toBe(false);
  expect(isFiltering({ star: true })).toBe(true);
});
