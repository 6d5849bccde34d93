/** What a head over whole texts gives for each example of a split, beside the label: the base of classification and regression. */
import { WorkbenchError } from "../../protocol/errors";
import { IGNORED, type Split } from "../data/split";
import { labelCount } from "../models/classifier";
import { ForwardProgram } from "./forwardProgram";
import type { EvaluationLab, Subject } from "./metric";

export interface HeadOutput {
  /** One per output of the head. */
  readonly logits: Float32Array;
  /** The true class, or the true number. */
  readonly truth: number;
}

/** The outputs at the last token of each example; labels have to be those of the model (`matchToModel`). */
export async function* headOutputs(
  subject: Subject,
  split: Split,
  {
    batch_size: rows,
    max_examples: most = Infinity,
  }: { batch_size: number; max_examples?: number | undefined },
  lab: EvaluationLab,
): AsyncGenerator<HeadOutput> {
  const width = labelCount(subject.shape.config)!;
  const examples = Math.min(most, split.sequences);
  const size = { batch: rows, time: split.layout.sequenceLength, rows };
  await using program = await ForwardProgram.open(lab.engine, subject, size, (logits) => logits);
  let done = 0;
  for (const { tokens, labels, targets, length } of split.batches(rows, examples)) {
    const places = Array.from({ length: rows }, (_, row) =>
      labels.subarray(row * length, (row + 1) * length).findLastIndex((label) => label !== IGNORED),
    );
    const at = Int32Array.from(places, (place, row) => row * length + Math.max(0, place));
    const logits = await program.ask({ tokens, rows: at }, lab.signal);
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
      "No row of this data has a label. Name data.label_column, or a data set of labelled examples.",
    );
}
