/**
 * Token ids of texts and of pairs of context and continuation, as lm-evaluation-harness computes them for a causal model of
 * Hugging Face (`tok_encode`, `_encode_pair` and `loglikelihood`).
 */
import { WorkbenchError } from "../../../protocol/errors";
import { findNamedToken } from "../../data/tokenizers/namedToken";
import type { Tokenizer } from "../../data/tokenizers/tokenizer";
import { stripEnd } from "./pythonText";

export interface EncodedPair {
  readonly context: readonly number[];
  readonly continuation: readonly number[];
}

interface Frame {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

export class HarnessEncoder {
  /** The token before a text without a context: BOS, or EOS for a tokenizer without BOS. */
  readonly prefix: number | undefined;
  readonly #prefixText: string | undefined;
  readonly #frame: Frame;

  /** `addBos` adds a BOS token to each text, or removes that of the tokenizer; undefined does what the tokenizer does. */
  constructor(
    private readonly tokenizer: Tokenizer,
    addBos?: boolean,
  ) {
    const { bos, endOfText, frames } = tokenizer;
    const named = findNamedToken(tokenizer, "bos_token") ?? bos;
    this.prefix = named ?? endOfText;
    this.#prefixText = this.prefix === undefined ? undefined : tokenizer.nameOf(this.prefix);
    const usual = frames?.single ?? { before: bos === undefined ? [] : [bos], after: [] };
    const isOpen = usual.before.length > 0;
    this.#frame =
      addBos === undefined || (addBos && isOpen)
        ? usual
        : addBos
          ? { before: [this.requirePrefix("add_bos")], after: usual.after }
          : { before: [], after: [] };
  }

  /** Special tokens around a text. */
  get frame(): Frame {
    return this.#frame;
  }

  decode(ids: readonly number[]): string {
    return this.tokenizer.decode(ids);
  }

  requirePrefix(what: string): number {
    if (this.prefix !== undefined) return this.prefix;
    throw new WorkbenchError(
      "unsupported",
      `${what} needs a BOS or EOS token, but the tokenizer ${this.tokenizer.id} has neither. Name one as bos_token or eos_token in its tokenizer_config.json, or use another tokenizer.`,
    );
  }

  /** Ids of each text with the special tokens of the tokenizer. */
  async encodeAll(texts: readonly string[]): Promise<number[][]> {
    const all = await this.tokenizer.encodeAll(texts);
    return texts.map((text, i) => {
      const { before, after } = this.#frameOf(text);
      return [...before, ...all[i]!, ...after];
    });
  }

  /**
   * The continuation of a pair is what its joined text has beyond the ids of the context alone. Spaces at the end of the
   * context belong to the continuation.
   */
  async encodePairs(
    pairs: readonly { readonly context: string; readonly continuation: string }[],
  ): Promise<EncodedPair[]> {
    const moved = pairs.map(({ context, continuation }) => {
      const kept = stripEnd(context);
      return {
        context: kept,
        continuation: context.slice(kept.length) + continuation,
        wasEmpty: context === "",
      };
    });
    const contexts = [...new Set(moved.flatMap(({ context, wasEmpty }) => (wasEmpty ? [] : [context])))];
    const encodedContexts = await this.encodeAll(contexts);
    const byContext = new Map(contexts.map((context, i) => [context, encodedContexts[i]!]));
    const wholes = await this.encodeAll(moved.map(({ context, continuation }) => context + continuation));
    const bare = await this.tokenizer.encodeAll(
      moved.map(({ continuation, wasEmpty }) => (wasEmpty ? continuation : "")),
    );
    return moved.map(({ context, wasEmpty }, i) => {
      if (!wasEmpty) {
        const ids = byContext.get(context)!;
        return { context: ids, continuation: wholes[i]!.slice(ids.length) };
      }
      const prefix = this.requirePrefix("A request without a context");
      const ids = [...bare[i]!];
      return ids[0] === prefix
        ? { context: ids.slice(0, 1), continuation: ids.slice(1) }
        : { context: [prefix], continuation: ids };
    });
  }

  /** A text that begins with the name of the prefix token gets no special tokens. */
  #frameOf(text: string): Frame {
    return this.#prefixText !== undefined && text.startsWith(this.#prefixText)
      ? { before: [], after: [] }
      : this.#frame;
  }
}
