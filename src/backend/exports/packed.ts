/**
 * A checkpoint whose numbers take the bits that are counted for them: masks a bit a weight and only the kept values, codes as
 * many bits as they have, and all of it entropy-coded where that is less. What a shrunk model really takes on a disk.
 */
import { join } from "node:path";
import * as z from "zod";
import { pack } from "../coding/pack";
import { writeManifest } from "../checkpoints/checkpoint";
import { storedDtypes } from "../checkpoints/halfPrecision";
import { writeSafetensors } from "../checkpoints/safetensors";
import { writeConfig, writeTokenizer } from "./companions";
import { defineExporter } from "./exporter";

const options = z.strictObject({
  dtype: z
    .enum(storedDtypes)
    .default("float32")
    .describe("Type of what is no code and no mask; the two halves round each number to the nearest."),
  entropy_coding: z
    .boolean()
    .default(true)
    .describe("Also write codes, masks and bfloat16 weights in a prefix code, where that takes less."),
});

export default defineExporter<z.output<typeof options>>({
  title: "Packed checkpoint: masks, codes and kept values in the bits that they need",
  options,
  samples: [{}, { dtype: "bfloat16" }, { dtype: "float16", entropy_coding: false }],
  form: "stored",
  write: async (subject, given, folder) => {
    const { shape, tensors } = subject;
    const coded = pack({ shape, tensors }, { dtype: given.dtype, entropyCoding: given.entropy_coding });
    writeSafetensors(join(folder, "model.safetensors"), coded.tensors, coded.metadata, given.dtype);
    writeConfig(subject, folder, given.dtype);
    writeManifest(folder, shape);
    writeTokenizer(subject, folder);
    const bits = [...coded.bits.values()].reduce((sum, each) => sum + each, 0);
    const numbers = [...tensors.values()].reduce((sum, { data }) => sum + data.length, 0);
    return [
      `${(bits / numbers).toFixed(2)} bits for each number of the checkpoint, masks and codes among them.`,
      "Everything is decoded when the model is loaded: it takes less disk, not less memory, and only Lathe reads it.",
    ];
  },
});
