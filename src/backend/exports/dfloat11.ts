/** A Hugging Face folder with entropy-coded bfloat16 weights. Lathe reads it like any other model. */
import { join } from "node:path";
import * as z from "zod";
import { encodeTensors } from "../coding/codedTensors";
import { writeSafetensors } from "../checkpoints/safetensors";
import { writeConfig, writeTokenizer } from "./companions";
import { defineExporter } from "./exporter";
import { toPlainTensors } from "./plainTensors";

const optionsSchema = z.strictObject({
  dtype: z
    .literal("bfloat16")
    .default("bfloat16")
    .describe("Type that each weight is rounded to before it is coded. Only bfloat16 is supported."),
});

/** Smaller tensors stay bfloat16, because the table of code lengths would take more than the code saves. */
const minElements = 2048;

export default defineExporter<z.output<typeof optionsSchema>>({
  title: "DFloat11: lossless bfloat16 in about 11 bits per weight",
  library: "lathe",
  options: optionsSchema,
  samples: [{ dtype: "bfloat16" }],
  form: "dense",
  write: async (subject, { dtype }, folder) => {
    const plain = toPlainTensors(subject);
    const isLarge = (data: ArrayLike<number>) => data instanceof Float32Array && data.length >= minElements;
    const { tensors, metadata, bits } = encodeTensors(plain, (_, { data }) =>
      isLarge(data) ? [[{ codec: "half", dtype }, { codec: "dfloat11" }]] : [],
    );
    writeSafetensors(join(folder, "model.safetensors"), tensors, metadata, dtype);
    writeConfig(subject, folder, dtype);
    writeTokenizer(subject, folder);
    const large = [...plain].filter(([, { data }]) => isLarge(data));
    const weights = large.reduce((sum, [, { data }]) => sum + data.length, 0);
    const coded = large.reduce((sum, [name]) => sum + bits.get(name)!, 0);
    return [
      weights === 0
        ? "No tensor is large enough to be coded, so all are written as bfloat16."
        : `${(coded / weights).toFixed(2)} bits per weight, ${((100 * coded) / (16 * weights)).toFixed(1)} % of bfloat16.`,
      "Weights are rounded to bfloat16 and then coded losslessly. They are decoded when the model is loaded, so the model takes less disk space but not less memory. Only Lathe reads this format.",
    ];
  },
});
