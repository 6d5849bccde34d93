/**
 * The schema of an experiment's cells: the one source of validation, completion, the JSON schema and the reference page.
 * Keys are those that people already type for Hugging Face's `TrainingArguments` and `config.json`.
 * Models, methods and metrics bring their own schemas; `experimentSchema` joins them.
 */
import { z } from "zod";

const positiveInt = z.int().positive();
const share = z.number().min(0).max(1);
const oneOrMany = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);

export const grammarSchema = z
  .strictObject({
    symbols: z.int().min(2).max(256).default(32).describe("Number of different symbols."),
    branching: z.int().min(2).max(256).default(4).describe("Successors that each context allows."),
    order: z.int().min(1).max(4).default(1).describe("How many preceding symbols decide the next one."),
    length: positiveInt.default(200_000).describe("Characters of text to draw."),
    seed: z.int().min(0).default(0).describe("Seed of the transition table and of the text."),
  })
  .describe("Text drawn from a seeded Markov source whose entropy rate is known in closed form.");

export const dataSchema = z.strictObject({
  text: oneOrMany
    .optional()
    .describe(
      "Globs or files, relative to the experiment; text, JSONL, JSON, CSV, TSV, Parquet, each also gzipped.",
    ),
  validation_text: oneOrMany
    .optional()
    .describe("Files of the validation split; without it `val_fraction` is split off."),
  dataset: z.string().optional().describe("A named data set."),
  grammar: grammarSchema.optional(),
  fallback: z
    .enum(["grammar"])
    .optional()
    .describe("What to read when no file matches `text`; without it that is an error."),
  format: z
    .enum(["auto", "text", "jsonl", "json", "csv", "tsv", "parquet"])
    .default("auto")
    .describe("Format of the files; `auto` goes by the file's name."),
  text_column: z.string().default("text").describe("Column or key that holds the text of a row."),
  instruction_column: z
    .string()
    .optional()
    .describe("Column of the instruction; makes rows instruction pairs."),
  input_column: z.string().optional().describe("Column of an optional input to the instruction."),
  response_column: z.string().optional().describe("Column of the response of an instruction pair."),
  template: z
    .string()
    .optional()
    .describe("Text of a pair; `{instruction}`, `{input}` and `{response}` are filled in."),
  train_on_inputs: z
    .boolean()
    .default(true)
    .describe("Whether the loss also counts the part before the response."),
  tokenizer: z
    .string()
    .default("bytes")
    .describe("`bytes`, a path to a tokenizer.json, or a named tokenizer."),
  sequence_len: positiveInt.default(256).describe("Tokens of one training sequence."),
  val_fraction: share.default(0.1).describe("Share of the documents kept for validation."),
  packing: z
    .boolean()
    .default(true)
    .describe("Join documents end to end into full sequences; otherwise one document a sequence, padded."),
  document_mask: z
    .boolean()
    .default(false)
    .describe("Stop attention at document borders inside a packed sequence."),
  max_bytes: positiveInt.optional().describe("Read at most this many bytes of text."),
});

export const optimizerNames = ["adamw", "sgd"] as const;
export const scheduleNames = ["constant", "constant_with_warmup", "linear", "cosine"] as const;

export const trainSchema = z.strictObject({
  max_steps: positiveInt.optional().describe("Optimizer steps; takes precedence over `num_train_epochs`."),
  num_train_epochs: z.number().positive().default(3).describe("Passes over the training sequences."),
  per_device_train_batch_size: positiveInt
    .default(8)
    .describe("Sequences of one forward and backward pass. Also `micro_batch_size`."),
  micro_batch_size: positiveInt.optional().describe("Another name of `per_device_train_batch_size`."),
  gradient_accumulation_steps: positiveInt.default(1).describe("Passes summed into one optimizer step."),
  learning_rate: z.number().min(0).default(5e-5).describe("Peak learning rate."),
  lr_scheduler_type: z
    .enum(scheduleNames)
    .default("linear")
    .describe("How the learning rate moves after warm-up."),
  warmup_steps: z.int().min(0).default(0).describe("Steps over which the learning rate rises from zero."),
  warmup_ratio: share.default(0).describe("Warm-up as a share of all steps, used when `warmup_steps` is 0."),
  min_lr_ratio: share.default(0).describe("Lowest learning rate of the schedule, as a share of the peak."),
  optim: z.enum(optimizerNames).default("adamw").describe("Optimizer."),
  adam_beta1: share.default(0.9).describe("Decay of AdamW's first moment."),
  adam_beta2: share.default(0.999).describe("Decay of AdamW's second moment."),
  adam_epsilon: z.number().positive().default(1e-8).describe("Added to the root of AdamW's second moment."),
  momentum: share.default(0.9).describe("Momentum of SGD."),
  weight_decay: z
    .number()
    .min(0)
    .default(0)
    .describe("Decoupled weight decay; biases and norms are left out."),
  max_grad_norm: z
    .number()
    .min(0)
    .default(1)
    .describe("Clip gradients to this global norm; 0 clips nothing."),
  logging_steps: positiveInt.default(1).describe("Steps between two lines of training loss."),
  eval_steps: positiveInt
    .optional()
    .describe("Steps between two evaluations on the validation split; also one at the end."),
  eval_batches: positiveInt.default(16).describe("Batches of one evaluation during training."),
  save_steps: positiveInt
    .optional()
    .describe("Steps between two checkpoints; one is always written at the end."),
  save_total_limit: positiveInt
    .default(2)
    .describe("Checkpoints kept; the best and the last are never deleted."),
  load_best_model_at_end: z
    .boolean()
    .default(false)
    .describe("Go on with the checkpoint of the lowest validation loss."),
  gradient_checkpointing: z
    .boolean()
    .default(false)
    .describe("Recompute each layer in the backward pass: less memory, about a third more time."),
});

export const deviceNames = ["auto", "cpu", "webgpu", "cuda", "dml", "coreml"] as const;

export type DataOptions = z.infer<typeof dataSchema>;
export type GrammarOptions = z.infer<typeof grammarSchema>;
export type TrainOptions = z.infer<typeof trainSchema>;
export type DeviceName = (typeof deviceNames)[number];
