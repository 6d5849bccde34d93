import { describe, expect, test } from "vitest";
import { parseExperiment } from "../../../src/backend/experiment/parse";
import { planRuns, type PlanOptions } from "../../../src/backend/experiment/plan";
import { writeResolvedYaml } from "../../../src/backend/experiment/resolvedYaml";
import { createRunName } from "../../../src/backend/experiment/runName";
import { parseSettings } from "../../../src/backend/experiment/settings";
import { toCanonicalJson, computeStepKey, addStepKeys } from "../../../src/backend/experiment/stepKey";
import type { RunPlan } from "../../../src/protocol/run";
import { catalog } from "./sampleCatalog";

const data = "data: {text: '**/*.ts', sequence_len: 128}";
const model = "model: {model_type: phi3, hidden_size: 64, num_attention_heads: 4}";

const read = (cells: string[], file = "examples/first.lathe.md") =>
  parseExperiment(cells.map((cell) => `\`\`\`yaml\n${cell}\n\`\`\`\n`).join("\n"), file, catalog);

const plan = (cells: string[], options: Partial<PlanOptions> = {}) =>
  planRuns(read(cells), { codeVersion: "1", ...options });

const failure = (cells: string[], options: Partial<PlanOptions>) => {
  try {
    plan(cells, options);
  } catch (thrown) {
    return (thrown as Error).message;
  }
  throw new Error("The plan was accepted.");
};

