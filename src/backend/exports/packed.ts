/**
 * A checkpoint in its smallest form on disk: masks take one bit per weight, only unmasked values are stored, codes take their
 * bit width, and everything is entropy-coded where that is smaller.
 */
import { join } from "node:path";
import * as z from "zod";
import { pack } from "../coding/pack";
import { writeManifest } from "../checkpoints/checkpoint";
import { storedDtypes } from "../checkpoints/halfPrecision";
import { writeSafetensors } from "../checkpoints/safetensors";
import { writeConfig, writeTokenizer } from "./companions";
import { defineExporter } from "./exporter";

const schema = z.strictObject({
  dtype: z
    .enum(storedDtypes)
    .default("float32")
    .describe(
      "Type of the tensors that are neither codes nor masks. float16 and bfloat16 round each number to the nearest.",
    ),
  entropy_coding: z
    .boolean()
    .default(true)
    .describe(
      "Also entropy-code codes, masks and bfloat16 weights with a prefix code where that is smaller.",
    ),
});

export default defineExporter<z.output<typeof schema>>({
  title: "Packed checkpoint: bit-packed masks and codes, unmasked values only",
  library: "lathe",
  options: schema,
  samples: [{}, { dtype: "bfloat16" }, { dtype: "float16", entropy_coding: false }],
  form: "stored",
  keepsExits: true,
  write: async (subject, options, folder) => {
    const { shape, tensors } = subject;
    const coded = pack({ shape, tensors }, { dtype: options.dtype, entropyCoding: options.entropy_coding });
    writeSafetensors(join(folder, "model.safetensors"), coded.tensors, coded.metadata, options.dtype);
    writeConfig(subject, folder, options.dtype);
    writeManifest(folder, shape);
    writeTokenizer(subject, folder);
    const bits = [...coded.bits.values()].reduce((sum, each) => sum + each, 0);
    const numbers = [...tensors.values()].reduce((sum, { data }) => sum + data.length, 0);
    return [
      `${(bits / numbers).toFixed(2)} bits per number of the checkpoint, including masks and codes.`,
      "Everything is decoded when the model is loaded, so the model takes less disk space but not less memory. Only Lathe reads this format.",
    ];
  },
});
