/**
 * The training recipe of "Saving 77% of the Parameters in Large Language Models" as options of the cells `data` and
 * `train`, and the presets that set them all, as published or corrected. Each option can also be set by itself.
 */
import * as z from "zod";

/** What happens to a row's text before it is tokenized. */
export const rowOptions = {
  clean_rows: z
    .enum(["none", "published", "mended"])
    .default("none")
    .describe(
      "Whether line ends next to markers such as `<|user|>` are removed and rows are trimmed. `published` " +
        "removes them only after a marker, because its second rule has a typo (`/n<|`) and never matches. `mended` " +
        "removes them on both sides.",
    ),
  drop_rows_containing: z
    .array(z.string().min(1))
    .max(100)
    .default([])
    .describe(
      "Drop rows whose instruction or response contains one of these texts: refusals teach a small model to " +
        "refuse. The log reports how many rows remain after each text.",
    ),
};

/** How rows become sequences, and which of their tokens the loss counts. */
export const packingOptions = {
  packing_strategy: z
    .enum(["wrapped", "characters"])
    .default("wrapped")
    .describe(
      "How packing fills a sequence. `wrapped` counts tokens: no token is lost, and a document may continue in the " +
        "next sequence. `characters`, as published, joins documents until they have `sequence_len` × " +
        "`characters_per_token` characters, then cuts at `sequence_len` tokens and pads: the end of most sequences is " +
        "lost, short ones are padded, and documents of that length and the unfinished last sequence are omitted.",
    ),
  characters_per_token: z
    .number()
    .positive()
    .default(5)
    .describe("Characters per token that `packing_strategy: characters` assumes. The published runs use 5."),
  train_on_padding: z
    .boolean()
    .default(false)
    .describe(
      "Whether the loss includes padding, as published. Padding teaches the model only to repeat the end " +
        "marker, and lowers the reported loss. Sequences packed by tokens have no padding.",
    ),
};

/** How training rows are drawn, and what restarts with each block of them. */
export const blockOptions = {
  data_seed: z
    .int()
    .min(0)
    .max(0x7fffffff)
    .optional()
    .describe(
      "Seed of the data order. Defaults to `seed`. The published runs use the clock as seed, so " +
        "their order cannot be reproduced; here it can.",
    ),
  block_rows: z
    .int()
    .positive()
    .optional()
    .describe(
      "Documents of one block. They are drawn, packed together and read once, and the validation split " +
        "is evaluated after each block. Without it, sequences are packed once and each epoch reads all of them. " +
        "If one of the next two options requires blocks, a block has as many documents as the split.",
    ),
  sample_with_replacement: z
    .boolean()
    .default(false)
    .describe(
      "Draw the documents of a block with replacement, as published: some occur several times and others never. " +
        "Otherwise each occurs once per epoch, in an order that the seed determines.",
    ),
  restart_optimizer: z
    .boolean()
    .default(false)
    .describe(
      "Start each block with empty moments and step 1 of AdamW's bias correction, like a new Hugging Face `Trainer` for each " +
        "block. Its first updates are then as large as at the start of training.",
    ),
  eval_loss_average: z
    .enum(["tokens", "sequences"])
    .default("tokens")
    .describe(
      "What the validation loss is averaged over. `sequences`, as published, averages each sequence " +
        "first, so that tokens in sequences with few labels weigh more.",
    ),
};

export const recipeNames = ["paper", "fixed"] as const;
export type RecipeName = (typeof recipeNames)[number];

interface Recipe {
  readonly data: Readonly<Record<string, unknown>>;
  readonly train: Readonly<Record<string, unknown>>;
}

/** What both recipes have in common. */
const data = {
  instruction_column: "instruction",
  response_column: "response",
  template: "<|user|>{instruction}<|end|><|assistant|>{response}<|end|>",
  drop_rows_containing: [
    "I am not",
    "I am an AI",
    "I do not",
    "I cannot",
    // eslint-disable-next-line lathe/plain-english -- The published list.
    "t goes against my",
    "t is not my",
    "I don't have",
  ],
  sequence_len: 4096,
  val_set_size: 5000,
  split_seed: 42,
  packing: true,
};
const train = {
  num_train_epochs: 3,
  per_device_train_batch_size: 1,
  gradient_accumulation_steps: 1,
  learning_rate: 1e-4,
  lr_scheduler_type: "constant",
  warmup_steps: 0,
  optim: "adamw",
  weight_decay: 0,
  max_grad_norm: 1,
  eval_tokens: 0,
  block_rows: 400_000,
};

export const recipes: Readonly<Record<RecipeName, Recipe>> = {
  paper: {
    data: {
      ...data,
      clean_rows: "published",
      train_on_inputs: true,
      packing_strategy: "characters",
      characters_per_token: 5,
      train_on_padding: true,
      document_mask: false,
    },
    train: {
      ...train,
      sample_with_replacement: true,
      restart_optimizer: true,
      eval_loss_average: "sequences",
    },
  },
  fixed: {
    data: {
      ...data,
      clean_rows: "mended",
      train_on_inputs: false,
      packing_strategy: "wrapped",
      train_on_padding: false,
      document_mask: true,
    },
    train: {
      ...train,
      sample_with_replacement: false,
      restart_optimizer: false,
      eval_loss_average: "tokens",
    },
  },
};

/** Options of a recipe that a cell replaces by setting an equivalent one: option → its equivalents. */
export const recipeAlternatives: Readonly<Record<keyof Recipe, Readonly<Record<string, readonly string[]>>>> =
  {
    data: { val_set_size: ["val_fraction", "validation_text"] },
    train: { warmup_steps: ["warmup_ratio"] },
  };

export const recipeSchema = z
  .enum(recipeNames)
  .describe(
    "Sets options of `data` and `train` together; a cell can override each of them. The training recipe of " +
      '"Saving 77% of the Parameters": `paper` as published, `fixed` with its errors corrected.',
  );

/** The switches in which the recipes differ, by path, with the value of each; undefined where it does not matter. */
export function listRecipeDifferences(): {
  readonly path: string;
  readonly paper: unknown;
  readonly fixed: unknown;
}[] {
  return (["data", "train"] as const).flatMap((cell) =>
    Object.keys({ ...recipes.paper[cell], ...recipes.fixed[cell] }).flatMap((option) => {
      const [paper, fixed] = [recipes.paper[cell][option], recipes.fixed[cell][option]];
      return JSON.stringify(paper) === JSON.stringify(fixed)
        ? []
        : [{ path: `${cell}.${option}`, paper, fixed }];
    }),
  );
}
