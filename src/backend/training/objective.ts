/**
 * Prepares a batch of the data for a model's training objective. A causal model uses the labels unchanged: the next token of
 * each token. An encoder predicts masked tokens, or has the label of a text at its first token.
 */
import { WorkbenchError } from "../../protocol/errors";
import { type Batch, IGNORED } from "../data/split";
import { findMaskToken, listSpecialTokens, type Tokenizer } from "../data/tokenizers/tokenizer";
import { getLabelCount } from "../models/classifier";
import { dimensionsOf, familyOf, type ModelShape } from "../models/model";
import { createRandomStream } from "../representations/randomStream";

/** `rowStream` returns the random numbers of a row, so that the draws of one row do not depend on the others. */
export type Prepare = (batch: Batch, rowStream: (row: number) => () => number) => Batch;

/** Fraction of the tokens that a masked language model predicts, as in BERT. */
export const defaultProbability = 0.15;

/** Returns undefined if batches are used unchanged. Refuses a masked language model without a mask token. */
export function createPrepare(
  shape: ModelShape,
  tokenizer: Tokenizer | undefined,
  probability?: number,
): Prepare | undefined {
  refuseProbability(shape, probability);
  const { heads } = familyOf(shape.family);
  if (predictsHidden(shape)) return createTokenMasking(createMasking(shape, tokenizer, probability));
  return getLabelCount(shape.config) !== undefined && heads.classes.reads === "first"
    ? moveLabelsFirst
    : undefined;
}

/** The share of tokens that the loss is about and that the model does not see; undefined if it predicts the next token. */
export function getHiddenShare(shape: ModelShape, probability: number | undefined): number | undefined {
  return predictsHidden(shape) ? (probability ?? defaultProbability) : undefined;
}

function predictsHidden({ family, config }: ModelShape): boolean {
  return getLabelCount(config) === undefined && familyOf(family).heads.language.task === "masked-lm";
}

/** Refuses `mlm_probability` for a model that does not predict masked tokens. */
export function refuseProbability(shape: ModelShape, probability: number | undefined): void {
  if (probability === undefined || predictsHidden(shape)) return;
  throw new WorkbenchError(
    "invalid-input",
    `mlm_probability applies only to masked language models, and this ${familyOf(shape.family).title} model is not one. Remove it.`,
  );
}

/** Batches of an evaluation: each sequence is prepared identically for every batch size. */
export function* prepareBatches(batches: Iterable<Batch>, prepare: Prepare | undefined): Generator<Batch> {
  let sequence = 0;
  for (const batch of batches) {
    const first = sequence;
    sequence += batch.rows;
    yield prepare === undefined
      ? batch
      : prepare(batch, (row) => createRandomStream(`masks of sequence ${first + row}`, 0));
  }
}

export interface Masking {
  readonly probability: number;
  readonly maskToken: number;
  /** Tokens that are never masked. */
  readonly special: ReadonlySet<number>;
  readonly vocabulary: number;
}

export function createMasking(
  shape: ModelShape,
  tokenizer: Tokenizer | undefined,
  probability: number = defaultProbability,
): Masking {
  const { vocabulary } = dimensionsOf(shape);
  const added = tokenizer === undefined ? [] : listSpecialTokens(tokenizer);
  const tokenizerMask = tokenizer && findMaskToken(tokenizer);
  const maskToken = (shape.config["mask_token_id"] as number | undefined) ?? tokenizerMask;
  if (maskToken === undefined || maskToken >= vocabulary)
    throw new WorkbenchError(
      "invalid-input",
      maskToken === undefined
        ? "The tokenizer has no mask token, [MASK] or <mask>. Use a tokenizer that has one, or set model.mask_token_id to a token that no text contains."
        : `The mask token is ${maskToken}, but the vocabulary of the model has ${vocabulary} tokens. Set model.mask_token_id to one of them.`,
    );
  const framing = [tokenizer?.bos, tokenizer?.endOfText].flatMap((id) => id ?? []);
  const special = new Set([maskToken, ...framing, ...added.map(({ id }) => id)]);
  return { probability, maskToken, special, vocabulary };
}

/**
 * Selects each token with the given probability. Of the selected tokens, 80 % become the mask token, 10 % become a random
 * token and 10 % are unchanged. Only the selected tokens are labels (Devlin et al. 2019; as transformers' data collator).
 */
function createTokenMasking({ probability, maskToken, special, vocabulary }: Masking): Prepare {
  return (batch, rowStream) => {
    const { rows, length, segments } = batch;
    const tokens = batch.tokens.slice();
    const labels = new Int32Array(tokens.length).fill(IGNORED);
    for (let row = 0; row < rows; row++) {
      const [start, end] = [row * length, (row + 1) * length];
      // Without segments a row is text throughout, unless it is padding of the batch.
      const isText =
        segments === undefined && batch.labels.subarray(start, end).some((label) => label !== IGNORED);
      const next = rowStream(row);
      for (let at = start; at < end; at++) {
        const token = batch.tokens[at]!;
        const [isChosen, share, other] = [next() < probability, next(), next()];
        if (!isChosen || special.has(token) || !(segments === undefined ? isText : segments[at]! > 0))
          continue;
        labels[at] = token;
        if (share < 0.8) tokens[at] = maskToken;
        else if (share < 0.9) tokens[at] = Math.floor(other * vocabulary);
      }
    }
    return { ...batch, tokens, labels };
  };
}

/** The one label of each text at its first token. */
const moveLabelsFirst: Prepare = (batch) => {
  const { rows, length } = batch;
  const labels = new Int32Array(batch.labels.length).fill(IGNORED);
  const targets = batch.targets === undefined ? undefined : new Float32Array(batch.targets.length);
  for (let row = 0; row < rows; row++) {
    const start = row * length;
    const at = batch.labels.subarray(start, start + length).findLastIndex((label) => label !== IGNORED);
    if (at < 0) continue;
    labels[start] = batch.labels[start + at]!;
    if (targets !== undefined) targets[start] = batch.targets![start + at]!;
  }
  return { ...batch, labels, ...(targets === undefined ? {} : { targets }) };
};
