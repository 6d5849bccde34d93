/** Loss and accuracy of an encoder on masked tokens; the masked positions do not depend on the batch size. */
import { createHash, type Hash } from "node:crypto";
import * as z from "zod";
import type { LossProtocol } from "../../protocol/lossProtocol";
import { WorkbenchError } from "../../protocol/errors";
import { formatNumber } from "../../protocol/quantities";
import { type Batch, IGNORED } from "../data/split";
import { getLabelCount } from "../models/classifier";
import { dimensionsOf, familyOf, type ModelShape } from "../models/model";
import { createPrepare, prepareBatches, defaultProbability } from "../training/objective";
import { ForwardProgram } from "./forwardProgram";
import { defineMetric, type EvaluationLab, getSplit, type Subject } from "./metric";

const optionsSchema = z.strictObject({
  split: z.enum(["validation", "test", "train"]).default("validation").describe("Split to score."),
  mlm_probability: z
    .number()
    .min(0)
    .max(1)
    .default(defaultProbability)
    .describe("Fraction of the tokens to mask or replace, and to predict."),
  max_sequences: z
    .int()
    .min(1)
    .optional()
    .describe("Score only this many sequences, from the start of the split."),
  batch_size: z.int().min(1).default(8).describe("Sequences per batch. Affects only time and memory."),
});
type Options = z.output<typeof optionsSchema>;

export interface MaskedScores {
  /** Nats per masked token. */
  readonly loss: number;
  readonly accuracy: number;
  /** Number of masked tokens that were scored. */
  readonly tokens: number;
  readonly split: string;
  readonly data: string;
  readonly mlm_probability: number;
  /** Hash of the sequences with a masked token, as the model read them, and of the tokens to predict. */
  readonly hash: string;
  readonly sequence_len: number;
}

export default defineMetric<Options, MaskedScores>({
  title: "Loss and accuracy on masked tokens",
  options: optionsSchema,
  needs: ["data"],
  of: "encoder",
  goals: { "masked/loss": "minimize", "masked/accuracy": "maximize" },
  samples: [{}, { split: "train", mlm_probability: 0.4, max_sequences: 5, batch_size: 2 }],
  checkModel: refuseOthers,
  check: ({ data }, options) => void getSplit(data, options.split),
  evaluate: async (subject, options, lab) => {
    const details = await measure(subject, options, lab);
    const { loss, accuracy, tokens } = details;
    return {
      values: { "masked/loss": loss, "masked/accuracy": accuracy },
      lines: [
        `masked tokens: accuracy ${accuracy.toFixed(4)}, loss ${loss.toFixed(4)} nats/token`,
        `${details.data}, ${details.split} split, ${tokens} tokens masked at mlm_probability ${details.mlm_probability}`,
      ],
      protocols: { "masked/loss": createProtocol(details), "masked/accuracy": createProtocol(details) },
      details,
    };
  },
});

function createProtocol(scores: MaskedScores): LossProtocol {
  const { data, split, hash, tokens, sequence_len: length, mlm_probability: probability } = scores;
  const method = `sequences of ${length}, ${formatNumber(100 * probability)} % of the tokens hidden`;
  return { data, split, hash, tokens, method };
}

function refuseOthers({ family, config }: ModelShape): void {
  const { title, heads } = familyOf(family);
  if (getLabelCount(config) === undefined && heads.language.task === "masked-lm") return;
  throw new WorkbenchError(
    "unsupported",
    getLabelCount(config) === undefined
      ? `${title} predicts the next token, not masked tokens. Evaluate it with perplexity.`
      : "This model predicts labels of whole texts, not masked tokens. Evaluate it with classification or regression.",
  );
}

async function measure(subject: Subject, options: Options, lab: EvaluationLab): Promise<MaskedScores> {
  const { shape, tokenizer } = subject;
  refuseOthers(shape);
  const split = getSplit(subject.data, options.split);
  const { vocabulary } = dimensionsOf(shape);
  const { mlm_probability: probability, batch_size: batch } = options;
  const sequences = Math.min(split.sequences, options.max_sequences ?? Infinity);
  const time = split.layout.sequenceLength;
  const segments = split.layout.documentMask || !split.layout.packing;
  const positions = split.layout.documentMask && split.layout.packing;
  // Space for twice the expected number of masked tokens; if there are more, another pass reads the rest.
  const rows = Math.max(8, Math.ceil(2 * probability * batch * time));
  await using program = await ForwardProgram.open(
    lab.engine,
    subject,
    { batch, time, rows, segments, positions },
    (logits) => logits,
  );
  let [loss, right, tokens, read] = [0, 0, 0, 0];
  const hash = createHash("sha256");
  const batches = split.batches(batch, sequences);
  for (const prepared of prepareBatches(batches, createPrepare(shape, tokenizer, probability))) {
    const hidden = [...prepared.labels.keys()].filter((at) => prepared.labels[at] !== IGNORED);
    for (let first = 0; first < hidden.length; first += rows) {
      const places = hidden.slice(first, first + rows);
      const logits = await program.run(
        {
          tokens: prepared.tokens,
          ...(segments ? { segments: prepared.segments! } : {}),
          ...(positions ? { positions: prepared.positions! } : {}),
          rows: Int32Array.from({ length: rows }, (_, i) => places[i] ?? 0),
        },
        lab.signal,
      );
      places.forEach((at, i) => {
        const tokenLogits = logits.subarray(i * vocabulary, (i + 1) * vocabulary);
        const top = tokenLogits.reduce((largest, each) => Math.max(largest, each), -Infinity);
        const label = prepared.labels[at]!;
        loss +=
          top +
          Math.log(tokenLogits.reduce((sum, each) => sum + Math.exp(each - top), 0)) -
          tokenLogits[label]!;
        right += Number(tokenLogits.indexOf(top) === label);
      });
    }
    hashRows(hash, prepared, time);
    tokens += hidden.length;
    read += batch;
    lab.progress(Math.min(read, sequences), sequences, "sequences");
  }
  if (tokens === 0)
    throw new WorkbenchError(
      "invalid-input",
      `No token of the ${options.split} split was masked. Raise mlm_probability, or provide more text.`,
    );
  return {
    loss: loss / tokens,
    accuracy: right / tokens,
    tokens,
    split: options.split,
    data: subject.data!.title,
    mlm_probability: probability,
    hash: hash.digest("hex"),
    sequence_len: time,
  };
}

/** Row by row, and only rows with something to predict, so that neither the batch size nor its padding counts. */
function hashRows(hash: Hash, { tokens, labels }: Pick<Batch, "tokens" | "labels">, length: number): void {
  for (let start = 0; start < labels.length; start += length) {
    const rowLabels = labels.slice(start, start + length);
    if (rowLabels.every((label) => label === IGNORED)) continue;
    for (const row of [tokens.slice(start, start + length), rowLabels])
      hash.update(new Uint8Array(row.buffer, row.byteOffset, row.byteLength));
  }
}
