/** The families whose forward functions differ in more than names, keys and sizes. */
import { models } from "../../src/backend/models/catalog";

/** Families that compute as another one does; only what depends on their names and keys is tested for them. */
const alike: Readonly<Record<string, string>> = {
  distilbert: "bert",
  gemma3_text: "gemma2",
  gpt_neox: "gpt2",
  mistral: "llama",
  opt: "gpt2",
  roberta: "bert",
  smollm3: "llama",
};

export const distinctFamilies: readonly string[] = Object.keys(models).filter(
  (family) => !Object.hasOwn(alike, family),
);
