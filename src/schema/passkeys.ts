/** Options of the data source `passkeys`: documents that test retrieval over a long context. */
import * as z from "zod";

const positiveInt = z.int().positive();

/** Of the data and of the metric. */
export const valuesKey = z
  .enum(["digits", "letters"])
  .default("digits")
  .describe(
    "What values are made of. With digits, other tokenizers have no token that joins a key with its value. Letters, as in keys, are learned in fewer steps, because a model copies both alike.",
  );

export const passkeySchema = z
  .strictObject({
    documents: positiveInt.default(1000).describe("Documents to draw, all different draws."),
    length: positiveInt
      .default(256)
      .describe(
        "Characters of each document with its questions, which are as many tokens with `bytes` and `characters`.",
      ),
    pairs: positiveInt.default(8).describe("Pairs in a document. One is a needle in a haystack."),
    questions: positiveInt
      .default(8)
      .describe("Questions at the end of a document. No key is asked again before all others."),
    key_length: z.int().min(1).max(16).default(2).describe("Letters of a key."),
    value_length: z.int().min(1).max(16).default(2).describe("Characters of a value."),
    values: valuesKey,
    seed: z.int().min(0).default(0).describe("Seed of the documents."),
  })
  .describe(
    "Documents drawn with a seed that train and test retrieval: pairs of a key and a value at random depths of filler, and questions about them at the end. The loss counts the answers. Requires `packing: false`.",
  );

export type PasskeyOptions = z.infer<typeof passkeySchema>;
