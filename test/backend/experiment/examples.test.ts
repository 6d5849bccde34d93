import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { splitCells } from "../../../src/protocol/cells";
import { loadExperiment } from "../../../src/backend/experiment/load";
import { parseExperiment } from "../../../src/backend/experiment/parse";
import { planRuns } from "../../../src/backend/experiment/plan";
import { writeResolvedYaml } from "../../../src/backend/experiment/resolvedYaml";
import generate, { resolveGeneration } from "../../../src/backend/evaluation/generate";
import { countModel } from "../../../src/backend/models/accounting";
import { createShape } from "../../../src/backend/models/model";
import { schemaCatalog } from "../../../src/backend/schemaCatalog";

const folder = fileURLToPath(new URL("../../../examples", import.meta.url));
const examples = readdirSync(folder, { recursive: true, encoding: "utf8" })
  .map((name) => name.replaceAll("\\", "/"))
  .filter((name) => name.endsWith(".lathe.md"))
  .sort();

const plansOf = async (name: string) =>
  planRuns(await loadExperiment(path.join(folder, name), schemaCatalog), {
    codeVersion: "1",
    file: `examples/${name}`,
  });

describe.each(examples)("examples/%s", (name) => {
  test("is accepted, splits without loss, and resolves to configurations that give the same plans", async () => {
    const text = readFileSync(path.join(folder, name), "utf8");
    expect(
      splitCells(text)
        .pieces.map(({ start, end }) => text.slice(start, end))
        .join(""),
    ).toBe(text);
    // A run alone is in no search.
    for (const { halving: _, ...plan } of await plansOf(name)) {
      const yaml = writeResolvedYaml(plan, { folder: "." });
      const again = planRuns(parseExperiment(yaml, "x/config.resolved.yaml", schemaCatalog), {
        codeVersion: "1",
      });
      expect(again).toEqual([{ ...plan, experiment: "x/config.resolved.yaml", folder: "x" }]);
    }
  });
});

test("the first example compares a dense model with a grouped one", async () => {
  const plans = await plansOf("first.lathe.md");
  expect(plans.map(({ name }) => name)).toEqual(["first-dense", "first-grouped"]);
  const counts = plans.map(
    ({ model }) => countModel(createShape({ ...model, vocab_size: 256 })).nonEmbedding,
  );
  expect(counts.map(({ trainable }) => trainable)).toEqual([426_624, 189_056]);
});

test("the published models have the published sizes, as their cards state", async () => {
  const sizes: unknown[] = [];
  for (const name of examples.filter((each) => each.startsWith("papers/"))) {
    const [{ model, paper, variant } = {}] = await plansOf(name);
    // The prompts file uses existing models, and the card of several models has its own test.
    if (model === undefined || variant !== "") continue;
    const { nonEmbedding, total } = countModel(createShape(model));
    sizes.push([path.basename(name, ".lathe.md"), nonEmbedding.trainable, total.trainable]);
    const measured: Record<string, number> = {
      "parameters/non_embedding": nonEmbedding.trainable,
      "parameters/total": total.trainable,
    };
    for (const { quantity, value } of paper!.published as { quantity: string; value: number }[])
      if (quantity in measured) expect(value, `${name} ${quantity}`).toBe(measured[quantity]);
  }
  expect(sizes).toEqual([
    ["gpt2-small", 85_056_000, 124_439_808],
    ["JP47D54C", 226_507_776, 423_508_992],
    ["JP47D55C", 35_011_584, 232_012_800],
    ["JP47D56C", 52_515_840, 249_517_056],
  ]);
});

test("the prompts of the published models are run on each model in turn", async () => {
  const plans = await plansOf("papers/kphi3/prompts.lathe.md");
  expect(plans.map(({ baseModel }) => baseModel)).toEqual(
    ["54C", "55C", "56C"].map((each) => `schuler/experimental-JP47D${each}`),
  );
  for (const { steps } of plans) {
    const { prompts, ...given } = generate.options.parse(steps[0]!.options.generate);
    expect(prompts).toHaveLength(10);
    expect(new Set(prompts).size).toBe(10);
    for (const prompt of prompts) expect(prompt).toMatch(/^<\|user\|>[^]+\n<\|end\|>\n?<\|assistant\|>\n?$/);
    expect(resolveGeneration(given, 0)).toMatchObject({ do_sample: true, top_k: 50, top_p: 0.25 });
  }
});
