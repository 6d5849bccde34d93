/** A recipe consists only of options of the cells, each of which can be overridden. */
import { expect, test } from "vitest";
import { parseExperiment } from "../../../src/backend/experiment/parse";
import { planRuns, type PlanOptions } from "../../../src/backend/experiment/plan";
import { writeResolvedYaml } from "../../../src/backend/experiment/resolvedYaml";
import { parseSettings } from "../../../src/backend/experiment/settings";
import { dataSchema, trainSchema } from "../../../src/schema/experiment";
import { listRecipeDifferences, recipeNames, recipes } from "../../../src/schema/recipe";
import type { RunPlan } from "../../../src/protocol/run";
import { catalog } from "./sampleCatalog";

const data = "data: {text: pairs.jsonl, sequence_len: 128}";
const model = "model: {model_type: phi3, hidden_size: 64, num_attention_heads: 4}";

function plan(cells: readonly string[], options: Partial<PlanOptions> = {}): RunPlan[] {
  const text = cells.map((cell) => `\`\`\`yaml\n${cell}\n\`\`\`\n`).join("\n");
  return planRuns(parseExperiment(text, "x.lathe.md", catalog), { codeVersion: "1", ...options });
}

const one = (cells: readonly string[], options: Partial<PlanOptions> = {}): RunPlan => {
  const plans = plan(cells, options);
  expect(plans).toHaveLength(1);
  return plans[0]!;
};

test.each(recipeNames)(
  "%s sets the options that the cells leave open, regardless of their order, and all of them are shown",
  (name) => {
    const { data: read, steps } = one([data, model, "train: {learning_rate: 1e-3}", `recipe: ${name}`]);
    const { sequence_len: _, ...rest } = recipes[name].data;
    expect(read).toMatchObject({ ...rest, sequence_len: 128, text: "pairs.jsonl" });
    expect(steps[0]!.options).toMatchObject({ ...recipes[name].train, learning_rate: 1e-3 });
  },
);

test("the two recipes differ only in these switches", () => {
  expect(listRecipeDifferences().map(({ path, paper, fixed }) => [path, paper, fixed])).toEqual([
    ["data.clean_rows", "published", "mended"],
    ["data.train_on_inputs", true, false],
    ["data.packing_strategy", "characters", "wrapped"],
    ["data.characters_per_token", 5, undefined],
    ["data.train_on_padding", true, false],
    ["data.document_mask", false, true],
    ["train.sample_with_replacement", true, false],
    ["train.restart_optimizer", true, false],
    ["train.eval_loss_average", "sequences", "tokens"],
  ]);
});

test("every option of a recipe is in the schema, and has a description", () => {
  for (const name of recipeNames) {
    expect(dataSchema.parse(recipes[name].data)).toMatchObject(recipes[name].data);
    expect(trainSchema.parse(recipes[name].train)).toMatchObject(recipes[name].train);
    for (const [key, schema] of [
      ["data", dataSchema],
      ["train", trainSchema],
    ] as const)
      for (const option of Object.keys(recipes[name][key]))
        expect(
          (schema.shape as Record<string, { description?: string | undefined }>)[option]!.description,
        ).toMatch(/^\S.{8,}\.$/s);
  }
});

test("variants, sweeps and settings select a recipe and override single switches", () => {
  const cells = [
    "recipe: paper",
    data,
    model,
    "train: {max_steps: 3}",
    "variants: {paper: {}, masked: {data: {document_mask: true}}, fixed: {recipe: fixed}, none: {recipe: null}}",
  ];
  const found = plan(cells).map(({ variant, data: read, steps }) => [
    variant,
    read!.document_mask,
    read!.packing_strategy,
    steps[0]!.options.restart_optimizer,
  ]);
  expect(found).toEqual([
    ["paper", false, "characters", true],
    ["masked", true, "characters", true],
    ["fixed", true, "wrapped", false],
    ["none", false, "wrapped", false],
  ]);
  const swept = plan(["sweep: {recipe: [paper, fixed]}", data, model, "train: {}"]);
  expect(swept.map(({ data: read }) => read!.train_on_padding)).toEqual([true, false]);
  const set = one([data, model, "train: {}"], {
    set: parseSettings(["recipe=fixed", "data.document_mask=false", "data.drop_rows_containing=null"]),
  });
  expect(set.data).toMatchObject({
    packing_strategy: "wrapped",
    document_mask: false,
    drop_rows_containing: [],
    clean_rows: "mended",
  });
});

test("an equivalent option of a cell replaces that of the recipe", () => {
  const held = (...more: string[]) => one(["recipe: fixed", model, "train: {}", ...more]).data!;
  expect(held(data).val_set_size).toBe(5000);
  const own = held("data: {text: pairs.jsonl, sequence_len: 128, val_fraction: 0.2}");
  expect([own.val_set_size, own.val_fraction]).toEqual([undefined, 0.2]);
  const files = held("data: {text: pairs.jsonl, sequence_len: 128, validation_text: held.jsonl}");
  expect(files.val_set_size).toBeUndefined();
  const number = held("data: {text: pairs.jsonl, sequence_len: 128, val_fraction: 0.2, val_set_size: 7}");
  expect(number.val_set_size).toBe(7);
  const set = one(["recipe: fixed", data, model, "train: {}"], {
    set: parseSettings(["data.val_fraction=0.3"]),
  });
  expect(set.data!.val_set_size).toBeUndefined();
});

test("a resolved configuration gives the same run without the name of the recipe", () => {
  const first = one(["recipe: paper", data, model, "train: {max_steps: 3}"]);
  const text = writeResolvedYaml(first, { folder: "." });
  expect(text).not.toContain("recipe");
  expect(text).toContain("I don't have");
  const again = planRuns(parseExperiment(text, "x.yaml", catalog), { codeVersion: "1" })[0]!;
  expect(again.data).toEqual(first.data);
  expect(again.steps).toEqual(first.steps);
});

test("an unknown recipe and an invalid switch are errors at their place", () => {
  const failure = (...cells: string[]): string => {
    try {
      plan(cells);
    } catch (thrown) {
      return (thrown as Error).message;
    }
    throw new Error("The plan was accepted.");
  };
  expect(failure(data, model, "recipe: papr")).toContain(
    'x.lathe.md:10:9: unknown value "papr" of recipe. Did you mean "paper"? Allowed: paper, fixed.',
  );
  expect(failure(data, model, "train: {}", "variants: {a: {recipe: papr}}")).toContain(
    'unknown value "papr" of variants.a.recipe',
  );
  expect(failure("recipe: paper", "data: {text: a.jsonl, packing: false}", model)).toContain(
    "data.packing_strategy configures packing, and packing is false",
  );
});
