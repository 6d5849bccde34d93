/** Byte-level BPE as GPT-2 publishes it (`vocab.json` and `merges.txt`), as a Hugging Face `tokenizer.json`. */
import { type AddedToken, toAddedTokenJson, createDocumentTemplate } from "./addedTokens";
import { type CuttingRule, cuttingRules } from "./cuttingRules";

export interface ByteLevelVocabulary {
  /** Ids by token, written in the printable stand-ins of the bytes. */
  readonly vocab: Readonly<Record<string, number>>;
  /** Pairs with a space between them, in the order in which they are joined. */
  readonly merges: readonly string[];
  readonly added: readonly AddedToken[];
  /** What a text begins with, if anything. */
  readonly bos?: number | undefined;
  /** How text is cut; default: as GPT-2 does. */
  readonly rule?: CuttingRule | undefined;
}

export function createByteLevelTokenizerJson({
  vocab,
  merges,
  added,
  bos,
  rule = cuttingRules["gpt-2"]!,
}: ByteLevelVocabulary): object {
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  const contents = new Map(added.map(({ id, content }) => [id, content]));
  return {
    version: "1.0",
    added_tokens: added.map(toAddedTokenJson),
    normalizer: null,
    pre_tokenizer: rule.steps.length === 1 ? rule.steps[0] : { type: "Sequence", pretokenizers: rule.steps },
    post_processor: createDocumentTemplate(bos, (id) => contents.get(id)!) ?? {
      ...byteLevel,
      trim_offsets: false,
    },
    decoder: byteLevel,
    model: {
      type: "BPE",
      unk_token: null,
      ...(rule.ignoresMerges ? { ignore_merges: true } : {}),
      vocab,
      merges: merges.map((pair) => pair.split(" ")),
    },
  };
}

/** Reads the pairs of a `merges.txt`, which may start with a version line. */
export function readMerges(text: string): string[] {
  const lines = text.split(/\r?\n/).filter((line) => line !== "");
  return lines[0]?.startsWith("#version") === true ? lines.slice(1) : lines;
}
