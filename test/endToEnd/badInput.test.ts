/** What cannot run is refused in one line that says what is wrong, where, and what to do; nothing is left behind by it. */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { realWorkspace, useRealLathe, type Workspace } from "./realLathe";

useRealLathe();

const data = "data: {text: text.txt, sequence_len: 16, val_fraction: 0.2}";
const model =
  "model: {model_type: llama, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2}";
const train = "train: {max_steps: 4, per_device_train_batch_size: 2}";
const evaluate = (options: string) => [data, model, `evaluate: {perplexity: {${options}}}`];
const on = (base: string) => [data, `base_model: ${base}`, train];
const reading = (what: string) => [data.replace("text.txt", what), model, train];
const tokenizer = (what: string) => [data.replace("16,", `16, tokenizer: ${what},`), model, train];

let workspace: Workspace;
/** Where the one run of the workspace is kept, away from where runs usually are. */
let run: string;

beforeAll(async () => {
  workspace = realWorkspace();
  const inside = (...path: string[]) => join(workspace.path, ...path);
  const text = Array.from({ length: 60 }, (_, i) => `Line ${i} says ${(i * i) % 97}.\n`).join("");
  writeFileSync(inside("text.txt"), text);
  writeFileSync(inside("long.txt"), text.repeat(10));
  writeFileSync(inside("empty.txt"), "");
  writeFileSync(inside("picture.png"), Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 3]));
  writeFileSync(inside("latin.txt"), Buffer.from("caf\u00e9 au lait", "latin1"));
  writeFileSync(inside("broken.json"), '{"model": ');
  writeFileSync(inside("other.json"), '{"name": "no tokenizer"}');
  mkdirSync(inside("empty-folder"));
  workspace.write("good.lathe.md", [data, model, train].join("\n"));
  run = await workspace.run(
    workspace.write("small.lathe.md", [tokenizer("characters")[0], model, train].join("\n")),
    "--device",
    "cpu",
    "--out",
    "runs",
  );
  await workspace.lathe("run", "small.lathe.md", "--device", "cpu", "--out", "two");
  await workspace.lathe("run", "small.lathe.md", "--device", "cpu", "--out", "two");
  const checkpoint = join(run, "checkpoints", "step-4");
  cpSync(checkpoint, inside("checkpoint"), { recursive: true });
  for (const name of ["cut", "mixed"]) cpSync(checkpoint, inside(name), { recursive: true });
  truncateSync(inside("cut", "model.safetensors"), 3000);
  widen(inside("mixed", "config.json"));
  await workspace.lathe("export", checkpoint, "--format", "safetensors", "--out", "exported");
  for (const name of ["exported-cut", "exported-mixed", "exported-bare"])
    cpSync(inside("exported"), inside(name), { recursive: true });
  truncateSync(inside("exported-cut", "model.safetensors"), 3000);
  widen(inside("exported-mixed", "config.json"));
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) rmSync(inside("exported-bare", name));
}, 60_000);

function widen(config: string): void {
  writeFileSync(config, readFileSync(config, "utf8").replace('"hidden_size": 16', '"hidden_size": 32'));
}

interface Case {
  readonly what: string;
  /** The experiment; without one, `args` are the whole command. */
  readonly cells?: readonly string[];
  readonly args?: readonly string[];
  /** With WORKSPACE for its path, and RUN for the id of its run. */
  readonly message: string;
}

const trainKeys =
  "max_steps, num_train_epochs, per_device_train_batch_size, micro_batch_size, gradient_accumulation_steps, learning_rate, lr_scheduler_type, warmup_steps, warmup_ratio, min_lr_ratio, optim, adam_beta1, adam_beta2, adam_epsilon, momentum, weight_decay, max_grad_norm, logging_steps, eval_steps, eval_batches, save_steps, save_total_limit, load_best_model_at_end, gradient_checkpointing";
const modelKinds =
  "Name a run folder, a checkpoint folder, a Hugging Face folder (config.json and model.safetensors), or a llama2.c .bin file.";

