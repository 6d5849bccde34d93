/** Experiments that cannot run, and the error message of each. */
import { exporters } from "../../src/backend/exports/catalog";
import { models } from "../../src/backend/models/catalog";
import { schemaCatalog } from "../../src/backend/schemaCatalog";
import { createExperimentSchema, trainSchema } from "../../src/schema/experiment";

export const data = "data: {text: text.txt, sequence_len: 16, val_fraction: 0.2}";
export const model =
  "model: {model_type: llama, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2}";
export const train = "train: {max_steps: 4, per_device_train_batch_size: 2}";
const evaluate = (options: string) => [data, model, `evaluate: {perplexity: {${options}}}`];
const asking = (prompts: string) => `evaluate: {generate: {prompts: ${prompts}}}`;
const on = (base: string) => [data, `base_model: ${base}`, train];
const reading = (what: string) => [data.replace("text.txt", what), model, train];
export const tokenizer = (what: string) => [data.replace("16,", `16, tokenizer: ${what},`), model, train];

export interface Case {
  readonly what: string;
  /** The experiment; without one, `args` are the whole command. */
  readonly cells?: readonly string[];
  readonly args?: readonly string[];
  /** With WORKSPACE for its path, and RUN for the id of its run. */
  readonly message: string;
}

// New keys and datasets change the list of allowed ones: these tests only check how an unknown one is reported.
export const trainKeys = Object.keys(trainSchema.shape).join(", ");
const cellKeys = Object.keys(createExperimentSchema(schemaCatalog).shape).join(", ");
const dataSetNames = [...(schemaCatalog.dataSets ?? [])].sort().join(", ");
const metricNames = [...Object.keys(schemaCatalog.metrics).sort(), "inference"].join(", ");
const methodNames = Object.keys(schemaCatalog.methods).join(", ");
const modelKinds =
  "Name a run folder, a checkpoint folder, a Hugging Face folder (config.json and model.safetensors), a llama2.c .bin file, a .gguf file, a named model such as stories260k, or a model of the Hugging Face hub as owner/name.";

