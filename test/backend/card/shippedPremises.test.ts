/** What the questions of the cards that come with Lathe presuppose holds for their plans. */
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { groupRuns } from "../../../src/backend/card/figures";
import { findBrokenPremise } from "../../../src/backend/card/premises";
import { loadPlans } from "../../../src/backend/runs/planning/loadPlans";
import { estimateFigures, findPaper } from "../../../src/backend/runs/planning/siblings";
import { schemaCatalog } from "../../../src/backend/schemaCatalog";

const cards = ["compare-methods", "papers/kphi3/card", "papers/folding/card", "papers/exits/card"];

test.each(cards)("%s compares what is equal as it presupposes", async (name) => {
  const { plans, workspace } = await loadPlans(resolve(`examples/${name}.lathe.md`), {}, schemaCatalog);
  const ofOneSeed = plans.filter(({ seed }) => seed === plans[0]!.seed);
  const groups = groupRuns(await Promise.all(ofOneSeed.map((plan) => estimateFigures(plan, workspace))));
  const findRun = (wanted: string) => ({
    name: wanted,
    run: groups.find((group) => group.name === wanted)!.runs[0]!,
  });
  // A number of tokens is known only after a run; its steps are known before.
  const presupposing = findPaper(plans)!
    .questions.map((question) => ({
      ...question,
      equal: [question.equal].flat().map((premise) => (premise === "tokens" ? ("steps" as const) : premise)),
    }))
    .filter(({ equal }) => equal.length > 0);
  expect(presupposing.length).toBeGreaterThan(4);
  for (const question of presupposing)
    expect(
      findBrokenPremise(findRun(question.variant), findRun(question.against), question),
      question.question,
    ).toBeUndefined();
});
