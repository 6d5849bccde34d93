/**
 * The schema of an experiment's cells: the one source of validation, completion, the JSON schema and the reference page.
 * Keys are those of Hugging Face's `TrainingArguments` and `config.json`. Models, methods and metrics have their own
 * schemas; `createExperimentSchema` joins them.
 */
import * as z from "zod";
import { baseModelSchema } from "./baseModel";
import { engineOptions } from "./engineOptions";
import { deviceSchema } from "./device";
import { createEvaluateSchema } from "./inference";
import { labelOptions } from "./labelOptions";
import { objectiveOptions } from "./objectiveOptions";
import { paperSchema } from "./paper";
import { passkeySchema } from "./passkeys";
import { createMergeSchema } from "./merge";
import { parallelSchema } from "./parallel";
import { blockOptions, packingOptions, recipeSchema, rowOptions } from "./recipe";
import { columnOptions, rowChoiceOptions, rowFileOptions } from "./rows";
import { watchSchema } from "./watch";
import { collectKeys, toChangesSchema, createChoice, makeOptional } from "./schemaParts";
import { rangeSchema, searchMethods, searchSchema } from "./search";

const positiveInt = z.int().positive();
const pieceSize = z.union([z.literal("auto"), z.literal(false), positiveInt]).default("auto");
const share = z.number().min(0).max(1);
/** A mean that keeps all of itself never moves, and its bias correction divides by zero. */
const decayRate = z.number().min(0).lt(1, "has to be less than 1");
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
      "Globs or files, relative to the experiment: text, JSONL, JSON, CSV, TSV, Parquet or Arrow, each also compressed as .gz or .zst. A file is read once, however many patterns and links lead to it.",
    ),
  validation_text: oneOrMany
    .optional()
    .describe("Files of the validation split. Without them, `val_fraction` of the documents is used."),
  test_text: oneOrMany.optional().describe("Files of a test split, which only evaluations read."),
  dataset: z.string().optional().describe("A named data set."),
  grammar: grammarSchema.optional(),
  passkeys: passkeySchema.optional(),
  fallback: z
    .enum(["grammar"])
    .optional()
    .describe("What to read if no file matches `text`. Without it, that is an error."),
  ...rowFileOptions,
  ...columnOptions,
  ...labelOptions,
  ...rowChoiceOptions,
  ...rowOptions,
  train_on_inputs: z
    .boolean()
    .optional()
    .describe(
      "Whether the loss includes the part before the response, or in conversations everything except the assistant's " +
        "answers. By default `false` for conversations and `passkeys` and `true` otherwise.",
    ),
  tokenizer: z
    .string()
    .optional()
    .describe(
      "`bytes`, `characters` (those of the text), or a path to a tokenizer file (tokenizer.json, tokenizer.model, vocab.json, a GGUF or llama2.c file) or to a folder with one. When left out, the tokenizer of `base_model` where it has one, otherwise `bytes`.",
    ),
  sequence_len: positiveInt.default(256).describe("Tokens of one training sequence."),
  val_fraction: share.default(0.1).describe("Share of the documents kept for validation."),
  val_set_size: positiveInt
    .optional()
    .describe("Number of documents kept for validation; takes precedence over `val_fraction`."),
  split_seed: z
    .int()
    .min(0)
    .default(0)
    .describe(
      "Seed for selecting validation documents, independent of `seed`. It selects other documents " +
        "than scikit-learn or `datasets` do with the same number.",
    ),
  packing: z
    .boolean()
    .default(true)
    .describe("Join documents into full sequences. Otherwise each sequence is one document, padded."),
  ...packingOptions,
  document_mask: z
    .boolean()
    .default(false)
    .describe("Prevent attention across document borders in a packed sequence."),
  max_bytes: positiveInt.optional().describe("Read at most this many bytes of text."),
});

export const optimizerNames = ["adamw", "sgd"] as const;
export const scheduleNames = ["constant", "constant_with_warmup", "linear", "cosine"] as const;

