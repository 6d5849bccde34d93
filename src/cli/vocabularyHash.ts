/** Whether two tokenizers give the same ids the same meaning. */
import { createHash } from "node:crypto";
import type { Tokenizer } from "../backend/data/tokenizers/tokenizer";

/** Equal for tokenizers whose ids are the same tokens, even if their settings or chat templates differ. */
export function hashVocabulary(tokenizer: Pick<Tokenizer, "vocabSize" | "nameOf">): string {
  const names = Array.from({ length: tokenizer.vocabSize }, (_, id) => tokenizer.nameOf(id) ?? null);
  return createHash("sha256").update(JSON.stringify(names)).digest("hex");
}
