import { describe, expect, test } from "vitest";
import { parseExperiment } from "../../../src/backend/experiment/parse";
import { planRuns } from "../../../src/backend/experiment/plan";
import { InvalidInput } from "../../../src/protocol/errors";
import { catalog } from "./sampleCatalog";

function file(...cells: string[]): string {
  return cells.map((cell) => `\`\`\`yaml\n${cell}\n\`\`\`\n`).join("\n");
}

const base = [
  "data: {text: a.txt, sequence_len: 128, template: '{text}'}",
  "model: {model_type: phi3, hidden_size: 64, num_attention_heads: 4}",
  "variants: {dense: {}, grouped: {model: {min_channels_per_group: 16}}}",
  "train: {max_steps: 100, micro_batch_size: 4}",
  "evaluate: {perplexity: {stride: 8}}",
];
const scales = `scale: small
scales:
  full: {}
  small:
    data: {sequence_len: 32, template: null}
    model: {hidden_size: 32}
    train: {max_steps: 10, per_device_train_batch_size: 2}
    evaluate: null
    variants: {grouped: {model: {min_channels_per_group: 8}, train: {max_steps: 5}}}
    sweep: {seed: [1, 2]}`;

const read = (...cells: string[]) => parseExperiment(file(...cells), "x.lathe.md", catalog);
const plansOf = (set: Readonly<Record<string, unknown>> = {}, ...cells: string[]) =>
  planRuns(read(...(cells.length === 0 ? [...base, scales] : cells)), { codeVersion: "1", set });

function faults(work: () => unknown): string[] {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof InvalidInput) return thrown.faults.map(({ message }) => message);
    return [(thrown as Error).message];
  }
  throw new Error("It was accepted.");
}

describe("a scale", () => {
  test("changes cells, variants and the sweep before they are applied", () => {
    const plans = plansOf();
    expect(plans.map(({ name }) => name)).toEqual([
      "x-small-dense-seed1",
      "x-small-dense-seed2",
      "x-small-grouped-seed1",
      "x-small-grouped-seed2",
    ]);
    const [dense, , grouped] = plans;
    expect(dense).toMatchObject({
      scale: "small",
      data: { sequence_len: 32 },
      model: { hidden_size: 32, num_attention_heads: 4, min_channels_per_group: -1 },
      steps: [{ action: "train", options: { max_steps: 10, per_device_train_batch_size: 2 } }],
    });
    expect(dense!.data).not.toHaveProperty("template");
    expect(dense!.steps.length).toBe(1);
    expect(grouped).toMatchObject({
      model: { hidden_size: 32, min_channels_per_group: 8 },
      steps: [{ options: { max_steps: 5 } }],
    });
  });

  test("removes what its variants set to null, and a variant that is null itself", () => {
    const changed = scales.replace(
      "variants: {grouped: {",
      "variants: {dense: null, bare: {train: null}, grouped: {",
    );
    const cells = [...base, changed.replace("evaluate: null", "evaluate: {}")];
    const plans = plansOf({}, ...cells).filter(({ seed }) => seed === 1);
    expect(plans.map(({ variant }) => variant)).toEqual(["grouped", "bare"]);
    expect(plans.map(({ steps }) => steps.map(({ action }) => action))).toEqual([
      ["train", "evaluate"],
      ["evaluate"],
    ]);
  });

  test("can be selected with --set, and other settings override it", () => {
    const plans = plansOf({ scale: "full", "train.max_steps": 7 });
    expect(plans.map(({ name }) => name)).toEqual(["x-full-dense", "x-full-grouped"]);
    expect(plans[0]).toMatchObject({
      scale: "full",
      model: { hidden_size: 64 },
      steps: [{ options: { max_steps: 7, per_device_train_batch_size: 4 } }, { action: "evaluate" }],
    });
  });

  test("is not applied unless selected", () => {
    const [plan] = plansOf({}, ...base, scales.replace("scale: small\n", ""));
    expect(plan!.name).toBe("x-dense");
    expect(plan).not.toHaveProperty("scale");
    expect(plan!.model).toMatchObject({ hidden_size: 64 });
  });

  test.each([
    [
      "an unknown choice",
      [...base, scales.replace("scale: small", "scale: smal")],
      'x.lathe.md:22:8: unknown scale "smal". Did you mean "small"? Allowed: full, small.',
    ],
    [
      "a choice without scales",
      [...base, "scale: small"],
      "x.lathe.md:22:8: scale selects one of scales, but none are declared. Add a scales cell.",
    ],
    [
      "an unknown key",
      [...base, "scales:\n  small: {modell: {}}"],
      /^x\.lathe\.md:23:11: unknown key "modell" in scales\.small\. Did you mean "model"\?/,
    ],
    [
      "a size that does not fit, in a scale that is not selected",
      [...base, "scale: full\nscales:\n  full: {}\n  small: {model: {hidden_size: 30}}"],
      /^x\.lathe\.md:\d+:\d+: model\.num_attention_heads: 4 heads do not divide the width 30/,
    ],
    [
      "a wrong value",
      [...base, "scales:\n  small: {train: {max_steps: many}}"],
      'x.lathe.md:23:30: scales.small.train.max_steps has to be a whole number, not "many".',
    ],
  ])("%s is a fault with its place", (_, cells, message) => {
    const [first] = faults(() => read(...cells));
    if (typeof message === "string") expect(first).toBe(message);
    else expect(first).toMatch(message);
  });

  test("must exist if --set names it", () => {
    expect(faults(() => plansOf({ scale: "huge" }))).toEqual([
      '--set scale: unknown scale "huge". Allowed: full, small.',
    ]);
    expect(faults(() => plansOf({ scale: "full" }, ...base))).toEqual([
      "--set scale: x.lathe.md has no scales. Leave the setting out.",
    ]);
  });
});

