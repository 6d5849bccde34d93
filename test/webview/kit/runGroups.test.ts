/** Names and groups of runs shown side by side. */
import { describe, expect, test } from "vitest";
import { findOldest, groupRuns, listGroupings } from "../../../webview/kit/runGroups";
import { createRunNames } from "../../../webview/kit/runNames";
import { someRun } from "../../extension/views/someRun";

const study = "/study/first.lathe.md";
const createSeed = (variant: string, seed: number, more: Parameters<typeof someRun>[0] = {}) =>
  someRun({
    name: `first-${variant}`,
    id: `first-${variant}-20261120-09300${seed}-00a${seed}`,
    experiment: study,
    variant,
    seed,
    ...more,
  });

describe("names", () => {
  test("leave out the experiment where all runs are of one, and name the seed of namesakes", () => {
    const runs = [createSeed("dense", 1), createSeed("dense", 2), createSeed("grouped", 1)];
    expect([...createRunNames(runs).values()]).toEqual(["dense seed 1", "dense seed 2", "grouped"]);
    const other = someRun({ name: "second-dense", experiment: "/study/second.lathe.md" });
    expect([...createRunNames([runs[0]!, other]).values()]).toEqual(["first-dense", "second-dense"]);
  });

  test("of equal runs with equal seeds get the end of the id; a person's own name stays", () => {
    const runs = [createSeed("dense", 1), createSeed("dense", 1, { id: "first-dense-20261121-100000-beef" })];
    expect([...createRunNames(runs).values()]).toEqual(["dense 00a1", "dense beef"]);
    expect([...createRunNames([createSeed("dense", 1, { name: "best so far" })]).values()]).toEqual([
      "best so far",
    ]);
  });
});

describe("groups", () => {
  const runs = [
    createSeed("dense", 1, { tags: ["a"], sweep: { "train.learning_rate": 0.1 }, createdAt: "2026-11-02" }),
    createSeed("dense", 2, {
      sweep: { "train.learning_rate": 0.1 },
      createdAt: "2026-11-01",
      name: "renamed",
    }),
    createSeed("grouped", 1, { sweep: { "train.learning_rate": 0.2 } }),
  ];
  const group = (grouping: string) =>
    groupRuns(runs, grouping).map(({ name, runs: members }) => `${name}: ${members.length}`);

  test("are made by seeds, variant, tag and any swept setting", () => {
    expect(listGroupings(runs).map(([id]) => id)).toEqual([
      "seeds",
      "variant",
      "experiment",
      "tag",
      "sweep:train.learning_rate",
    ]);
    expect(group("seeds")).toEqual(["dense, learning_rate 0.1: 2", "grouped, learning_rate 0.2: 1"]);
    expect(group("variant")).toEqual(["dense: 2", "grouped: 1"]);
    expect(group("tag")).toEqual(["#a: 1", "no tag: 2"]);
    expect(group("sweep:train.learning_rate")).toEqual(["learning_rate 0.1: 2", "learning_rate 0.2: 1"]);
  });

  test("look like their oldest run", () => {
    expect(findOldest(runs.slice(0, 2)).seed).toBe(2);
  });
});
