/** Low-rank adapters of a training, with the names and defaults of PEFT's `LoraConfig`. */
import * as z from "zod";

const names = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);

export const loraSchema = z
  .strictObject({
    r: z.int().min(1).default(8).describe("Rank of each adapter."),
    lora_alpha: z
      .number()
      .positive()
      .default(8)
      .describe("Scale of the adapters: their products are multiplied by `lora_alpha / r`."),
    lora_dropout: z
      .number()
      .min(0)
      .lt(1, "has to be less than 1")
      .default(0)
      .describe("Share of an adapter's inputs that training drops."),
    use_rslora: z
      .boolean()
      .default(false)
      .describe("Multiply by `lora_alpha / √r` instead (rank-stabilized LoRA)."),
    use_dora: z
      .boolean()
      .default(false)
      .describe("Also train the norm of each output, separately from its direction (DoRA)."),
    target_modules: names
      .optional()
      .describe(
        "Modules that get an adapter, as in PEFT: a list of the ends of their names, such as `[q_proj, v_proj]`, `all-linear`, or a regular expression for whole names. Alternatively, set `targets`.",
      ),
    targets: names
      .optional()
      .describe(
        "Roles that get an adapter, globs such as `layers.*.mlp.*`, or `re:` and a regular expression; all projections when left out.",
      ),
    ignore: names.optional().describe("Roles to skip, in the syntax of `targets`."),
    merge: z
      .boolean()
      .default(false)
      .describe(
        "Add the adapters to the weights at the end of the step, so that the model is stored as before. Only for dense weights. Otherwise the model keeps its adapters, and later `train` steps train them further.",
      ),
  })
  .describe(
    "Train low-rank adapters instead of the weights, which are frozen in whatever representation they have (LoRA, QLoRA).",
  );
export type LoraOptions = z.output<typeof loraSchema>;
