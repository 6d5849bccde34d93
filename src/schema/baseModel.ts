/** How an experiment names a trained model, and how a file that is not quite of its family is read all the same. */
import * as z from "zod";

const name = z
  .string()
  .min(1)
  .describe(
    "A run, a checkpoint, a Hugging Face folder, a llama2.c file, a named model such as stories260k, or a model of the hub as owner/name or owner/name@revision; the last two are downloaded.",
  );

export const baseModelOptions = z.strictObject({
  id: name,
  config: z
    .record(z.string(), z.unknown())
    .optional()
    .describe("Keys that replace those of the model's `config.json`; null restores the default of a key."),
  ignore_extra_tensors: z
    .boolean()
    .optional()
    .describe(
      "Load a file with tensors that the model does not have also where they are in its own modules, such as a bias or a further layer. The log names them.",
    ),
  strip_prefix: z
    .string()
    .min(1)
    .optional()
    .describe("What to remove from the beginning of the names of tensors, such as `module.`."),
  adapter: z
    .string()
    .min(1)
    .optional()
    .describe(
      "A folder with an adapter of PEFT for this model (adapter_config.json and adapter_model.safetensors). The model keeps it as an adapter.",
    ),
  resize_embeddings: z
    .boolean()
    .optional()
    .describe(
      "Add rows to the embedding and the head where the tokenizer has more tokens than the model, drawn around the mean of the other rows as `resize_token_embeddings` of transformers does. Rows are never removed.",
    ),
});
export type BaseModelOptions = z.output<typeof baseModelOptions>;

export const baseModelSchema = z
  .union([name, baseModelOptions])
  .describe(
    "A trained model to start from: a run, a checkpoint, a Hugging Face folder, a llama2.c file, a named model such as stories260k, or a model of the hub as owner/name or owner/name@revision; the last two are downloaded; or `id` with options of how its files are read.",
  );
/** A name alone, or with options. */
export type BaseModel = z.output<typeof baseModelSchema>;
