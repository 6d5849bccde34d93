/**
 * The rules by which llama.cpp cuts text into words before byte-level BPE, by the names in GGUF files (`tokenizer.ggml.pre`).
 * Source: llama.cpp, `src/llama-vocab.cpp`, `llm_tokenizer_bpe`.
 */

const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const afterWords = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const splitBy = (digits: string) => ({
  type: "Split",
  pattern: { Regex: `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}|${afterWords}` },
  behavior: "Isolated",
  invert: false,
});
const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true };

export interface CuttingRule {
  /** The steps of `pre_tokenizer` in a `tokenizer.json`. */
  readonly steps: readonly Readonly<Record<string, unknown>>[];
  /** Whether a word that is a token becomes that token, whatever the merges are. */
  readonly ignoresMerges: boolean;
}

export const cuttingRules: Readonly<Record<string, CuttingRule>> = {
  "gpt-2": { steps: [{ ...byteLevel, use_regex: true }], ignoresMerges: false },
  qwen2: { steps: [splitBy("\\p{N}"), { ...byteLevel, use_regex: false }], ignoresMerges: false },
  "llama-bpe": { steps: [splitBy("\\p{N}{1,3}"), { ...byteLevel, use_regex: false }], ignoresMerges: true },
  smollm: {
    steps: [
      { type: "Digits", individual_digits: true },
      { ...byteLevel, use_regex: true },
    ],
    ignoresMerges: false,
  },
};

type Step = Readonly<Record<string, unknown>>;

/** The name of the rule with these steps; undefined if llama.cpp has none. `trim_offsets` does not change ids. */
export function findCuttingRule(steps: readonly Step[]): string | undefined {
  const describe = ({ trim_offsets: _, use_regex = true, invert = false, ...step }: Step) =>
    JSON.stringify(
      Object.entries({
        ...step,
        ...(step["type"] === "ByteLevel" ? { use_regex } : {}),
        ...(step["type"] === "Split" ? { invert } : {}),
      }).sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  const described = steps.map(describe).join();
  return Object.keys(cuttingRules).find(
    (name) => cuttingRules[name]!.steps.map(describe).join() === described,
  );
}