export const trainSchema = z.strictObject({
  data: toChangesSchema(dataSchema)
    .optional()
    .describe(
      "Changes to the data from this action on, such as another data set for fine-tuning. The tokenizer is kept.",
    ),
  max_steps: positiveInt.optional().describe("Optimizer steps; takes precedence over `num_train_epochs`."),
  num_train_epochs: z
    .number()
    .positive()
    .default(3)
    .describe(
      "Passes over the training sequences. Blocks drawn with replacement are always complete, so there are enough blocks for " +
        "at least that many times the documents: 19 in the published runs.",
    ),
  per_device_train_batch_size: positiveInt
    .default(8)
    .describe("Sequences, or preference pairs, in one forward and backward pass. Alias: `micro_batch_size`."),
  micro_batch_size: positiveInt.optional().describe("Alias of `per_device_train_batch_size`."),
  mlm_probability: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe(
      "Share of the tokens that an encoder has to predict; 0.15 when left out. Of these 80 % are hidden by the mask token, 10 % become a random token, 10 % stay. Only for encoders.",
    ),
  gradient_accumulation_steps: positiveInt.default(1).describe("Passes accumulated into one optimizer step."),
  learning_rate: z.number().min(0).default(5e-5).describe("Peak learning rate."),
  lr_scheduler_type: z
    .enum(scheduleNames)
    .default("linear")
    .describe("Learning rate schedule after warm-up."),
  warmup_steps: z.int().min(0).default(0).describe("Steps over which the learning rate rises from zero."),
  warmup_ratio: share.default(0).describe("Warm-up as a share of all steps, used when `warmup_steps` is 0."),
  min_lr_ratio: share.default(0).describe("Lowest learning rate of the schedule, as a share of the peak."),
  optim: z.enum(optimizerNames).default("adamw").describe("Optimizer."),
  adam_beta1: decayRate.default(0.9).describe("Decay of AdamW's first moment."),
  adam_beta2: decayRate.default(0.999).describe("Decay of AdamW's second moment."),
  adam_epsilon: z
    .number()
    .positive()
    .default(1e-8)
    .describe("Added to the square root of AdamW's second moment."),
  momentum: share.default(0.9).describe("Momentum of SGD."),
  weight_decay: z
    .number()
    .min(0)
    .default(0)
    .describe("Decoupled weight decay. Biases and norms are excluded."),
  max_grad_norm: z
    .number()
    .min(0)
    .default(1)
    .describe("Clip gradients to this global norm. 0 disables clipping."),
  ...objectiveOptions,
  cumulative_loss: z
    .enum(["none", "literal", "two-batch", "ema-grad"])
    .default("none")
    .describe(
      "How earlier losses count: not at all (`none`), as a sum that changes no gradient (`literal`), as the loss of the last batch under the current weights (`two-batch`), or through an exponential mean of gradients (`ema-grad`).",
    ),
  cumulative_decay: share
    .default(0.9)
    .describe("Share of the mean gradient kept from step to step, with `cumulative_loss: ema-grad`."),
  ...blockOptions,
  logging_steps: positiveInt.default(1).describe("Steps between two log lines of the training loss."),
  eval_steps: positiveInt
    .optional()
    .describe("Steps between two evaluations on the validation split; also one at the end."),
  eval_tokens: z
    .int()
    .min(0)
    .default(262_144)
    .describe(
      "Tokens of the validation split that each evaluation reads, from its start and in whole sequences: the same text " +
        "whatever the batch, and the whole split where it has fewer. 0 always takes the whole split.",
    ),
  eval_batches: z
    .int()
    .min(0)
    .optional()
    .describe(
      "Older way to write `eval_tokens`, which it overrides: so many times 8 sequences, whatever the training batch; 0 takes the whole split.",
    ),
  save_steps: positiveInt
    .optional()
    .describe("Steps between two checkpoints. One is always written at the end."),
  save_total_limit: positiveInt
    .default(2)
    .describe("Number of checkpoints to keep. The best and the last are never deleted."),
  load_best_model_at_end: z
    .boolean()
    .default(false)
    .describe("Continue with the checkpoint that has the lowest validation loss."),
  early_stopping: z
    .strictObject({
      metric: z
        .enum(["eval/loss", "train/loss"])
        .default("eval/loss")
        .describe("The loss that has to improve; `train/loss` is its mean since the previous evaluation."),
      patience: positiveInt
        .default(5)
        .describe("Evaluations without an improvement after which training ends."),
      min_delta: z.number().min(0).default(0).describe("Smallest decrease that counts as an improvement."),
    })
    .optional()
    .describe(
      "End the training once the loss has stopped improving. The run continues with the last model and names the best; with `load_best_model_at_end` it continues with the best.",
    ),
  watch: watchSchema.optional(),
  gradient_checkpointing: z
    .union([z.boolean(), z.literal("auto")])
    .default("auto")
    .describe(
      "Recompute each layer in the backward pass: less memory, about a third more time, equal results. `auto` does so if the step would use more than 60 % of the machine's memory.",
    ),
  ...engineOptions,
  attention_block_size: pieceSize.describe(
    "Queries of a sequence that attend at a time; their scores are recomputed in the backward pass. `auto` limits the scores of a block to 256 MiB, false computes all at once.",
  ),
  loss_chunk_size: pieceSize.describe(
    "Tokens of a batch whose logits are in memory at a time. `auto` limits them to 128 MiB, false computes all at once.",
  ),
});