describe("planning runs", () => {
  test("one experiment without branches is one run, with every default filled in", () => {
    const plans = plan([data, model, "train: {max_steps: 5, micro_batch_size: 2}"]);
    expect(plans).toHaveLength(1);
    const { steps, data: read, ...rest } = plans[0]!;
    expect(rest).toMatchInlineSnapshot(`
      {
        "baseModel": undefined,
        "device": "auto",
        "experiment": "examples/first.lathe.md",
        "folder": "examples",
        "model": {
          "hidden_size": 64,
          "init": "paper",
          "max_position_embeddings": 4096,
          "min_channels_per_group": -1,
          "model_type": "phi3",
          "num_attention_heads": 4,
          "num_hidden_layers": 32,
        },
        "name": "first",
        "seed": 0,
        "sweep": {},
        "variant": "",
      }
    `);
    expect(read).toMatchObject({ text: "**/*.ts", sequence_len: 128 });
    expect(steps[0]!.options).toMatchObject({
      per_device_train_batch_size: 2,
      learning_rate: 5e-5,
      optim: "adamw",
    });
    expect(steps[0]!.options).not.toHaveProperty("micro_batch_size");
  });

  test("an unspecified vocabulary size is left to the tokenizer, unless there is no text", () => {
    const gpt2 = "model: {model_type: gpt2, n_embd: 8}";
    expect(plan([data, gpt2])[0]!.model).not.toHaveProperty("vocab_size");
    expect(plan([gpt2])[0]!.model).toHaveProperty("vocab_size", 50257);
    expect(plan([data, "model: {model_type: gpt2, n_embd: 8, vocab_size: 65}"])[0]!.model).toHaveProperty(
      "vocab_size",
      65,
    );
  });

  test("variants, sweep values and seeds multiply, and names show the differences", () => {
    const cells = [
      data,
      model,
      "train: {}",
      "variants: {dense: {}, grouped: {model: {min_channels_per_group: 16}}}",
      "sweep: {train.learning_rate: [1e-3, 3e-4], model.init: [fan_in], seed: [0, 1]}",
    ];
    const plans = plan(cells);
    expect(plans.map(({ name }) => name)).toMatchInlineSnapshot(`
      [
        "first-dense-lr0.001-seed0",
        "first-dense-lr0.001-seed1",
        "first-dense-lr0.0003-seed0",
        "first-dense-lr0.0003-seed1",
        "first-grouped-lr0.001-seed0",
        "first-grouped-lr0.001-seed1",
        "first-grouped-lr0.0003-seed0",
        "first-grouped-lr0.0003-seed1",
      ]
    `);
    expect(plans[5]).toMatchObject({
      variant: "grouped",
      sweep: { "train.learning_rate": 1e-3, "model.init": "fan_in", seed: 1 },
      seed: 1,
      model: { min_channels_per_group: 16, init: "fan_in" },
    });
    expect(plans[6]!.steps[0]!.options.learning_rate).toBe(3e-4);
    expect(plan(cells, { variant: "dense", seed: 7 }).map(({ name, seed }) => [name, seed])).toEqual([
      ["first-dense-lr0.001", 7],
      ["first-dense-lr0.0003", 7],
    ]);
    expect(plan(cells, { set: { "train.learning_rate": 0.1 } })).toHaveLength(4);
  });

  test("variants merge maps and replace lists, and null removes keys, metrics and actions", () => {
    const cells = [
      data,
      model,
      "train: {max_steps: 3, learning_rate: 1e-3, micro_batch_size: 4}",
      "compress: {magnitude: {sparsity: 0.7, targets: [q, k]}}",
      "train: {max_steps: 9}",
      "evaluate: {perplexity: {stride: 7}, generate: {prompts: [a]}}",
      `variants:
  same:
  merged: {train: {learning_rate: null, per_device_train_batch_size: 2}, compress: {magnitude: {targets: [v]}}}
  fewer: {compress: null, evaluate: {generate: null}}
  other: {compress: {wanda: {samples: 2}}, data: {text: null, grammar: {}}}
  several: {compress: [{magnitude: {}}, {wanda: {}}]}
  trained: {base_model: some/model}`,
    ];
    const [same, merged, fewer, other, several, trained] = plan(cells);
    const actions = (run?: RunPlan) => run?.steps.map(({ action }) => action).join(" ");
    expect(actions(same)).toBe("train compress train evaluate");
    expect(merged!.steps[0]!.options).toMatchObject({
      max_steps: 3,
      learning_rate: 5e-5,
      per_device_train_batch_size: 2,
    });
    expect(merged!.steps[1]!.options).toEqual({ magnitude: { sparsity: 0.7, targets: ["v"] } });
    expect(merged!.steps[2]!.options).toMatchObject({ max_steps: 9, per_device_train_batch_size: 2 });
    expect(actions(fewer)).toBe("train train evaluate");
    expect(fewer!.steps[2]!.options).toEqual({ perplexity: { stride: 7 } });
    expect(other!.steps[1]!.options).toEqual({ wanda: { samples: 2 } });
    expect(other!.data).not.toHaveProperty("text");
    expect(several!.steps.slice(1, 3).map(({ options }) => Object.keys(options)[0])).toEqual([
      "magnitude",
      "wanda",
    ]);
    expect(trained).toMatchObject({ model: undefined, baseModel: "some/model" });
  });

  test("every variant may define its own complete model", () => {
    const plans = plan([
      data,
      "train: {}",
      "variants: {a: {model: {model_type: gpt2, n_embd: 8}}, b: {base_model: x}}",
    ]);
    expect(plans.map(({ model: given, baseModel }) => given?.model_type ?? baseModel)).toEqual(["gpt2", "x"]);
  });

  test("a variant changes its own sweep: another axis, other values, or none", () => {
    const plans = plan([
      model,
      "compress: {magnitude: {sparsity: 0.7}}",
      `variants:
  all: {}
  one: {sweep: {compress.magnitude.sparsity: null}}
  more: {sweep: {compress.magnitude.sparsity: [0.1, 0.2, 0.3], seed: [7]}}`,
      "sweep: {compress.magnitude.sparsity: [0.5, 0.9], seed: [0, 1]}",
    ]);
    expect(
      plans.map(({ variant, sweep }) => [variant, sweep["compress.magnitude.sparsity"], sweep["seed"]]),
    ).toEqual([
      ["all", 0.5, 0],
      ["all", 0.5, 1],
      ["all", 0.9, 0],
      ["all", 0.9, 1],
      ["one", undefined, 0],
      ["one", undefined, 1],
      ["more", 0.1, 7],
      ["more", 0.2, 7],
      ["more", 0.3, 7],
    ]);
    expect(plans[4]!.steps[0]!.options).toMatchObject({ magnitude: { sparsity: 0.7 } });
  });

  test("a variant without the swept action runs once", () => {
    const plans = plan([
      data,
      model,
      "train: {}",
      "compress: {magnitude: {}}",
      "variants: {dense: {compress: null}, sparse: {}}",
      "sweep: {compress.magnitude.sparsity: [0.5, 0.9]}",
    ]);
    expect(plans.map(({ name, sweep }) => [name, sweep])).toEqual([
      ["first-dense", {}],
      ["first-sparse-sparsity0.5", { "compress.magnitude.sparsity": 0.5 }],
      ["first-sparse-sparsity0.9", { "compress.magnitude.sparsity": 0.9 }],
    ]);
  });

  test("running a cell includes the actions up to it", () => {
    const cells = [data, model, "train: {}", "compress: {magnitude: {}}", "train: {max_steps: 2}"];
    const steps = (throughCell: number) => plan(cells, { throughCell })[0]!.steps.map(({ action }) => action);
    expect(steps(1)).toEqual([]);
    expect(steps(3)).toEqual(["train", "compress"]);
    expect(plan(cells, { throughCell: 3 })[0]!.steps[1]!.key).toBe(plan(cells)[0]!.steps[1]!.key);
  });

  test("settings apply to every action of a name, or to one by number", () => {
    const cells = [data, model, "train: {}", "compress: {magnitude: {}}", "train: {}"];
    const stepsOf = (...settings: string[]) => plan(cells, { set: parseSettings(settings) })[0]!.steps;
    expect(stepsOf("train.max_steps=7").map(({ options }) => options.max_steps)).toEqual([7, undefined, 7]);
    expect(stepsOf("train.1.max_steps=7").map(({ options }) => options.max_steps)).toEqual([
      undefined,
      undefined,
      7,
    ]);
    expect(stepsOf("train.micro_batch_size=3")[0]!.options.per_device_train_batch_size).toBe(3);
    expect(stepsOf("compress=null", "data.text=[a, b]")).toHaveLength(2);
    expect(plan(cells, { device: "webgpu", set: { seed: 3 } })[0]).toMatchObject({
      device: "webgpu",
      seed: 3,
    });
  });

  test("plans may name the file relative to the workspace, while messages keep the typed name", () => {
    const experiment = read([model, data, "train: {}"], "..\\typed\\a.lathe.md");
    const options = { codeVersion: "1", file: "examples/a.lathe.md" };
    expect(planRuns(experiment, options)[0]).toMatchObject({
      experiment: "examples/a.lathe.md",
      folder: "examples",
      name: "a",
    });
    expect(() => planRuns(experiment, { ...options, set: { "model.hidden_size": 33 } })).toThrow(/typed/);
  });

  test("faults of options name the option", () => {
    const cells = [data, model, "train: {}", "variants: {dense: {}, grouped: {}}"];
    const settings = (...set: string[]) => failure(cells, { set: parseSettings(set) });
    expect(failure(cells, { variant: "grupped" })).toMatchInlineSnapshot(
      `"--variant: unknown variant "grupped". Did you mean "grouped"? Allowed: dense, grouped."`,
    );
    expect(failure([model], { variant: "dense" })).toMatchInlineSnapshot(
      `"--variant dense: examples/first.lathe.md has no variants. Leave the option out."`,
    );
    expect(settings("train.max_stps=3").slice(0, 90)).toMatchInlineSnapshot(
      `"--set train.max_stps: unknown key "max_stps" in train. Did you mean "max_steps"? Allowed: "`,
    );
    expect(settings("train.max_steps=-3", "model.hidden_size=many", "compress.magnitude.sparsity=1"))
      .toMatchInlineSnapshot(`
      "--set compress.magnitude.sparsity: compress.magnitude.sparsity changes compress, but no cell has that action.
      --set model.hidden_size: model.hidden_size has to be a whole number, not "many".
      --set train.max_steps: train.max_steps has to be more than 0, not -3."
    `);
    expect(settings("model.hidden_size=66")).toMatchInlineSnapshot(
      `"examples/first.lathe.md:6:65: model.num_attention_heads: 4 heads do not divide the width 66."`,
    );
    expect(settings("train.3.max_steps=3")).toMatchInlineSnapshot(
      `"--set train.3.max_steps: the train actions are numbered from 0 to 0, not 3."`,
    );
    expect(settings("max_steps=3")).toMatchInlineSnapshot(
      `"--set max_steps: unknown path "max_steps". Allowed: recipe, data, model, base_model, device, parallel, seed, train, compress, merge, evaluate, export, report."`,
    );
    expect(failure(cells, { device: "gpu" })).toMatchInlineSnapshot(
      `"--device: unknown value "gpu" of device. Did you mean "webgpu"? Allowed: auto, cpu, webgpu, cuda, dml, coreml, torch, torch:cuda, torch:mps, torch:xpu, torch:cpu."`,
    );
    expect(failure(cells, { seed: 1.5 })).toMatchInlineSnapshot(
      `"--seed: seed has to be a whole number, not 1.5."`,
    );
    expect(() => parseSettings(["train.max_steps"])).toThrowErrorMatchingInlineSnapshot(
      `[WorkbenchError: --set train.max_steps: write a path and a value, such as --set train.max_steps=100.]`,
    );
    expect(() => parseSettings(["a=[1"])).toThrowErrorMatchingInlineSnapshot(
      `[WorkbenchError: --set a=[1: not valid YAML: flow sequence must end with a ].]`,
    );
  });

  test("invalid combinations of a sweep are refused before anything runs", () => {
    const cells = [model, "sweep: {model.hidden_size: [64, 60], model.num_attention_heads: [4, 8]}"];
    expect(failure(cells, {})).toMatchInlineSnapshot(
      `"examples/first.lathe.md:6:69: model.num_attention_heads: 8 heads do not divide the width 60."`,
    );
  });
});

