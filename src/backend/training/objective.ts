/**
 * What becomes of a batch of the data before a model reads it. A causal model learns the labels as they are, the token after
 * each token; an encoder learns tokens that are hidden from it, or has the class of a text at its first token.
 */
import { WorkbenchError } from "../../protocol/errors";
import { type Batch, IGNORED } from "../data/split";
import { maskTokenOf, specialTokens, type Tokenizer } from "../data/tokenizers/tokenizer";
import { labelCount } from "../models/classifier";
import { dimensionsOf, familyOf, type ModelShape } from "../models/model";
import { randomStream } from "../representations/randomStream";

/** `rowStream` gives the random numbers of each row, so that what is drawn for one does not depend on the others. */
export type Prepare = (batch: Batch, rowStream: (row: number) => () => number) => Batch;

/** Share of the tokens that a masked language model has to predict, as BERT's. */
export const usualProbability = 0.15;

/** Undefined where batches are read as they are. Refuses a masked language model without a token that hides others. */
export function objectiveOf(
  shape: ModelShape,
  tokenizer: Tokenizer | undefined,
  probability?: number,
): Prepare | undefined {
  refuseProbability(shape, probability);
  const { heads } = familyOf(shape.family);
  if (predictsHidden(shape)) return maskedTokens(maskingOf(shape, tokenizer, probability));
  return labelCount(shape.config) !== undefined && heads.classes.reads === "first" ? labelsFirst : undefined;
}

function predictsHidden({ family, config }: ModelShape): boolean {
  return labelCount(config) === undefined && familyOf(family).heads.language.task === "masked-lm";
}

/** Refuses a share of hidden tokens for a model that does not predict any. */
export function refuseProbability(shape: ModelShape, probability: number | undefined): void {
  if (probability === undefined || predictsHidden(shape)) return;
  throw new WorkbenchError(
    "invalid-input",
    `mlm_probability is for encoders that predict hidden tokens, and this ${familyOf(shape.family).title} model does not. Remove it.`,
  );
}

/** The batches of an evaluation: every sequence is prepared alike, whatever the size of a batch. */
export function* prepareBatches(batches: Iterable<Batch>, prepare: Prepare | undefined): Generator<Batch> {
  let sequence = 0;
  for (const batch of batches) {
    const first = sequence;
    sequence += batch.rows;
    yield prepare === undefined
      ? batch
      : prepare(batch, (row) => randomStream(`masks of sequence ${first + row}`, 0));
  }
}

export interface Masking {
  readonly probability: number;
  readonly maskToken: number;
  /** Tokens that are never hidden. */
  readonly special: ReadonlySet<number>;
  readonly vocabulary: number;
}

export function maskingOf(
  shape: ModelShape,
  tokenizer: Tokenizer | undefined,
  probability: number = usualProbability,
): Masking {
  const { vocabulary } = dimensionsOf(shape);
  const added = tokenizer === undefined ? [] : specialTokens(tokenizer);
  const named = tokenizer && maskTokenOf(tokenizer);
  const maskToken = (shape.config["mask_token_id"] as number | undefined) ?? named;
  if (maskToken === undefined || maskToken >= vocabulary)
    throw new WorkbenchError(
      "invalid-input",
      maskToken === undefined
        ? "The tokenizer has no token that hides others, [MASK] or <mask>. Use one that has, or set model.mask_token_id to a token that no text contains."
        : `The mask token is ${maskToken}, but the model has ${vocabulary} tokens. Set model.mask_token_id to one of them.`,
    );
  const framing = [tokenizer?.bos, tokenizer?.endOfText].flatMap((id) => id ?? []);
  const special = new Set([maskToken, ...framing, ...added.map(({ id }) => id)]);
  return { probability, maskToken, special, vocabulary };
}

/**
 * Each token is chosen with the given probability. Of the chosen ones 80 % become the mask token, 10 % a random token, and
 * 10 % stay; all of them are labels, and nothing else is (Devlin et al. 2019, as transformers' data collator).
 */
function maskedTokens({ probability, maskToken, special, vocabulary }: Masking): Prepare {
  return (batch, rowStream) => {
    const { rows, length, segments } = batch;
    const tokens = batch.tokens.slice();
    const labels = new Int32Array(tokens.length).fill(IGNORED);
    for (let row = 0; row < rows; row++) {
      const [start, end] = [row * length, (row + 1) * length];
      // Without segments a row is text throughout, unless it only fills up the batch.
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
const labelsFirst: Prepare = (batch) => {
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