export const badExperiments: readonly Case[] = [
  {
    what: "an unknown key",
    cells: [data, model, "train: {learning_rat: 1}"],
    message: `bad.lathe.md:6:9: unknown key "learning_rat" in train. Did you mean "learning_rate"? Allowed: ${trainKeys}.`,
  },
  {
    what: "an unknown cell",
    cells: [data, model, "trian: {max_steps: 1}"],
    message: `bad.lathe.md:6:1: unknown key "trian". Did you mean "train"? Allowed: ${cellKeys}.`,
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
    message: `bad.lathe.md:5:21: unknown value "lama" of model.model_type. Did you mean "llama"? Allowed: ${Object.keys(models).join(", ")}.`,
  },
  {
    what: "a duplicate key",
    cells: [data, model, model, train],
    message: 'bad.lathe.md:6:1: the key "model" is specified twice.',
  },
  {
    what: "a training above its model",
    cells: [data, train, model],
    message: "bad.lathe.md:5:1: train comes before any model. Move model, on line 6, above it.",
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
    what: "sequences longer than the data",
    cells: [data.replace("16", "900"), model, train],
    message:
      "The training split of text.txt has 764 tokens (of 1002 in all), but a sequence of data.sequence_len 900 needs 901. Lower data.sequence_len, or give more text.",
  },
  {
    what: "sequences longer than the model's context",
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
      "WORKSPACE/picture.png is not text: it has a NUL byte at position 4 (line 1). Exclude the file with a narrower pattern, set data.encoding to the file's encoding, or convert it to UTF-8.",
  },
  {
    what: "text that is not UTF-8",
    cells: reading("latin.txt"),
    message:
      "WORKSPACE/latin.txt is not text: it has a byte that is not valid UTF-8 at position 3 (line 1). Exclude the file with a narrower pattern, set data.encoding to the file's encoding, or convert it to UTF-8.",
  },
  {
    what: "an unknown dataset",
    cells: ["data: {dataset: tinystory}", model, train],
    message: `bad.lathe.md:4:17: unknown value "tinystory" of data.dataset. Did you mean "tinystories"? Allowed: ${dataSetNames}.`,
  },
  {
    what: "a missing tokenizer",
    cells: tokenizer("nowhere.json"),
    message:
      'There is no tokenizer "nowhere.json": it is not one of bytes, characters, and there is no file WORKSPACE/nowhere.json. Write one of these names, or the path of a tokenizer.json relative to the experiment.',
  },
  {
    what: "a truncated tokenizer",
    cells: tokenizer("broken.json"),
    message:
      "broken.json: the tokenizer cannot be read (Unexpected end of JSON input). Use an intact Hugging Face tokenizer.json, or the tokenizer `bytes`.",
  },
  {
    what: "a file that is not a tokenizer",
    cells: tokenizer("other.json"),
    message:
      "other.json: the tokenizer cannot be read (model: Invalid input: expected object, received undefined). Use an intact Hugging Face tokenizer.json, or the tokenizer `bytes`.",
  },
  {
    what: "a tokenizer larger than the vocabulary",
    cells: [data, model.replace("}", ", vocab_size: 100}"), train],
    message: "vocab_size is 100, but the tokenizer has 257 tokens; raise it to 257 or leave it out.",
  },
  {
    what: "a tokenizer larger than a base model's vocabulary",
    cells: on("checkpoint"),
    message:
      "The token L (id 76) occurs in document 1 of text.txt, from byte 0, but the model has only 20 rows (ids 0 to 19). Use the tokenizer that belongs to the model, leave the token out of the text, or train with resize_embeddings: true in base_model, which adds rows.",
  },
  {
    what: "an unknown device in the file",
    cells: [data, model, train, "device: gpu"],
    message:
      'bad.lathe.md:7:9: unknown value "gpu" of device. Did you mean "webgpu"? Allowed: auto, cpu, webgpu, cuda, dml, coreml, torch, torch:cuda, torch:mps, torch:xpu, torch:cpu.',
  },
  {
    what: "products in bfloat16 on ONNX Runtime",
    cells: [data, model, train.replace("}", ", precision: bfloat16}"), "device: cpu"],
    message:
      "train.precision is bfloat16, but ONNX Runtime, which runs cpu, trains in float32 only. Use a device of PyTorch, such as torch:cuda, or remove train.precision.",
  },
  {
    what: "a missing base model",
    cells: on("nowhere"),
    message: `There is no model at WORKSPACE/nowhere. ${modelKinds}`,
  },
  {
    what: "a base model of the hub that is not in the cache",
    cells: on("openai-community/gpt2"),
    message:
      "openai-community/gpt2@main is missing or incomplete in the cache WORKSPACE/hub, and HF_HUB_OFFLINE prevents downloads. Unset HF_HUB_OFFLINE to download it. " +
      "To work offline, put config.json, model.safetensors (or model.safetensors.index.json with the files that it lists) and the " +
      "tokenizer files of openai-community/gpt2 into a folder and use its path, or copy " +
      "WORKSPACE/hub/models--openai-community--gpt2 from another machine.",
  },
  {
    what: "a base model without a model",
    cells: on("empty-folder"),
    message: `WORKSPACE/empty-folder holds no model. ${modelKinds}`,
  },
  {
    what: "a base model that is a text",
    cells: on("text.txt"),
    message: `WORKSPACE/text.txt is not a supported model file. ${modelKinds}`,
  },
  {
    what: "a checkpoint with truncated weights",
    cells: on("cut"),
    message:
      "WORKSPACE/cut/model.safetensors has changed since it was written: 3000 bytes instead of 14168. Use another checkpoint of the run.",
  },
  {
    what: "a checkpoint with another checkpoint's configuration",
    cells: on("mixed"),
    message:
      "WORKSPACE/mixed/config.json has changed since it was written: its checksum differs. Use another checkpoint of the run.",
  },
  {
    what: "a model folder with truncated weights",
    cells: on("exported-cut"),
    message:
      "WORKSPACE/exported-cut/model.safetensors is not a valid safetensors file: model.layers.0.self_attn.q_proj.weight ([16, 16] F32) claims bytes 1280 to 2304, which do not fit its shape or the file. Use another copy of the file.",
  },
  {
    what: "a model folder with another model's configuration",
    cells: on("exported-mixed"),
    message:
      "WORKSPACE/exported-mixed does not fit its configuration: model.embed_tokens.weight is [20, 16] where the model has [20, 32]; model.layers.0.self_attn.q_proj.weight is [16, 16] where the model has [32, 32]; model.layers.0.self_attn.k_proj.weight is [16, 16] where the model has [32, 32]; model.layers.0.self_attn.v_proj.weight is [16, 16] where the model has [32, 32]; model.layers.0.self_attn.o_proj.weight is [16, 16] where the model has [32, 32]; model.layers.0.mlp.gate_proj.weight is [32, 16] where the model has [32, 32]; model.layers.0.mlp.up_proj.weight is [32, 16] where the model has [32, 32]; model.layers.0.mlp.down_proj.weight is [16, 32] where the model has [32, 32]; and 4 more. Check that config.json and the weights belong together.",
  },
  {
    what: "sequences longer than a base model's context",
    cells: [data.replace("16", "2049").replace("0.2", "0"), "base_model: checkpoint", train].map((cell) =>
      cell.replace("text.txt", "long.txt"),
    ),
    message:
      "data.sequence_len is 2049, but the model has only 2048 positions. Lower sequence_len or raise the model's.",
  },
  {
    what: "an unknown metric",
    cells: [data, model, "evaluate: {perplexty: {}}"],
    message: `bad.lathe.md:6:12: unknown key "perplexty" in evaluate. Did you mean "perplexity"? Allowed: ${metricNames}.`,
  },
  {
    what: "an unknown method",
    cells: [data, model, "compress: {magnitud: {sparsity: 0.5}}"],
    message: `bad.lathe.md:6:12: unknown key "magnitud" in compress. Did you mean "magnitude"? Allowed: ${methodNames}.`,
  },
  {
    what: "an unknown export format",
    cells: [data, model, "export: {format: pickle}"],
    message: `bad.lathe.md:6:18: unknown value "pickle" of export.format. Allowed: ${Object.keys(exporters).join(", ")}.`,
  },
  {
    what: "a sparsity above 1",
    cells: [data, model, "compress: {magnitude: {sparsity: 1.5}}"],
    message: "bad.lathe.md:6:34: compress.magnitude.sparsity has to be at most 1, not 1.5.",
  },
  {
    what: "a method on a role that it does not support",
    cells: [
      data,
      model.replace("llama", "kphi3").replace("}", ", min_channels_per_group: 8}"),
      'compress: {magnitude: {sparsity: 0.5, targets: ["layers.*.mlp.*"]}}',
    ],
    message:
      "Magnitude pruning cannot be applied: layers.0.mlp.gate_up_proj is stored as grouped, but only dense and masked matrices can be pruned (and so for 1 more). Leave such roles out with ignore.",
  },
  {
    what: "a target that matches nothing",
    cells: [data, model, "compress: {magnitude: {sparsity: 0.5, targets: [attention]}}"],
    message:
      'targets: "attention" matches no role. Roles: embed_tokens, layers.<n>.self_attn.q_proj, layers.<n>.self_attn.k_proj, layers.<n>.self_attn.v_proj, layers.<n>.self_attn.o_proj, layers.<n>.mlp.gate_proj, layers.<n>.mlp.up_proj, layers.<n>.mlp.down_proj, lm_head. Patterns never match embeddings or the head; write their full names.',
  },
  {
    what: "a stride above the context",
    cells: evaluate("stride: 32"),
    message:
      "bad.lathe.md:6:33: evaluate.perplexity.stride has to be at most the context, 16 tokens; it is 32, so tokens between windows would not be scored.",
  },
  {
    what: "a context longer than the model's",
    cells: [
      data,
      model.replace("}", ", max_position_embeddings: 16}"),
      "evaluate: {perplexity: {context: 64}}",
    ],
    message: "A context of 64 is longer than the model's 16 positions. Set context to at most 16.",
  },
  {
    what: "a split that the data does not have",
    cells: evaluate("split: test"),
    message:
      "text.txt has no test split, only train and validation. Set data.test_text, or choose another split.",
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
      "evaluate.generate needs a tokenizer, but the base model has none. Add a data cell with data.tokenizer.",
  },
  {
    what: "a prompt longer than the model's context",
    cells: [
      data,
      model.replace("}", ", max_position_embeddings: 16}"),
      asking('["Line 1", "Line 2 adds 4 on."]'),
    ],
    message:
      "Prompt 2 has 17 tokens, but the model's context is 16 tokens. Shorten it to 16 tokens, or use a model with a longer context.",
  },
  {
    what: "a conversation with an unknown role",
    cells: [data, model, asking("[[{role: robot, content: Hi}]]")],
    message:
      'bad.lathe.md:6:41: unknown value "robot" of evaluate.generate.prompts.0.0.role. Allowed: system, user, assistant.',
  },
  {
    what: "a conversation without messages",
    cells: [data, model, asking("[[]]")],
    message:
      "bad.lathe.md:6:33: evaluate.generate.prompts.0 has to be a list of at least 1 entries, not an empty list.",
  },
  {
    what: "a stop string that is a number",
    cells: [data, model, asking("[a], stop: 3")],
    message: "bad.lathe.md:6:43: evaluate.generate.stop has to be text or a list, not 3.",
  },
  {
    what: "a conversation without a chat template",
    cells: [data, model, asking("[[{role: user, content: Hi}]]")],
    message:
      "The tokenizer bytes has no chat template, neither chat_template.jinja nor chat_template in its tokenizer_config.json. Put one of them beside the tokenizer, use the tokenizer of a chat model, or write the conversation as text.",
  },
  {
    what: "a conversation that the chat template refuses",
    cells: ["base_model: exported-strict", asking("[[{role: system, content: Hi}]]")],
    message:
      "The chat template of tokenizer.json refuses this conversation (only users speak). Change the messages, or write the prompt as text in the form that the model knows.",
  },
  {
    what: "an unknown variant",
    cells: [data, model, train, "variants: {small: {}, large: {}}"],
    args: ["--variant", "smal"],
    message: '--variant: unknown variant "smal". Did you mean "small"? Allowed: small, large.',
  },
];
