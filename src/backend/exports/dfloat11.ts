/** A folder like Hugging Face's whose weights are entropy-coded bfloat16; Lathe reads it like any other model. */
import { join } from "node:path";
import * as z from "zod";
import { codeTensors } from "../coding/codedTensors";
import { writeSafetensors } from "../checkpoints/safetensors";
import { writeConfig, writeTokenizer } from "./companions";
import { defineExporter } from "./exporter";
import { plainTensors } from "./plainTensors";

const options = z.strictObject({
  dtype: z
    .literal("bfloat16")
    .default("bfloat16")
    .describe("Type that each weight is rounded to before it is coded; the only one whose code there is."),
});

/** Below it the table of lengths would cost more than is won; such tensors stay bfloat16. */
const fewest = 2048;

export default defineExporter<z.output<typeof options>>({
  title: "DFloat11: bfloat16 without loss in about 11 bits a weight",
  options,
  samples: [{ dtype: "bfloat16" }],
  form: "dense",
  write: async (subject, { dtype }, folder) => {
    const plain = plainTensors(subject);
    const isLarge = (data: ArrayLike<number>) => data instanceof Float32Array && data.length >= fewest;
    const { tensors, metadata, bits } = codeTensors(plain, (_, { data }) =>
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
        ? "No weight was coded: the tensors are too small, and stand as bfloat16."
        : `${(coded / weights).toFixed(2)} bits a weight, ${((100 * coded) / (16 * weights)).toFixed(1)} % of bfloat16.`,
      "Weights are rounded to bfloat16 and then coded without loss. They are decoded when the model is loaded: it takes less disk, not less memory, and only Lathe reads it.",
    ];
  },
});
