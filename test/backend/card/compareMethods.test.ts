/** The comparison of methods: it includes every method at three rates, and its questions are about existing runs. */
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { groupRuns } from "../../../src/backend/card/figures";
import { methods } from "../../../src/backend/methods/catalog";
import { loadPlans } from "../../../src/backend/runs/planning/loadPlans";
import { findPaper, estimateFigures } from "../../../src/backend/runs/planning/siblings";
import { schemaCatalog } from "../../../src/backend/schemaCatalog";
import { findSweptAmount } from "../../../src/statistics/sweptRate";

const file = resolve("examples/compare-methods.lathe.md");

test("includes every method at three rates, and two controls", async () => {
  const { plans } = await loadPlans(file, {}, schemaCatalog);
  const amounts = new Map<string, Set<number>>();
  for (const { variant, sweep } of plans) {
    const own = amounts.get(variant) ?? new Set<number>();
    amounts.set(variant, own.add(findSweptAmount(sweep)?.value ?? NaN));
  }
  // Layers with a teacher, and rounding after pruning.
  const removing = Object.keys(methods).filter((name) => methods[name]!.rate !== undefined);
  // SliceGPT needs norms without a mean, and GraphHash a head of its own, which a GPT-2 does not have.
  const unsuited = new Set(["slicegpt", "graphhash"]);
  const ways = [...removing.filter((name) => !unsuited.has(name)), "taught", "pruned"];
  expect([...amounts.keys()].sort()).toEqual(["dense", "smaller", ...ways].sort());
  for (const name of ways) expect([name, amounts.get(name)!.size]).toEqual([name, 3]);
});

test("questions name existing points, and no point is smaller than every control", async () => {
  const { plans, workspace } = await loadPlans(file, {}, schemaCatalog);
  const { questions, baseline } = findPaper(plans)!;
  const ofOneSeed = plans.filter(({ seed }) => seed === 0);
  const groups = groupRuns(await Promise.all(ofOneSeed.map((plan) => estimateFigures(plan, workspace))));
  const names = groups.map(({ name }) => name);
  for (const { variant, against } of questions)
    expect(names).toEqual(expect.arrayContaining([variant, against]));
  const bits = (wanted: (variant: string) => boolean) =>
    groups.filter(({ variant }) => wanted(variant)).map(({ runs }) => runs[0]!.values["parameters/bits"]!);
  const controls = bits((variant) => variant === "smaller" || variant === baseline);
  const others = bits((variant) => variant !== "smaller" && variant !== baseline);
  expect(Math.min(...others)).toBeGreaterThan(Math.min(...controls));
  expect(controls.length).toBe(5);
});
