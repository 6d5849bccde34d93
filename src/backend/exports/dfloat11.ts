/** A folder like Hugging Face's whose weights are entropy-coded bfloat16; Lathe reads it like any other model. */
import { join } from "node:path";
import * as z from "zod";
import { codeTensors } from "../coding/codedTensors";
import { writeSafetensors } from "../training/safetensors";
import { writeConfig, writeTokenizer } from "./companions";
import { defineExporter } from "./exporter";
import { plainTensors } from "./plainTensors";

const options = z.strictObject({
  dtype: z
    .literal("bfloat16")
    .default("bfloat16")
    .describe("Type that each weight is rounded to before it is coded; the only one whose code there is."),
});

export default defineExporter<z.output<typeof options>>({
  title: "DFloat11: bfloat16 without loss in about 11 bits a weight",
  options,
  samples: [{ dtype: "bfloat16" }],
  write: async (subject, { dtype }, folder) => {
    const { tensors, metadata, weights, bytes } = codeTensors(plainTensors(subject));
    writeSafetensors(join(folder, "model.safetensors"), tensors, metadata, dtype);
    writeConfig(subject, folder, dtype);
    writeTokenizer(subject, folder);
    const coded =
      weights === 0
        ? "No weight was coded: the tensors are too small, and stand as bfloat16."
        : `${((8 * bytes) / weights).toFixed(2)} bits a weight, ${((50 * bytes) / weights).toFixed(1)} % of bfloat16.`;
    return [
      coded,
      "Weights are rounded to bfloat16 and then coded without loss. They are decoded when the model is loaded: it takes less disk, not less memory, and only Lathe reads it.",
    ];
  },
});
