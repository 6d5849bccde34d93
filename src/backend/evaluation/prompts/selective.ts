/**
 * Keeps the words that a language model expects least (Li et al., Compressing Context to Enhance Inference Efficiency of Large
 * Language Models, EMNLP 2023, arXiv 2310.06201, section 3): the self-information of a word is the sum over its tokens of
 * -ln p(token | text before it). Units are words; the published code also joins them to noun phrases or sentences.
 */
import * as z from "zod";
import { measureInformation } from "./information";
import { promptKeys, readerKey } from "./budget";
import { definePromptPolicy } from "./promptPolicy";
import { splitPieces } from "../tokenPieces";

const options = z.strictObject({ ...promptKeys, ...readerKey });

export default definePromptPolicy<z.output<typeof options>>({
  title: "Words with the most self-information",
  options,
  samples: [{ budget: 0.5 }],
  score: async (words, _options, reader, lab) => {
    const { tokenizer } = reader;
    const ids = [...(await tokenizer.encode(words.join("")))];
    const nats = await measureInformation(reader, ids, lab);
    const pieces = splitPieces(tokenizer, { context: [], ids });
    const scores = new Float64Array(words.length);
    let [word, end, at] = [0, words[0]!.length, 0];
    pieces.forEach((piece, i) => {
      // A token belongs to the word in which it ends: its spaces may be those before the word.
      at += piece.length;
      while (at > end && word < words.length - 1) end += words[++word]!.length;
      scores[word]! += nats[i]!;
    });
    return scores;
  },
});
