/** Experiments whose preferences cannot be learned, and the error message of each. The rows are in `pairs.jsonl`. */
import { type Case, data, model } from "./badExperiments";

const columns = "prompt_column: prompt, chosen_column: chosen, rejected_column: rejected";
const pairs = `data: {text: pairs.jsonl, ${columns}, sequence_len: 16, val_fraction: 0.2}`;
const training = (preference: string, more = "") =>
  `train: {preference: {${preference}}, max_steps: 2, per_device_train_batch_size: 2${more}}`;
const encoder =
  "model: {model_type: bert, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2, mask_token_id: 3}";

export const badPreferences: readonly Case[] = [
  {
    what: "a preference without pairs",
    cells: [data, model, training("loss: dpo")],
    message:
      "train.preference learns from pairs of answers, and the data has none. Name data.chosen_column and data.rejected_column (and data.prompt_column), or remove train.preference.",
  },
  {
    what: "pairs without a preference",
    cells: [pairs, model, "train: {max_steps: 2}"],
    message:
      "data.chosen_column makes rows preference pairs, and this train cell has no preference to learn from them. Set train.preference, such as {loss: dpo}, or read the rows as text with data.text_column or as instruction pairs.",
  },
  {
    what: "a pair without its second column",
    cells: [pairs.replace(", rejected_column: rejected", ""), model, training("loss: dpo")],
    message: "Preference pairs need data.chosen_column and data.rejected_column; rejected_column is missing.",
  },
  {
    what: "pairs with labels",
    cells: [
      pairs.replace("sequence_len", "label_column: prompt, sequence_len"),
      model,
      training("loss: dpo"),
    ],
    message:
      "data.chosen_column cannot be combined with data.label_column: rows are preference pairs or something else. Leave one out.",
  },
  {
    what: "pairs in plain text",
    cells: [pairs.replace("pairs.jsonl", "text.txt"), model, training("loss: dpo")],
    message:
      "text.txt is plain text, but preference pairs are read from JSONL, JSON, CSV, TSV, Parquet or Arrow. Set data.format, or leave out the options of data that are for rows.",
  },
  {
    what: "an empty answer",
    cells: [pairs.replace("pairs.jsonl", "bad-pairs.jsonl"), model, training("loss: dpo")],
    message:
      'The preference pair of WORKSPACE/bad-pairs.jsonl:2 cannot be used: the rejected answer (column "rejected") is empty. Fix the row; data.on_bad_rows: skip leaves such rows out.',
  },
  {
    what: "a preference of an encoder",
    cells: [pairs, encoder, training("loss: dpo")],
    message:
      "BERT is an encoder, which predicts masked tokens, not the next one, so train.preference, which compares the probabilities of two answers, cannot train it. Evaluate it with masked.",
  },
  {
    what: "a beta of 0",
    cells: [pairs, model, training("beta: 0")],
    message: "bad.lathe.md:6:28: train.preference.beta has to be more than 0, not 0.",
  },
  {
    what: "ORPO with a reference",
    cells: [pairs, model, training("loss: orpo, reference: start")],
    message: "bad.lathe.md:6:45: train.preference.reference: has an effect only with loss: dpo; remove it.",
  },
  {
    what: "a smoothed hinge",
    cells: [pairs, model, training("loss_type: hinge, label_smoothing: 0.1")],
    message:
      "bad.lathe.md:6:57: train.preference.label_smoothing: has no effect with loss_type: hinge; use sigmoid or robust, or remove it.",
  },
  {
    what: "a preference with a teacher",
    cells: [pairs, model, training("loss: dpo", ", teacher: {model: checkpoint}")],
    message:
      "bad.lathe.md:6:21: train.preference cannot be combined with teacher, which has a loss of its own; use a train cell for each.",
  },
  {
    what: "a preference with exits",
    cells: [pairs, model.replace("layers: 1", "layers: 2"), training("loss: dpo", ", exits: {layers: [1]}")],
    message:
      "bad.lathe.md:6:21: train.preference cannot be combined with exits, which has a loss of its own; use a train cell for each.",
  },
  {
    what: "a reference with another vocabulary",
    cells: [pairs, model, training("reference: checkpoint")],
    message:
      "train.preference.reference cannot be compared with the model: its vocabulary has 20 tokens, and the model's has 257. Use a reference with the same tokenizer.",
  },
  {
    what: "pairs that may not be cut and are too long",
    cells: [
      pairs.replace("sequence_len: 16", "sequence_len: 8, truncation: none"),
      model,
      training("loss: dpo"),
    ],
    message:
      'A prompt and its answer in WORKSPACE/pairs.jsonl:1 have 11 tokens, and a sequence has 8 and its last label: "ask 0 "…. Raise data.sequence_len, or choose with data.truncation the side from which texts are cut.',
  },
];
