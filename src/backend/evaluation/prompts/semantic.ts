/**
 * Keeps the words without which the meaning of their sentence changes most (Liu et al., TCRA-LLM: Token Compression Retrieval
 * Augmented Large Language Model for Inference Cost Reduction, EMNLP Findings 2023, arXiv 2310.15556, section 3.2): the change
 * is one minus the cosine of the sentence's embedding with and without the word. The embedding is the mean of a model's last
 * hidden states; the paper uses a separate sentence encoder.
 */
import * as z from "zod";
import { embedTexts } from "./embedding";
import { promptKeys, readerKey } from "./budget";
import { definePromptPolicy } from "./promptPolicy";

const options = z.strictObject({
  ...promptKeys,
  ...readerKey,
  sentence_words: z.int().min(2).default(64).describe("Longest sentence, in words; longer ones are divided."),
});

export default definePromptPolicy<z.output<typeof options>>({
  title: "Words that matter for the embedding of their sentence",
  options,
  samples: [{ budget: 0.5, sentence_words: 4 }],
  score: async (words, { sentence_words: longest }, reader, lab) => {
    const scores: number[] = [];
    for (const sentence of splitSentences(words, longest)) {
      // The whole sentence first, then without each of its words.
      const texts = [sentence, ...sentence.map((_, i) => sentence.toSpliced(i, 1))].map((each) =>
        each.join(""),
      );
      const [whole, ...others] = await embedTexts(reader, texts, lab);
      // A sentence of one word has no embedding without it.
      scores.push(...others.map((each) => (sentence.length === 1 ? 2 : 1 - computeCosine(whole!, each))));
    }
    return scores;
  },
});

/** Divides words after full stops, question and exclamation marks and at line ends, and sentences that are too long. */
export function splitSentences(words: readonly string[], longest: number): string[][] {
  const sentences: string[][] = [];
  let current: string[] = [];
  const close = () => {
    if (current.length > 0) sentences.push(current);
    current = [];
  };
  for (const word of words) {
    if (/^\s*\n/.test(word) || current.length === longest) close();
    current.push(word);
    if (/[.!?]["')\]]*$/.test(word)) close();
  }
  close();
  return sentences;
}

function computeCosine(a: Float64Array, b: Float64Array): number {
  const product = (x: Float64Array, y: Float64Array) => x.reduce((sum, each, i) => sum + each * y[i]!, 0);
  const norm = Math.sqrt(product(a, a) * product(b, b));
  return norm === 0 ? 0 : product(a, b) / norm;
}