describe("a paper cell", () => {
  const paper = (rest: string) => `paper:\n  title: A paper\n${rest}`;
  test.each([
    [
      "an unknown quantity",
      "  published: [{quantity: eval/los, value: 1}]",
      '24:26: unknown value "eval/los" of paper.published.0.quantity. Did you mean "eval/loss"?',
    ],
    [
      "an unknown variant",
      "  published: [{quantity: eval/loss, value: 1, variant: grouper}]",
      '24:56: unknown variant "grouper" in paper.published.0.variant. Did you mean "grouped"? Allowed: dense, grouped.',
    ],
    ["an unknown baseline", "  baseline: dance", '24:13: unknown variant "dance" in paper.baseline.'],
    [
      "a percentage without a baseline",
      "  published: [{quantity: parameters/total_percent, value: 50}]",
      "24:26: parameters/total_percent refers to a baseline. Name its variant in paper.baseline.",
    ],
    [
      "a question about an unknown variant",
      "  questions: [{question: Is it?, variant: dense, against: nobody}]",
      '24:59: unknown variant "nobody" in paper.questions.0.against.',
    ],
    [
      "an undeclared scale",
      "  scale: full",
      '24:10: unknown scale "full" in paper.scale. Nothing is allowed here.',
    ],
    [
      "a tolerance below zero",
      "  published: [{quantity: eval/loss, value: 1, tolerance: -1}]",
      "24:58: paper.published.0.tolerance has to be at least 0, not -1.",
    ],
    [
      "a curve without values",
      "  series: [{name: a, first_step: 0, step_interval: 5, tokens_per_step: 2, values: []}]",
      "24:83: paper.series.0.values has to be a list of at least 1 entries, not an empty list.",
    ],
    [
      "a value that is text",
      "  published: [{quantity: eval/loss, value: low}]",
      '24:44: paper.published.0.value has to be a number, not "low".',
    ],
  ])("with %s is refused at its place", (_, rest, message) => {
    expect(faults(() => read(...base, paper(rest)))[0]).toContain(`x.lathe.md:${message}`);
  });
});
