/** The paper card of dynamic inference: its questions are about existing runs, and its controls are equal where they have to be. */
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { groupRuns } from "../../../src/backend/card/figures";
import { createPaperCard } from "../../../src/backend/card/paperCard";
import { loadPlans } from "../../../src/backend/runs/planning/loadPlans";
import { estimateFigures, findPaper } from "../../../src/backend/runs/planning/siblings";
import { schemaCatalog } from "../../../src/backend/schemaCatalog";
import { findSweptAmount } from "../../../src/statistics/sweptRate";

const file = resolve("examples/papers/exits/card.lathe.md");

test("asks about existing points, with three seeds of each", async () => {
  const { plans, workspace } = await loadPlans(file, {}, schemaCatalog);
  const groups = groupRuns(await Promise.all(plans.map((plan) => estimateFigures(plan, workspace))));
  expect(groups.map(({ runs }) => runs.length)).toEqual(groups.map(() => 3));
  const names = groups.map(({ name }) => name);
  const { questions } = findPaper(plans)!;
  for (const { variant, against } of questions)
    expect(names).toEqual(expect.arrayContaining([variant, against]));
  // Every way to leave has the same thresholds as its random control.
  const amounts = (wanted: string) => [
    ...new Set(
      plans.flatMap(({ variant, sweep }) => (variant === wanted ? [findSweptAmount(sweep)!.value] : [])),
    ),
  ];
  expect(amounts("random")).toEqual(amounts("probability"));
  expect(amounts("classifier")).toEqual(amounts("probability"));
});

test("compares nothing with the published numbers at the scale that runs here", async () => {
  const { plans, workspace } = await loadPlans(file, { variant: "full" }, schemaCatalog);
  const figures = await Promise.all(plans.map((plan) => estimateFigures(plan, workspace)));
  const { rows } = createPaperCard(findPaper(plans)!, figures);
  expect(rows.map(({ published }) => published.value)).toEqual([0.544, 0.855]);
  for (const { verdict } of rows) expect(verdict.kind).toBe("not comparable");
});
