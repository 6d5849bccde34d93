/**
 * The paper card of kphi-3: its sizes are the published ones, its controls match in size and work, and its curve is
 * included.
 */
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { estimatePlan } from "../../../src/backend/runs/planning/estimate";
import { loadPlans } from "../../../src/backend/runs/planning/loadPlans";
import { findPaper } from "../../../src/backend/runs/planning/siblings";
import { schemaCatalog } from "../../../src/backend/schemaCatalog";

const file = resolve("examples/papers/kphi3/card.lathe.md");

async function estimatesAt(scale: string) {
  const { plans, workspace } = await loadPlans(file, { set: [`scale=${scale}`, "seed=0"] }, schemaCatalog);
  const found = new Map<string, Awaited<ReturnType<typeof estimatePlan>>>();
  for (const plan of plans) found.set(plan.variant, await estimatePlan(plan, workspace));
  return found;
}

describe.each(["full", "small"])("at scale %s", { timeout: 120_000 }, (scale) => {
  test("the controls match their models in size and work", async () => {
    const found = await estimatesAt(scale);
    const size = (variant: string) => found.get(variant)!.before.nonEmbedding.stored;
    const training = (variant: string) => found.get(variant)!.steps[0]!.training!;
    const work = (variant: string) => training(variant).steps! * training(variant).flopsPerStep;
    const sizes = ["phi3-2", "kphi3-2", "kphi3-3", "equal-parameters"].map(size);
    if (scale === "full") expect(sizes).toEqual([226_507_776, 35_011_584, 52_515_840, 34_510_464]);
    expect(Math.abs(sizes[3]! / sizes[1]! - 1)).toBeLessThan(0.03);
    // Widths, groups and layers are in the same ratios, so the percentages agree; norms weigh more in a narrow model.
    expect((100 * sizes[1]!) / sizes[0]!).toBeCloseTo(15.46, 0);
    expect(Math.abs((100 * sizes[2]!) / sizes[0]! - 23.19)).toBeLessThan(0.5);
    expect(Math.abs(work("equal-flops") - work("kphi3-2"))).toBeLessThan(
      training("equal-flops").flopsPerStep,
    );
  });
});

test("it has the nineteen values of the published curve, and runs six variants with five seeds", async () => {
  const { plans } = await loadPlans(file, {}, schemaCatalog);
  expect(plans.length).toBe(30);
  expect(new Set(plans.map(({ scale }) => scale))).toEqual(new Set(["small"]));
  expect(plans[0]!.name).toBe("card-small-phi3-2-seed0");
  const [series] = findPaper(plans)!.series;
  expect(series!.values.length).toBe(19);
  expect([series!.values[0], series!.values[18]]).toEqual([1.7047, 1.6284]);
});
