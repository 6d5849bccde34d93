/** A folder for Hugging Face's `transformers`: config.json, and model.safetensors with the tensor names of transformers. */
import * as z from "zod";
import { createExportedConfig } from "../models/huggingFace";
import { familyOf, type ModelShape } from "../models/model";
import { storedDtypes } from "../checkpoints/halfPrecision";
import { writeConfig, writeTokenizer } from "./companions";
import { defineExporter } from "./exporter";
import { toPlainTensors } from "./plainTensors";
import { parseSize, sizePattern, writeShards } from "./shards";

const optionsSchema = z.strictObject({
  dtype: z
    .enum(storedDtypes)
    .default("float32")
    .describe("Type of the written weights. float16 and bfloat16 round each weight to the nearest number."),
  max_shard_size: z
    .string()
    .regex(sizePattern, { error: "must be a size such as 5GB, 500MB or 2GiB" })
    .refine((size) => !sizePattern.test(size) || parseSize(size) > 0, {
      error: "must be at least one byte",
    })
    .default("5GB")
    .describe(
      "Maximum size of a weight file, such as 5GB. Larger models are split into several files with an index.",
    ),
});

export default defineExporter<z.output<typeof optionsSchema>>({
  title: "Hugging Face folder with safetensors",
  library: "transformers",
  options: optionsSchema,
  samples: [{}, { dtype: "bfloat16" }, { dtype: "float16", max_shard_size: "2KB" }],
  form: "dense",
  refuses: refuseGroupedConfig,
  write: async (subject, { dtype, max_shard_size: size }, folder) => {
    writeShards(folder, toPlainTensors(subject), { dtype, shardBytes: parseSize(size) });
    writeConfig(subject, folder, dtype);
    writeTokenizer(subject, folder);
    return createExportedConfig(subject.shape)["model_type"] === "kphi3"
      ? [
          "transformers does not include kphi3. To load the folder, add the authors' configuration_kphi3.py and modeling_kphi3.py to it, then load it with trust_remote_code=True.",
        ]
      : [];
  },
});

/** Why a phi3 with grouped projections, whose files are those of kphi3, has settings that the published code does not have. */
function refuseGroupedConfig(shape: ModelShape): string | undefined {
  const config = createExportedConfig(shape);
  const { model_type: family } = config;
  if (family === shape.family) return undefined;
  const parsed = familyOf(family).config.safeParse(config);
  if (parsed.success) return undefined;
  const [{ path, message }] = parsed.error.issues as [(typeof parsed.error.issues)[number]];
  return `with grouped projections it is written as ${String(family)}, which refuses ${path.join(".")}: ${message}`;
}