describe("a resolved configuration", () => {
  const cells = [
    `paper: {title: A paper, published: [{quantity: eval/loss, value: 1.5}]}\n${data}`,
    model,
    "train: {adam_epsilon: 1e-8}",
    "compress: [{magnitude: {sparsity: 0.5}}, {wanda: {}}]",
    "evaluate: {perplexity: {}, generate: {prompts: ['# a: b\\n', 'true', '', \"```\"]}}",
    "export: {format: onnx}\nreport: {}",
    "variants: {dense: {compress: null}, grouped: {model: {min_channels_per_group: 16}}}",
    "sweep: {train.learning_rate: [1e-3, 3e-4], compress.magnitude.sparsity: [0.1, 0.2], seed: [0, 1]}",
  ];

  test("gives the same plan again, key by key", () => {
    const plans = plan(cells);
    expect(plans).toHaveLength(4 + 8);
    for (const each of plans) {
      const text = writeResolvedYaml(each, { folder: "../../../examples" });
      const again = planRuns(parseExperiment(text, ".lathe/runs/x/config.resolved.yaml", catalog), {
        codeVersion: "1",
      });
      expect(again).toEqual([
        { ...each, experiment: ".lathe/runs/x/config.resolved.yaml", folder: "examples" },
      ]);
    }
  });

  test("keeps a base model, and an absolute folder", () => {
    const [only] = plan([data, "base_model: org/model", "evaluate: {perplexity: {}}"]);
    const text = writeResolvedYaml(only!, { folder: "C:\\work\\examples" });
    const [again] = planRuns(parseExperiment(text, "r/config.resolved.yaml", catalog), { codeVersion: "1" });
    expect(again).toEqual({ ...only, experiment: "r/config.resolved.yaml", folder: "C:/work/examples" });
  });
});

