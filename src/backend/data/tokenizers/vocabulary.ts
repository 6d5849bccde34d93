/** Whether two tokenizers give the same ids the same meaning. */
import { createHash } from "node:crypto";
import { WorkbenchError } from "../../../protocol/errors";
import type { Tokenizer } from "./tokenizer";

type Vocabulary = Pick<Tokenizer, "vocabSize" | "nameOf">;

/** Equal for tokenizers whose ids are the same tokens, even if their settings or chat templates differ. */
export function hashVocabulary(tokenizer: Vocabulary): string {
  const names = Array.from({ length: tokenizer.vocabSize }, (_, id) => tokenizer.nameOf(id) ?? null);
  return createHash("sha256").update(JSON.stringify(names)).digest("hex");
}

/**
 * Throws `invalid-input` if an id is one token in the one vocabulary and another in the other, since the outputs and the rows of
 * the models then have different meanings. Either may have further tokens. `name` is the model of `other`.
 */
export function refuseOtherVocabulary(own: Vocabulary, other: Vocabulary, name: string): void {
  for (let id = 0; id < Math.min(own.vocabSize, other.vocabSize); id++) {
    const [here, there] = [own.nameOf(id), other.nameOf(id)];
    if (here === undefined || there === undefined || here === there) continue;
    throw new WorkbenchError(
      "invalid-input",
      `${name} has another vocabulary than the current model: token ${id} is ${JSON.stringify(there)} there and ${JSON.stringify(here)} here. Use models with the same tokenizer.`,
    );
  }
}
