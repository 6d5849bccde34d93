/** The paper card of folding and pruning: at the full scale, its counts follow from the sizes of GPT-2 small. */
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { createPaperCard } from "../../../src/backend/card/paperCard";
import { loadPlans } from "../../../src/backend/runs/planning/loadPlans";
import { findPaper, estimateFigures } from "../../../src/backend/runs/planning/siblings";
import { schemaCatalog } from "../../../src/backend/schemaCatalog";

const file = resolve("examples/papers/folding/card.lathe.md");

test(
  "the exact counts of every method are reproduced from the sizes alone",
  { timeout: 120_000 },
  async () => {
    const { plans, workspace } = await loadPlans(file, { set: ["scale=full"] }, schemaCatalog);
    const figures = await Promise.all(plans.map((plan) => estimateFigures(plan, workspace)));
    const { rows } = createPaperCard(findPaper(plans)!, figures);
    const counts = rows.filter(({ published }) => published.quantity.startsWith("parameters/"));
    expect(counts.length).toBe(11);
    for (const { published, verdict, reproduced } of counts) {
      expect(verdict.kind, `${published.variant!} ${published.quantity}`).toBe("reproduced");
      if (!published.quantity.endsWith("_percent")) expect(reproduced!.mean).toBe(published.value);
    }
  },
);

test("at the small scale, published counts are not compared with counts of other sizes", async () => {
  const { plans, workspace } = await loadPlans(file, { variant: "all" }, schemaCatalog);
  const figures = await Promise.all(plans.slice(0, 1).map((plan) => estimateFigures(plan, workspace)));
  const rows = createPaperCard(findPaper(plans)!, figures).rows.filter(
    ({ published }) => published.variant === "all",
  );
  expect(rows.length).toBe(3);
  for (const { verdict } of rows) expect(verdict.kind).toBe("not comparable");
});

test("every question is about existing runs, and every control has a question", async () => {
  const { plans } = await loadPlans(file, {}, schemaCatalog);
  expect(new Set(plans.map(({ scale }) => scale))).toEqual(new Set(["small"]));
  const names = new Set(
    plans.flatMap(({ variant, sweep }) => {
      const point = Object.entries(sweep).filter(([path]) => path !== "seed");
      return [variant, `${variant} (${point.map(([path, value]) => `${path} ${String(value)}`).join(", ")})`];
    }),
  );
  const { questions } = findPaper(plans)!;
  for (const { variant, against } of questions)
    expect([...names]).toEqual(expect.arrayContaining([variant, against]));
  const asked = questions.flatMap(({ variant, against }) =>
    [variant, against].map((name) => name.replace(/ \(.*/, "")),
  );
  expect(new Set(plans.map(({ variant }) => variant))).toEqual(new Set(asked));
});