describe("keys of steps", () => {
  const cells = [data, model, "train: {max_steps: 5}", "evaluate: {perplexity: {}}", "train: {max_steps: 6}"];
  const keys = (run: RunPlan) => run.steps.map(({ key }) => key);
  const base = keys(plan(cells)[0]!);
  const withChange = (...settings: string[]) => keys(plan(cells, { set: parseSettings(settings) })[0]!);

  test("change with the inputs of a step, and with nothing else", () => {
    expect(keys(plan(cells)[0]!)).toEqual(base);
    expect(new Set(base).size).toBe(3);
    expect(withChange("device=webgpu")).toEqual(base);
    const changed = (other: string[]) => other.map((key, index) => key !== base[index]);
    expect(changed(withChange("evaluate.perplexity.stride=3"))).toEqual([false, true, false]);
    expect(changed(withChange("train.1.max_steps=9"))).toEqual([false, false, true]);
    expect(changed(withChange("train.0.max_steps=9"))).toEqual([true, true, true]);
    expect(changed(withChange("seed=1"))).toEqual([true, true, true]);
    expect(changed(withChange("data.sequence_len=64"))).toEqual([true, true, true]);
    expect(changed(keys(plan(cells, { codeVersion: "2" })[0]!))).toEqual([true, true, true]);
  });

  test("include the hash of the data if it is known", () => {
    const [run] = plan(cells);
    const inputs = { codeVersion: "1", dataHash: "abc" };
    const keyed = addStepKeys(run!, inputs);
    expect(keyed.steps[1]!.key).toBe(computeStepKey(run!, 1, inputs));
    expect(keyed.steps[1]!.key).not.toBe(base[1]);
  });

  test("do not depend on the order in which keys were written", () => {
    expect(toCanonicalJson({ b: [1, { d: 2, c: undefined }], a: null })).toBe('{"a":null,"b":[1,{"d":2}]}');
    expect(toCanonicalJson({ a: 1, b: 2 })).toBe(toCanonicalJson({ b: 2, a: 1 }));
  });
});

test("names of runs are valid folder names", () => {
  const sweep = [
    { path: "train.learning_rate", value: 3e-4 },
    { path: "data.text", value: "../a b/*.ts" },
    { path: "model.tied", value: true },
    { path: "compress.magnitude.targets", value: ["q", "k"] },
  ];
  expect(createRunName("first", "grouped", sweep)).toMatchInlineSnapshot(
    `"first-grouped-lr0.0003-text_a_b_.ts-tiedtrue-targetsq_k"`,
  );
  expect(createRunName("Ärger: 1/2?", undefined, [])).toMatchInlineSnapshot(`"Arger_1_2"`);
  expect(createRunName("...", undefined, [])).toBe("run");
  expect(createRunName("x".repeat(200), undefined, [])).toHaveLength(80);
});
