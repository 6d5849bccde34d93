/** A folder as Hugging Face's `transformers` reads it: config.json and model.safetensors under its tensor names. */
import * as z from "zod";
import { exportedConfig } from "../models/huggingFace";
import { storedDtypes } from "../checkpoints/halfPrecision";
import { writeConfig, writeTokenizer } from "./companions";
import { defineExporter } from "./exporter";
import { plainTensors } from "./plainTensors";
import { bytesOfSize, sizePattern, writeShards } from "./shards";

const options = z.strictObject({
  dtype: z
    .enum(storedDtypes)
    .default("float32")
    .describe("Type in which weights are written; the two halves round each weight to the nearest number."),
  max_shard_size: z
    .string()
    .regex(sizePattern, { error: "write a size such as 5GB, 500MB or 2GiB" })
    .refine((size) => !sizePattern.test(size) || bytesOfSize(size) > 0, {
      error: "a file needs at least a byte",
    })
    .default("5GB")
    .describe("Largest size of one file of weights, such as 5GB; larger models are split, with an index."),
});

export default defineExporter<z.output<typeof options>>({
  title: "Hugging Face folder with safetensors",
  options,
  samples: [{}, { dtype: "bfloat16" }, { dtype: "float16", max_shard_size: "2KB" }],
  form: "dense",
  write: async (subject, { dtype, max_shard_size: size }, folder) => {
    writeShards(folder, plainTensors(subject), { dtype, shardBytes: bytesOfSize(size) });
    writeConfig(subject, folder, dtype);
    writeTokenizer(subject, folder);
    return exportedConfig(subject.shape)["model_type"] === "kphi3"
      ? [
          "transformers has no kphi3 of its own: load the folder with the authors' modeling_kphi3.py beside it.",
        ]
      : [];
  },
});
