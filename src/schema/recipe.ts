/**
 * The training recipe of "Saving 77% of the Parameters in Large Language Models" as options of the cells `data` and
 * `train`, and the presets that set them all: to the letter, or mended. Each option stands by itself as well.
 */
import * as z from "zod";

/** What becomes of a row's text before it is tokenised. */
export const rowOptions = {
  clean_rows: z
    .enum(["none", "published", "mended"])
    .default("none")
    .describe(
      "Whether line ends beside markers such as `<|user|>` are removed and the ends of a row trimmed. `published` " +
        "removes them behind a marker only, as its second rule has a misprint (`/n<|`) that never matches; `mended` " +
        "removes them on both sides.",
    ),
  drop_rows_containing: z
    .array(z.string().min(1))
    .max(100)
    .default([])
    .describe(
      "Texts, in order, that no row may contain, instruction and response alike: refusals teach a small model to " +
        "refuse. The log counts the rows that each leaves.",
    ),
};

/** How rows become sequences, and which of their tokens the loss counts. */
export const packingOptions = {
  packing_strategy: z
    .enum(["wrapped", "characters"])
    .default("wrapped")
    .describe(
      "What packing fills a sequence by. `wrapped` goes by tokens: no token is lost, and a document may go on in the " +
        "next sequence. `characters`, as published, joins documents until they have `sequence_len` × " +
        "`characters_per_token` characters, then cuts at `sequence_len` tokens and pads: the end of most sequences is " +
        "lost, short ones are padded, documents of that length are left out, and so is the unfinished last sequence.",
    ),
  characters_per_token: z
    .number()
    .positive()
    .default(5)
    .describe("Characters that `packing_strategy: characters` takes a token for; the published runs use 5."),
  train_on_padding: z
    .boolean()
    .default(false)
    .describe(
      "Whether the loss also counts padding, as published: such steps teach the model nothing but to repeat the end " +
        "marker, and lower the reported loss. Sequences packed by tokens have none.",
    ),
};

/** How the rows of a training are drawn, and what begins anew with each block of them. */
export const blockOptions = {
  data_seed: z
    .int()
    .min(0)
    .max(0x7fffffff)
    .optional()
    .describe(
      "Seed of the order in which data is drawn; without it `seed`. The published runs seed theirs from the clock, so " +
        "their draws cannot be repeated; here every draw can.",
    ),
  block_rows: z
    .int()
    .positive()
    .optional()
    .describe(
      "Documents of one block: they are drawn, packed among themselves and gone through once, and the validation split " +
        "is evaluated after each block. Without it sequences are packed once and each epoch goes through them all; " +
        "where one of the two options below asks for blocks, a block has as many documents as the split.",
    ),
  sample_with_replacement: z
    .boolean()
    .default(false)
    .describe(
      "Draw the documents of a block with replacement, as published: some come several times and others never. " +
        "Otherwise each comes once an epoch, in an order that the seed decides.",
    ),
  restart_optimizer: z
    .boolean()
    .default(false)
    .describe(
      "Begin each block with empty moments and step 1 of AdamW's bias correction, as a new Hugging Face `Trainer` a " +
        "block does. Its first updates are then as large as at the very start.",
    ),
  eval_loss_average: z
    .enum(["tokens", "sequences"])
    .default("tokens")
    .describe(
      "What the loss on the validation split is a mean of. `sequences`, as published, takes the mean of each sequence " +
        "first, so tokens of sequences with few labels weigh more.",
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

/** Options of a recipe that say the same as another one, which a cell may rather give: option → those it gives way to. */
export const recipeGivesWay: Readonly<Record<keyof Recipe, Readonly<Record<string, readonly string[]>>>> = {
  data: { val_set_size: ["val_fraction", "validation_text"] },
  train: { warmup_steps: ["warmup_ratio"] },
};

export const recipeSchema = z
  .enum(recipeNames)
  .describe(
    "Options of `data` and `train` at once, each of which a cell may still set otherwise: the training recipe of " +
      '"Saving 77% of the Parameters", `paper` to the letter, `fixed` with what is wrong in it mended.',
  );

/** The switches in which the recipes differ, by path, with the value of each; undefined where it does not matter. */
export function recipeDifferences(): {
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