const cases: readonly Case[] = [
  {
    what: "an unknown key",
    cells: [data, model, "train: {learning_rat: 1}"],
    message: `bad.lathe.md:6:9: unknown key "learning_rat" in train. Did you mean "learning_rate"? Allowed: ${trainKeys}.`,
  },
  {
    what: "an unknown cell",
    cells: [data, model, "trian: {max_steps: 1}"],
    message:
      'bad.lathe.md:6:1: unknown key "trian". Did you mean "train"? Allowed: name, folder, data, model, base_model, device, seed, variants, sweep, paper, train, compress, evaluate, export, report.',
  },
  {
    what: "a wrong type",
    cells: [data, model, "train: {max_steps: many}"],
    message: 'bad.lathe.md:6:20: train.max_steps has to be a whole number, not "many".',
  },
  {
    what: "a negative size",
    cells: [data, model.replace("hidden_size: 16", "hidden_size: -16"), train],
    message: "bad.lathe.md:5:41: model.hidden_size has to be more than 0, not -16.",
  },
  {
    what: "heads that do not divide the width",
    cells: [data, model.replace("heads: 2", "heads: 3"), train],
    message:
      "bad.lathe.md:5:111: model.num_attention_heads: 3 heads do not divide the width hidden_size 16; choose a divisor of it.",
  },
  {
    what: "an unknown model",
    cells: [data, model.replace("llama", "lama"), train],
    message:
      'bad.lathe.md:5:21: unknown value "lama" of model.model_type. Did you mean "llama"? Allowed: gpt2, kphi3, llama, phi3.',
  },
  {
    what: "a key that is declared twice",
    cells: [data, model, model, train],
    message: 'bad.lathe.md:6:1: the key "model" is given twice.',
  },
  {
    what: "a training above its model",
    cells: [data, train, model],
    message: "bad.lathe.md:5:1: train stands before any model. Move model, on line 6, above it.",
  },
  {
    what: "a training without text",
    cells: [model, train],
    message: "bad.lathe.md:5:8: train has no text to read; declare data above it.",
  },
  {
    what: "a training without a model",
    cells: [data, train],
    message: "bad.lathe.md:5:8: train has no model to work on; declare model or base_model above it.",
  },
  {
    what: "evaluations without a validation split",
    cells: [data.replace("0.2", "0"), model, "train: {max_steps: 4, eval_steps: 2}"],
    message: "bad.lathe.md:6:35: train.eval_steps needs a validation split; raise data.val_fraction above 0.",
  },
  {
    what: "broken YAML",
    cells: [data, model, "train: {max_steps: 4"],
    message:
      "bad.lathe.md:6:22: not valid YAML: flow map in block collection must be sufficiently indented and end with a }.",
  },
  {
    what: "an indentation of tabs",
    cells: [data, model, "train:\n\tmax_steps: 4"],
    message: "bad.lathe.md:7:1: not valid YAML: tabs are not allowed as indentation.",
  },
  {
    what: "sequences that are longer than the data",
    cells: [data.replace("16", "900"), model, train],
    message:
      "The training split of text.txt has 764 tokens (of 1002 in all), but a sequence of data.sequence_len 900 needs 901. Lower data.sequence_len, or give more text.",
  },
  {
    what: "sequences that are longer than the model",
    cells: [data, model.replace("}", ", max_position_embeddings: 8}"), train],
    message:
      "bad.lathe.md:4:38: data.sequence_len has to be at most 8, the model's max_position_embeddings; it is 16.",
  },
  {
    what: "an empty file",
    cells: reading("empty.txt"),
    message: "There is no text in empty.txt. Name files that hold some.",
  },
  {
    what: "a pattern that no file matches",
    cells: reading('"*.tex"'),
    message:
      'No file matches "*.tex" in WORKSPACE. Patterns are relative to the experiment; folders named node_modules are read only when the pattern names them.',
  },
  {
    what: "a folder instead of its files",
    cells: reading("empty-folder"),
    message:
      'WORKSPACE/empty-folder is a folder. Write which files in it are meant, for example "empty-folder/**/*.txt".',
  },
  {
    what: "a binary file",
    cells: reading("picture.png"),
    message:
      "WORKSPACE/picture.png is not text: it holds a NUL byte at position 4. Take it out of the data with a narrower pattern, or convert it to UTF-8.",
  },
  {
    what: "text that is not UTF-8",
    cells: reading("latin.txt"),
    message:
      "WORKSPACE/latin.txt is not text: it is not valid UTF-8 around byte 0. Take it out of the data with a narrower pattern, or convert it to UTF-8.",
  },
  {
    what: "an unknown data set",
    cells: ["data: {dataset: wikitext}", model, train],
    message:
      'bad.lathe.md:4:17: unknown value "wikitext" of data.dataset. Did you mean "wikitext-2"? Allowed: penn-treebank, tiny-shakespeare, tinystories, wikitext-2.',
  },
  {
    what: "a tokenizer that is not there",
    cells: tokenizer("nowhere.json"),
    message:
      'There is no tokenizer "nowhere.json": it is not one of bytes, characters, and there is no file WORKSPACE/nowhere.json. Write one of these names, or the path of a tokenizer.json relative to the experiment.',
  },
  {
    what: "a tokenizer that is cut off",
    cells: tokenizer("broken.json"),
    message:
      "broken.json: the tokenizer cannot be read (Unexpected end of JSON input). Give the path of an intact Hugging Face tokenizer.json, or use the tokenizer `bytes`.",
  },
  {
    what: "a tokenizer that is none",
    cells: tokenizer("other.json"),
    message:
      "other.json: the tokenizer cannot be read (model: Invalid input: expected object, received undefined). Give the path of an intact Hugging Face tokenizer.json, or use the tokenizer `bytes`.",
  },
  {
    what: "a tokenizer that is larger than the vocabulary",
    cells: [data, model.replace("}", ", vocab_size: 100}"), train],
    message: "vocab_size is 100, but the tokenizer has 257 tokens; raise it to 257 or leave it out.",
  },
  {
    what: "a tokenizer that is larger than a base model's vocabulary",
    cells: on("checkpoint"),
    message:
      "The tokenizer has 257 tokens, but the model knows only 20. Use the tokenizer that belongs to the model.",
  },
  {
    what: "an unknown device in the file",
    cells: [data, model, train, "device: gpu"],
    message:
      'bad.lathe.md:7:9: unknown value "gpu" of device. Did you mean "webgpu"? Allowed: auto, cpu, webgpu, cuda, dml, coreml.',
  },
  {
    what: "a base model that is not there",
    cells: on("nowhere"),
    message: `There is no model at WORKSPACE/nowhere. ${modelKinds} Models of the Hugging Face hub are not fetched: download the folder first.`,
  },
  {
    what: "a base model of the hub",
    cells: on("openai-community/gpt2"),
    message: `There is no model at WORKSPACE/openai-community/gpt2. ${modelKinds} Models of the Hugging Face hub are not fetched: download the folder first.`,
  },
  {
    what: "a base model without a model",
    cells: on("empty-folder"),
    message: `WORKSPACE/empty-folder holds no model. ${modelKinds}`,
  },
  {
    what: "a base model that is a text",
    cells: on("text.txt"),
    message: `WORKSPACE/text.txt is a file of no kind that is read here. ${modelKinds}`,
  },
  {
    what: "a checkpoint whose weights are cut off",
    cells: on("cut"),
    message:
      "WORKSPACE/cut/model.safetensors is not what was written: 3000 bytes instead of 14168. Use another checkpoint of the run.",
  },
  {
    what: "a checkpoint with the configuration of another",
    cells: on("mixed"),
    message:
      "WORKSPACE/mixed/config.json is not what was written: its content has changed. Use another checkpoint of the run.",
  },
  {
    what: "a model folder whose weights are cut off",
    cells: on("exported-cut"),
    message:
      "WORKSPACE/exported-cut/model.safetensors is no usable safetensors file: model.layers.0.self_attn.q_proj.weight ([16, 16] F32) claims bytes 1280 to 2304, which do not fit its shape or the file. Use another copy of it.",
  },
  {
    what: "a model folder with the configuration of another",
    cells: on("exported-mixed"),
    message:
      "WORKSPACE/exported-mixed does not fit its configuration: model.embed_tokens.weight is [20, 16] where the model has [20, 32]; model.layers.0.self_attn.q_proj.weight is [16, 16] where the model has [32, 32]; model.layers.0.self_attn.k_proj.weight is [16, 16] where the model has [32, 32]; model.layers.0.self_attn.v_proj.weight is [16, 16] where the model has [32, 32]; model.layers.0.self_attn.o_proj.weight is [16, 16] where the model has [32, 32]; model.layers.0.mlp.gate_proj.weight is [32, 16] where the model has [32, 32]; model.layers.0.mlp.up_proj.weight is [32, 16] where the model has [32, 32]; model.layers.0.mlp.down_proj.weight is [16, 32] where the model has [32, 32]; and 4 more. Check that config.json and the weights belong together.",
  },
  {
    what: "sequences that are longer than a base model",
    cells: [data.replace("16", "2049").replace("0.2", "0"), "base_model: checkpoint", train].map((cell) =>
      cell.replace("text.txt", "long.txt"),
    ),
    message:
      "data.sequence_len is 2049, but the model has only 2048 positions. Lower sequence_len or raise the model's.",
  },
  {
    what: "an unknown metric",
    cells: [data, model, "evaluate: {perplexty: {}}"],
    message:
      'bad.lathe.md:6:12: unknown key "perplexty" in evaluate. Did you mean "perplexity"? Allowed: counts, generate, perplexity.',
  },
  {
    what: "an unknown method",
    cells: [data, model, "compress: {magnitud: {sparsity: 0.5}}"],
    message:
      'bad.lathe.md:6:12: unknown key "magnitud" in compress. Did you mean "magnitude"? Allowed: magnitude.',
  },
  {
    what: "an unknown export format",
    cells: [data, model, "export: {format: gguf}"],
    message: 'bad.lathe.md:6:18: unknown value "gguf" of export.format. Allowed: onnx, safetensors.',
  },
  {
    what: "a sparsity above 1",
    cells: [data, model, "compress: {magnitude: {sparsity: 1.5}}"],
    message: "bad.lathe.md:6:34: compress.magnitude.sparsity has to be at most 1, not 1.5.",
  },
  {
    what: "a method on a role that it cannot treat",
    cells: [
      data,
      model.replace("llama", "kphi3").replace("}", ", min_channels_per_group: 8}"),
      'compress: {magnitude: {sparsity: 0.5, targets: ["layers.*.mlp.*"]}}',
    ],
    message:
      "Magnitude pruning cannot be applied: layers.0.mlp.gate_up_proj is stored grouped, and weights are dropped from dense or masked matrices (and so for 1 more). Leave such roles out with ignore.",
  },
  {
    what: "a target that matches nothing",
    cells: [data, model, "compress: {magnitude: {sparsity: 0.5, targets: [attention]}}"],
    message:
      'targets: "attention" matches no role; roles are embed_tokens, layers.<n>.self_attn.q_proj, layers.<n>.self_attn.k_proj, layers.<n>.self_attn.v_proj, layers.<n>.self_attn.o_proj, layers.<n>.mlp.gate_proj, layers.<n>.mlp.up_proj, layers.<n>.mlp.down_proj, lm_head. The embeddings and the head are matched by their plain name only.',
  },
  {
    what: "a stride above the context",
    cells: evaluate("stride: 32"),
    message:
      "bad.lathe.md:6:33: evaluate.perplexity.stride has to be at most the context, 16 tokens; it is 32, so tokens between windows would go unscored.",
  },
  {
    what: "a context that is longer than the model",
    cells: [
      data,
      model.replace("}", ", max_position_embeddings: 16}"),
      "evaluate: {perplexity: {context: 64}}",
    ],
    message: "A context of 64 is longer than the model's 16 positions. Choose at most 16.",
  },
  {
    what: "a split that the data has not",
    cells: evaluate("split: test"),
    message:
      "text.txt has no test split, only train and validation. Name files in data.test_text, or choose another split.",
  },
  {
    what: "an evaluation without text",
    cells: ["base_model: exported", "evaluate: {perplexity: {}}"],
    message: "evaluate.perplexity has no text to read. Add a data cell above it.",
  },
  {
    what: "samples without a tokenizer",
    cells: ["base_model: exported-bare", "evaluate: {generate: {prompts: [a]}}"],
    message:
      "evaluate.generate needs a tokenizer, and the base model brings none. Add a data cell with data.tokenizer.",
  },
  {
    what: "an unknown variant",
    cells: [data, model, train, "variants: {small: {}, large: {}}"],
    args: ["--variant", "smal"],
    message: '--variant: unknown variant "smal". Did you mean "small"? Allowed: small, large.',
  },
  {
    what: "a variant where there are none",
    args: ["run", "good.lathe.md", "--variant", "small"],
    message: "--variant small: good.lathe.md has no variants. Leave the option out.",
  },
  {
    what: "an unknown device",
    args: ["run", "good.lathe.md", "--device", "gpu"],
    message:
      '--device: unknown value "gpu" of device. Did you mean "webgpu"? Allowed: auto, cpu, webgpu, cuda, dml, coreml.',
  },
  {
    what: "a setting without a value",
    args: ["run", "good.lathe.md", "--set", "train.max_steps"],
    message: "--set train.max_steps: write a path and a value, such as --set train.max_steps=100.",
  },
  {
    what: "a setting of an unknown key",
    args: ["run", "good.lathe.md", "--set", "train.max_step=3"],
    message: `--set train.max_step: unknown key "max_step" in train. Did you mean "max_steps"? Allowed: ${trainKeys}.`,
  },
  {
    what: "a setting of a wrong type",
    args: ["run", "good.lathe.md", "--set", "train.max_steps=few"],
    message: '--set train.max_steps: train.max_steps has to be a whole number, not "few".',
  },
  {
    what: "a setting that is no YAML",
    args: ["run", "good.lathe.md", "--set", "train.max_steps=[1"],
    message: "--set train.max_steps=[1: not valid YAML: flow sequence must end with a ].",
  },
  {
    what: "a seed that is none",
    args: ["run", "good.lathe.md", "--seed", "x"],
    message: "option '--seed <number>' argument 'x' is invalid. Write a whole number.",
  },
  {
    what: "an unknown option",
    args: ["run", "good.lathe.md", "--fast"],
    message: "unknown option '--fast'",
  },
  {
    what: "an experiment that is not there",
    args: ["run", "nowhere.lathe.md"],
    message: "There is no experiment nowhere.lathe.md. Check the path.",
  },
  {
    what: "a folder instead of an experiment",
    args: ["run", "."],
    message: ". is a folder. Name an experiment file, such as ./first.lathe.md.",
  },
  {
    what: "a picture instead of an experiment",
    args: ["run", "picture.png"],
    message: "picture.png:1:1: the file is not text in UTF-8. Save it as UTF-8, or choose another.",
  },
  {
    what: "a text instead of an experiment",
    args: ["run", "text.txt"],
    message:
      "text.txt:1:1: the file has no cell. Write a block that starts with ```yaml and holds keys such as model or train.",
  },
  {
    what: "a file without cells to count",
    args: ["params", "text.txt"],
    message:
      "text.txt:1:1: the file has no cell. Write a block that starts with ```yaml and holds keys such as model or train.",
  },
  {
    what: "a plan of what is not there",
    args: ["plan", "nowhere.lathe.md"],
    message: "There is no experiment nowhere.lathe.md. Check the path.",
  },
  {
    what: "a run that does not exist",
    args: ["show", "nothing", "--out", "runs"],
    message: "No run nothing in WORKSPACE/runs. The nearest is small-ID; `lathe runs` lists all.",
  },
  {
    what: "a run where there are none",
    args: ["attach", "last"],
    message: "There are no runs in WORKSPACE/.lathe/runs. Start one with `lathe run FILE`.",
  },
  {
    what: "a beginning that two runs have",
    args: ["show", "small", "--out", "two"],
    message: "small could be any of 2 runs: small-ID, small-ID. Write more of its id.",
  },
  {
    what: "a finished run to resume",
    args: ["resume", "last", "--out", "runs"],
    message: "small-ID is done; there is nothing left to resume.",
  },
  {
    what: "a finished run to stop",
    args: ["stop", "last", "--out", "runs"],
    message: "small-ID is done; only a run that is going can be asked to stop.",
  },
  {
    what: "a model that is not there",
    args: ["inspect", "nowhere"],
    message:
      "There is no model nowhere: no file or folder of that name here, and no run. There are no runs in WORKSPACE/.lathe/runs. Start one with `lathe run FILE`.",
  },
  {
    what: "a cut model to write with",
    args: ["generate", "cut"],
    message:
      "WORKSPACE/cut/model.safetensors is not what was written: 3000 bytes instead of 14168. Use another checkpoint of the run.",
  },
  {
    what: "an unknown format to export to",
    args: ["export", "checkpoint", "--format", "gguf", "--out", "new"],
    message: "--format is onnx, safetensors, csv or tensorboard.",
  },
];

