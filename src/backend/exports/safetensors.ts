/** A folder as Hugging Face's `transformers` reads it: config.json and model.safetensors under its tensor names. */
import { join } from "node:path";
import * as z from "zod";
import { exportedConfig } from "../models/huggingFace";
import { writeSafetensors } from "../training/safetensors";
import { writeConfig, writeTokenizer } from "./companions";
import { defineExporter } from "./exporter";
import { plainTensors } from "./plainTensors";

export default defineExporter<Record<string, never>>({
  title: "Hugging Face folder with safetensors",
  options: z.strictObject({}),
  samples: [{}],
  write: async (subject, _options, folder) => {
    writeSafetensors(join(folder, "model.safetensors"), plainTensors(subject));
    writeConfig(subject, folder);
    writeTokenizer(subject, folder);
    return exportedConfig(subject.shape)["model_type"] === "kphi3"
      ? [
          "transformers has no kphi3 of its own: load the folder with the authors' modeling_kphi3.py beside it.",
        ]
      : [];
  },
});