/** Options of a training that may change when its run is resumed: the steps that were trained do not depend on them. */
export const continuedKeys = [
  "max_steps",
  "num_train_epochs",
  "logging_steps",
  "eval_steps",
  "save_steps",
  "save_total_limit",
] as const;

/** Aliases of options: cell → alias → canonical name. */
export const optionAliases: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  train: { micro_batch_size: "per_device_train_batch_size" },
};

/** The schemas of catalog entries, by the entry's name. */
export interface SchemaCatalog {
  readonly models: Readonly<Record<string, z.ZodType>>;
  readonly methods: Readonly<Record<string, z.ZodType>>;
  readonly merges: Readonly<Record<string, z.ZodType>>;
  readonly metrics: Readonly<Record<string, z.ZodType>>;
  readonly caches: Readonly<Record<string, z.ZodType>>;
  readonly prompts: Readonly<Record<string, z.ZodType>>;
  readonly exports: Readonly<Record<string, z.ZodType>>;
  readonly reports: Readonly<Record<string, z.ZodType>>;
  /** Names of data sets; any name passes where they are not given. */
  readonly dataSets?: readonly string[];
}

/** Everything the cells of an experiment may contain. Each key may be in a cell of its own, so none is required here. */
export function createExperimentSchema(catalog: SchemaCatalog) {
  const names = catalog.dataSets ?? [];
  const dataset = names.length > 0 ? z.enum(names) : z.string();
  const data = dataSchema
    .extend({ dataset: dataset.optional().describe("A named data set.") })
    .describe("The text, its tokenizer, and how it is split into sequences.");
  const model = createChoice("model_type", catalog.models).describe(
    "Configuration with the keys of Hugging Face's `config.json`. Without `vocab_size`, the tokenizer determines it.",
  );
  const method = z
    .strictObject(makeOptional(catalog.methods))
    .refine((methods) => Object.keys(methods).length === 1, {
      error: "give one method at a time; to apply several, write a list: [{first: {…}}, {second: {…}}]",
    });
  const actions = {
    train: trainSchema.describe("Train the current model."),
    compress: z
      .union([method, z.array(method).min(1)])
      .describe("Shrink the current model by one method, or by several in order."),
    merge: createMergeSchema(catalog.merges),
    evaluate: createEvaluateSchema(catalog),
    export: createChoice("format", catalog.exports).describe("Write the current model for other programs."),
    report: z.strictObject(makeOptional(catalog.reports)).describe("Write tables and figures of the run."),
  };
  const seed = z
    .int()
    .min(0)
    .max(0x7fffffff)
    .default(0)
    .describe("Seed of weights, data order and sampling.");

  // A variant changes single keys of the cells, so nothing is required in it and null takes a key or an action away.
  const changed = {
    recipe: toChangesSchema(recipeSchema),
    data: toChangesSchema(data),
    model: toChangesSchema(
      z
        .strictObject(collectKeys("model_type", catalog.models))
        .describe("Changes to the model's configuration."),
    ),
    base_model: toChangesSchema(baseModelSchema),
    device: toChangesSchema(deviceSchema),
    parallel: toChangesSchema(parallelSchema),
    seed: toChangesSchema(seed),
    train: toChangesSchema(actions.train),
    compress: toChangesSchema(actions.compress),
    merge: toChangesSchema(actions.merge),
    evaluate: toChangesSchema(createEvaluateSchema(catalog).describe("Changes to metrics.")),
    export: toChangesSchema(
      z.strictObject(collectKeys("format", catalog.exports)).describe("Changes to the export."),
    ),
    report: toChangesSchema(actions.report),
  };
  const sweepValues = z.union([z.array(z.unknown()).min(1), rangeSchema]);
  const sweep = z.record(z.string(), sweepValues);
  const sweepChanges = z.record(z.string(), sweepValues.nullable());
  const variants = z.record(
    z.string().regex(/^\w[\w.-]{0,39}$/, {
      error: "a variant's name has up to 40 letters, digits, dots, dashes and underscores",
    }),
    z
      .strictObject({
        ...changed,
        sweep: sweepChanges
          .describe("Changes to the sweep for this variant, by path; null removes a path.")
          .optional(),
      })
      .nullable(),
  );
  return z.strictObject({
    name: z
      .string()
      .regex(/^[\w.-]{1,64}$/, "name takes up to 64 letters, digits, dots, dashes and underscores")
      .describe("Name of the runs. Defaults to the file name.")
      .optional(),
    folder: z
      .string()
      .min(1)
      .describe("Folder that relative paths start from, relative to the file. Defaults to the file's folder.")
      .optional(),
    recipe: recipeSchema.optional(),
    data: data.optional(),
    model: model.optional(),
    base_model: baseModelSchema.optional(),
    device: deviceSchema,
    parallel: parallelSchema.optional(),
    seed,
    scale: z
      .string()
      .describe("The entry of `scales` to run. Without it, the cells run unchanged.")
      .optional(),
    scales: z
      .record(
        z.string().regex(/^\w[\w-]{0,19}$/, {
          error: "a scale's name has up to 20 letters, digits, dashes and underscores",
        }),
        z
          .strictObject({
            ...changed,
            variants: variants.describe("Changes to variants.").optional(),
            sweep: sweepChanges.describe("Changes to the sweep, by path; null removes a path.").optional(),
            search: toChangesSchema(z.strictObject(collectKeys("method", searchMethods)))
              .describe("Changes to the search.")
              .optional(),
          })
          .nullable(),
      )
      .refine((scales) => Object.keys(scales).length > 0, { error: "name at least one scale" })
      .describe(
        "The same experiment in other sizes. Each scale is a set of changes to the cells, applied before variants.",
      )
      .optional(),
    variants: variants
      .refine((value) => Object.keys(value).length > 0, { error: "name at least one variant" })
      .describe("Named branches: each is the cells with its own changes; null takes a key or an action away.")
      .optional(),
    sweep: sweep
      .describe(
        "Lists of values by path, such as `train.learning_rate`; every combination is one run. With `search`, also ranges: `{min: 1e-4, max: 1e-2, scale: log}`, of whole numbers with `integer: true`.",
      )
      .optional(),
    search: searchSchema.optional(),
    paper: paperSchema.optional(),
    train: actions.train.optional(),
    compress: actions.compress.optional(),
    merge: actions.merge.optional(),
    evaluate: actions.evaluate.optional(),
    export: actions.export.optional(),
    report: actions.report.optional(),
  });
}

export type ExperimentSchema = ReturnType<typeof createExperimentSchema>;

export type DataOptions = z.infer<typeof dataSchema>;
export type GrammarOptions = z.infer<typeof grammarSchema>;
export type TrainOptions = z.infer<typeof trainSchema>;
export type EarlyStoppingOptions = NonNullable<TrainOptions["early_stopping"]>;