/** The message, with what differs from time to time replaced. */
function told(message: string): string {
  return message.replaceAll(workspace.path, "WORKSPACE").replaceAll(/-\d{8}-\d{6}-[0-9a-f]{4}/g, "-ID");
}

function commandOf({ cells, args = [] }: Case): readonly string[] {
  if (cells === undefined) return args;
  return ["run", workspace.write("bad.lathe.md", cells.join("\n")), "--device", "cpu", ...args];
}

describe("bad input", { timeout: 30_000 }, () => {
  it.each(cases)("$what", async (each) => {
    const { status, output, errors } = await workspace.lathe(...commandOf(each), "--json");
    expect(status).toBe(2);
    const { error } = JSON.parse(output) as { error: { code: string; message: string } };
    expect(told(error.message)).toBe(each.message);
    // What a program reads in the document, a person reads beside it.
    expect(errors.replace(/^error: /, "")).toBe(`${error.message}\n`);
    expect(existsSync(join(workspace.path, ".lathe", "runs"))).toBe(false);
  });

  it("is told on standard error alone where no document is asked for", async () => {
    for (const each of [cases[0]!, cases.at(-2)!, cases.at(-1)!]) {
      const { status, output, errors } = await workspace.lathe(...commandOf(each));
      expect({ status, output }).toEqual({ status: 2, output: "" });
      expect(told(errors.replace(/^error: /, ""))).toBe(`${each.message}\n`);
    }
  });

  it("such as a number of threads that is none is refused like the rest", async () => {
    const other = realWorkspace({ LATHE_THREADS: "many" });
    const file = other.write(
      "good.lathe.md",
      [data.replace("text: text.txt", "grammar: {}"), model, train].join("\n"),
    );
    const { status, errors } = await other.lathe("run", file);
    expect(status).toBe(2);
    expect(errors).toMatch(/^error: The number of threads has to be a whole number from 1 up, not many\./);
    expect(existsSync(join(other.path, ".lathe", "runs"))).toBe(false);
  });
});

describe("a device that does not start", { timeout: 60_000 }, () => {
  it.for([
    [
      "dml",
      /^error: The device dml does not work here: .*It needs Windows 10 or newer\. Choose --device cpu/,
    ],
    [
      "coreml",
      /^error: The device coreml does not work here: .*It needs macOS on Apple silicon\. Choose --device cpu/,
    ],
    [
      "cuda",
      /^error: The device cuda does not work here: .*It needs Linux on x64, an NVIDIA driver.* Choose --device cpu/,
    ],
  ] as const)("%s is refused with what it needs", async ([name, message], test) => {
    const { devices } = await workspace.json<{ devices: readonly { name: string; works: boolean }[] }>(
      "devices",
    );
    if (devices.some((device) => device.name === name && device.works)) test.skip(`${name} works here`);
    const { status, errors } = await workspace.lathe("run", "good.lathe.md", "--device", name);
    expect(status).toBe(2);
    expect(errors).toMatch(message);
    expect(existsSync(join(workspace.path, ".lathe", "runs"))).toBe(false);
  });
});
