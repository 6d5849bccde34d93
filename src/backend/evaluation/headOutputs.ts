/** Outputs of a head over whole texts, with the label, for each example of a split: the base of classification and regression. */
import { WorkbenchError } from "../../protocol/errors";
import { type Batch, IGNORED, type Split } from "../data/split";
import { getLabelCount } from "../models/classifier";
import { familyOf } from "../models/model";
import { createPrepare, prepareBatches } from "../training/objective";
import { ForwardProgram } from "./forwardProgram";
import type { EvaluationLab, Subject } from "./metric";

export interface HeadOutput {
  /** One value per output of the head. */
  readonly logits: Float32Array;
  /** The true class, or the target value. */
  readonly truth: number;
}

/** The outputs at the last token of each example. The labels must be those of the model (`matchToModel`). */
export async function* computeHeadOutputs(
  subject: Subject,
  split: Split,
  {
    batch_size: rows,
    max_examples: maxExamples = Infinity,
  }: { batch_size: number; max_examples?: number | undefined },
  lab: EvaluationLab,
): AsyncGenerator<HeadOutput> {
  const width = getLabelCount(subject.shape.config)!;
  const examples = Math.min(maxExamples, split.sequences);
  // A decoder does not attend to padding after the last token; an encoder needs segments to exclude it.
  const segments = familyOf(subject.shape.family).mask === "bidirectional";
  const size = {
    batch: rows,
    time: split.layout.sequenceLength,
    rows,
    segments,
    types: split.layout.types === true,
  };
  await using program = await ForwardProgram.open(lab.engine, subject, size, (logits) => logits);
  let done = 0;
  const batches = split.batches(rows, examples);
  for (const batch of prepareBatches(batches, createPrepare(subject.shape, undefined))) {
    const { tokens, labels, targets, types, length } = batch;
    const places = Array.from({ length: rows }, (_, row) =>
      labels.subarray(row * length, (row + 1) * length).findLastIndex((label) => label !== IGNORED),
    );
    const at = Int32Array.from(places, (place, row) => row * length + Math.max(0, place));
    const logits = await program.run(
      {
        tokens,
        rows: at,
        ...(segments ? { segments: getSegments(batch) } : {}),
        ...(types === undefined ? {} : { types }),
      },
      lab.signal,
    );
    for (const [row, place] of places.entries()) {
      if (place < 0) continue;
      done++;
      yield {
        logits: Float32Array.from(logits.subarray(row * width, (row + 1) * width)),
        truth: (targets ?? labels)[row * length + place]!,
      };
    }
    lab.progress(done, examples, "examples");
  }
  if (done === 0)
    throw new WorkbenchError(
      "invalid-input",
      "No row of this data has a label. Set data.label_column, or use a data set with labels.",
    );
}

function getSegments({ segments, tokens }: Batch): Int32Array {
  return segments ?? new Int32Array(tokens.length).fill(1);
}
