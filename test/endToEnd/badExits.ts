/** Experiments whose exits cannot be trained or used, and the error message of each. */
import { type Case, data, model } from "./badExperiments";

const deep = model.replace("num_hidden_layers: 1", "num_hidden_layers: 3");
const training = (exits: string, more = "") => `train: {exits: {${exits}}, max_steps: 4${more}}`;
const using = (exits: string, more = "") =>
  `evaluate: {generate: {prompts: [a], max_new_tokens: 4}, inference: {exits: {${exits}}${more}}}`;
const encoder =
  "model: {model_type: bert, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 2, num_attention_heads: 2, mask_token_id: 3}";

export const badExits: readonly Case[] = [
  {
    what: "an exit after the last layer",
    cells: [data, deep, training("layers: [1, 3]")],
    message: "There is no exit after 3 layers: the model has 3. Allowed: 1 to 2.",
  },
  {
    what: "exits of an encoder",
    cells: [data, encoder, training("layers: [1]")],
    message: "The model cannot have exits: BERT is an encoder. Exits predict the next token; use a decoder.",
  },
  {
    what: "exits of a model with one layer",
    cells: [data, model, training("layers: [1]")],
    message: "The model cannot have exits: it has only one layer.",
  },
  {
    what: "exits with adapters",
    cells: [data, deep, training("layers: [1]", ", lora: {}")],
    message:
      "bad.lathe.md:6:16: train.exits cannot be combined with lora, which trains other weights; use a train cell for each.",
  },
  {
    what: "compression after exits",
    cells: [data, deep, training("layers: [1]"), "compress: {rtn: {bits: 4}}"],
    message:
      "compress.rtn would change the hidden states that the exit after 1 layer learned from. Train exits in the last train step, after everything that changes the model.",
  },
  {
    what: "the use of exits that there are not",
    cells: [data, deep, using("threshold: 0.9")],
    message:
      "The model has no exits, so inference.exits has nothing to use. Train some with train.exits in a train cell above, or remove inference.exits.",
  },
  {
    what: "a draft where there is no exit",
    cells: [data, deep, training("layers: [1]"), using("draft: 2")],
    message:
      "inference.exits.draft is 2, but the model has only the exit after 1 layer. Name one of these, or train another one with train.exits.",
  },
  {
    what: "exits with a cache policy",
    cells: [data, deep, training("layers: [1]"), using("threshold: 0.9", ", cache: {window: {budget: 8}}")],
    message:
      "bad.lathe.md:7:68: evaluate.inference: name either cache or exits: exits read and write a cache of all tokens.",
  },
  {
    what: "a threshold together with a draft",
    cells: [data, deep, training("layers: [1]"), using("threshold: 0.9, draft: 1")],
    message:
      "bad.lathe.md:7:100: evaluate.inference.exits.draft: set either threshold, to leave early, or draft, to draft tokens.",
  },
  {
    what: "exits in a metric that does not use them",
    cells: [
      data,
      deep,
      training("layers: [1]"),
      "evaluate: {perplexity: {}, inference: {exits: {threshold: 0.9}}}",
    ],
    message:
      "evaluate.perplexity does not generate token by token, so inference.exits would have no effect on it. Measure it in another evaluate cell without inference.exits, or use evaluate.decoding or evaluate.generate here.",
  },
  {
    what: "the class stop without the classifier",
    cells: [data, deep, training("layers: [1]"), using("threshold: 0.9, stop: 0.9")],
    message:
      "bad.lathe.md:7:99: evaluate.inference.exits.stop: needs confidence: classifier, whose class it is; set it, or remove stop.",
  },
  {
    what: "the time with exits, which depends on the text, without a text",
    cells: [
      deep.replace("model: {", "model: {vocab_size: 8, exit_layers: [1], "),
      "evaluate: {decoding: {lengths: [4], new_tokens: 3}, inference: {exits: {threshold: 0.9}}}",
    ],
    message: "evaluate.decoding has no text to read. Add a data cell above it.",
  },
];
