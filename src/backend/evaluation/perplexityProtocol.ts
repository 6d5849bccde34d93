/** How a perplexity was measured: what makes two of them comparable, and how it is printed beside the number. */
import { createHash } from "node:crypto";
import type { LossProtocol, LossProtocols } from "../../protocol/lossProtocol";

export const perplexityProtocols = ["strided", "gptq", "harness"] as const;
export type ProtocolName = (typeof perplexityProtocols)[number];

/** Everything that a result depends on besides the model: equal protocols make results comparable. */
export interface PerplexityProtocol {
  readonly protocol: ProtocolName;
  readonly data: string;
  readonly split: string;
  /** Hash of the token ids that were read. */
  readonly hash: string;
  readonly tokenizer: string;
  readonly tokenizer_hash: string;
  /** Null if the special tokens are those of the tokenizer, or of training. */
  readonly add_bos: boolean | null;
  readonly context: number;
  /** Equal to the context where windows do not overlap. */
  readonly stride: number;
  readonly tokens: number;
  readonly scored_tokens: number;
  readonly words: number;
  readonly bytes: number;
  readonly line_ends_as_words: boolean;
}

/** Numbers of different protocols have different names, so that no table and no axis shows them together. */
export function getValuePrefix(protocol: ProtocolName): string {
  return protocol === "strided" ? "perplexity" : `perplexity_${protocol}`;
}

/** Losses per token are of one tokenizer; those per word and per byte are of the text, whatever the tokenizer. */
export function createProtocols(protocol: PerplexityProtocol): LossProtocols {
  const { data, split, tokenizer, bytes, words } = protocol;
  const windows = describeWindows(protocol);
  const perToken: LossProtocol = {
    data,
    split,
    hash: protocol.hash,
    tokens: protocol.scored_tokens,
    method: `${windows}, tokenizer ${tokenizer}`,
  };
  const text = createHash("sha256")
    .update(JSON.stringify([data, split, bytes, words]))
    .digest("hex");
  const perText: LossProtocol = {
    ...perToken,
    hash: text,
    method: `${windows}${protocol.line_ends_as_words ? ", line ends as words" : ""}`,
  };
  const prefix = getValuePrefix(protocol.protocol);
  return {
    [`${prefix}/loss`]: perToken,
    [`${prefix}/token`]: perToken,
    [`${prefix}/word`]: perText,
    [`${prefix}/bits_per_byte`]: perText,
  };
}

function describeWindows({ protocol, context, stride, add_bos: addBos }: PerplexityProtocol): string {
  const bos = addBos === null ? "" : addBos ? ", with BOS" : ", without BOS";
  switch (protocol) {
    case "strided":
      return `context ${context}, stride ${stride}${bos}`;
    case "gptq":
      return `protocol gptq, windows of ${context} without overlap${bos}`;
    case "harness":
      return `protocol harness, documents from BOS on, context ${context}${bos}`;
  }
}

/** One line that describes the protocol, to print with each result. */
export function formatProtocol(protocol: PerplexityProtocol): string {
  const { data, split, hash, tokenizer, tokens, scored_tokens: scored } = protocol;
  const words = `${protocol.words} words${protocol.line_ends_as_words ? " with line ends" : ""}`;
  return (
    `${data}, ${split} split (ids ${hash.slice(0, 12)}), ${describeWindows(protocol)}, tokenizer ${tokenizer}, ` +
    `${scored} of ${tokens} tokens scored, ${words}, ${protocol.bytes} bytes`
  );
}
