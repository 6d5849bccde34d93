import { readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { loadExperiment } from "../../../src/backend/experiment/load";
import { parseExperiment } from "../../../src/backend/experiment/parse";
import { planRuns } from "../../../src/backend/experiment/plan";
import { planAgain } from "../../../src/backend/experiment/planAgain";
import { copyAsCells } from "../../../src/backend/language/copyAsCells";
import { listRunSettings } from "../../../src/backend/language/runSettings";
import { schemaCatalog } from "../../../src/backend/schemaCatalog";
import { createExperimentSchema } from "../../../src/schema/experiment";

const codeVersion = "1";
const schema = createExperimentSchema(schemaCatalog);

const text = `
\`\`\`yaml
data: {grammar: {length: 4000}, sequence_len: 16}
model: {model_type: gpt2, n_embd: 16, n_layer: 1, n_head: 2}
variants: {small: {model: {n_embd: 8}}, large: {}}
train: {max_steps: 90, learning_rate: 1e-3}
sweep: {train.learning_rate: [1e-3, 3e-3, 1e-2]}
search: {method: halving}
evaluate: {perplexity: {}}
\`\`\`
`;

const plans = (set: Record<string, unknown> = {}) =>
  planRuns(parseExperiment(text, "examples/tiny.lathe.md", schemaCatalog), { codeVersion, set });

const again = (settings: readonly string[], plan = plans()[1]!) =>
  planAgain(plan, { settings }, { catalog: schemaCatalog, codeVersion });

describe("running a run again", () => {
  test("keeps all that it had read, and is in no search", () => {
    const [, plan] = plans({ "train.warmup_steps": 7 });
    const { halving, ...settings } = plan!;
    expect(halving).toBeDefined();
    expect(again([], plan)).toEqual(settings);
  });

  test("changes what is given, and names it", () => {
    const plan = plans()[1]!;
    expect(plan.name).toBe("tiny-small-lr0.003");
    const next = again(["train.learning_rate=0.02", "train.weight_decay=0.1", "model.n_layer=2"], plan);
    expect(next).toMatchObject({
      name: "tiny-small-lr0.02-wd0.1-nl2",
      experiment: "examples/tiny.lathe.md",
      folder: "examples",
      variant: "small",
      sweep: { "train.learning_rate": 0.02 },
      model: { n_embd: 8, n_layer: 2 },
    });
    expect(next.steps[0]!.options).toMatchObject({ learning_rate: 0.02, weight_decay: 0.1, max_steps: 90 });
    const seeded = planAgain(
      plan,
      { settings: [], seed: 3, device: "cpu" },
      { catalog: schemaCatalog, codeVersion },
    );
    expect(seeded).toMatchObject({ name: "tiny-small-lr0.003-seed3", seed: 3, device: "cpu" });
  });

  test.each([
    [["train.learning_rate=fast"], /--set train\.learning_rate: .*has to be a number/],
    [["train.max_step=9"], /Did you mean "max_steps"/],
    [["scale=full"], /already are those of its scale/],
    [["train"], /write a path and a value/],
  ])("%j is refused", (settings, message) => {
    expect(() => again(settings)).toThrow(message);
  });

  test("lists every setting with a single value, as the schema describes it", () => {
    const settings = listRunSettings(plans()[1]!, schema);
    const find = (name: string) => settings.find((each) => each.path === name);
    expect(find("train.learning_rate")).toEqual({
      path: "train.learning_rate",
      value: "0.003",
      description: "Peak learning rate.",
      type: "number at least 0",
      values: [],
    });
    expect(find("train.optim")).toMatchObject({ value: "adamw", values: ["adamw", "sgd"] });
    expect(find("model.n_embd")).toMatchObject({ value: "8" });
    expect(find("train.warmup_steps")).toMatchObject({ value: "0" });
    expect(find("train.save_steps")).not.toHaveProperty("value");
    expect(find("evaluate.perplexity.stride")).toBeDefined();
    expect(find("seed")).toMatchObject({ value: "0" });
    // Whatever is listed can be set to what it is.
    const unchanged = settings.flatMap(({ path: name, value }) =>
      value === undefined ? [] : [`${name}=${value}`],
    );
    expect(again(unchanged).steps.map(({ key }) => key)).toEqual(again([]).steps.map(({ key }) => key));
  });
});

describe("copying a run as cells", () => {
  test("leaves out what is the default anyway", () => {
    const copy = copyAsCells(again(["train.weight_decay=0.1"]), {
      schema,
      title: "tiny",
      introduction: "The settings of a run.",
      folder: "",
    });
    expect(copy).toMatchInlineSnapshot(`
      "# tiny

      The settings of a run.

      \`\`\`yaml
      data:
        grammar:
          length: 4000
        sequence_len: 16
      \`\`\`

      \`\`\`yaml
      model:
        model_type: gpt2
        n_embd: 8
        n_layer: 1
        n_head: 2
      \`\`\`

      \`\`\`yaml
      train:
        max_steps: 90
        learning_rate: 0.003
        weight_decay: 0.1
      \`\`\`

      \`\`\`yaml
      evaluate:
        perplexity: {}
      \`\`\`
      "
    `);
  });

  const folder = fileURLToPath(new URL("../../../examples", import.meta.url));
  const examples = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => name.endsWith(".lathe.md"))
    .sort();

  test.each(examples)("of examples/%s gives the same run", async (name) => {
    const experiment = await loadExperiment(path.join(folder, name), schemaCatalog);
    const file = `examples/${name}`;
    // The first and the last of each variant.
    const all = planRuns(experiment, { codeVersion, file });
    const some = all.filter(
      ({ variant }, i) => variant !== all[i - 1]?.variant || variant !== all[i + 1]?.variant,
    );
    for (const plan of some) {
      const copy = copyAsCells(plan, { schema, title: plan.name, introduction: "", folder: "" });
      const [copied, ...others] = planRuns(parseExperiment(copy, file, schemaCatalog), { codeVersion, file });
      expect(others).toEqual([]);
      const { data, model, baseModel, seed, device, steps } = plan;
      expect(copied).toMatchObject({ seed, device });
      expect([copied!.data, copied!.model, copied!.baseModel, copied!.steps]).toEqual([
        data,
        model,
        baseModel,
        steps,
      ]);
    }
  });
});
