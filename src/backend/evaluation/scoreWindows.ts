/** Scores the tokens of windows of a text. */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { IGNORED } from "../data/split";
import { input, type Value } from "../graph/op";
import { crossEntropy } from "../graph/ops/loss";
import { dimensionsOf, type ModelShape } from "../models/model";
import { ForwardProgram } from "./forwardProgram";
import { type EvaluationLab, getSplit, type Subject } from "./metric";
import type { TokenWindows } from "./perplexityText";

/**
 * The sum of the nats of all scored tokens, and their number. Throws `diverged` if a loss is not a number. `requestedBatch` is the
 * number of windows at a time, which changes time and memory alone.
 */
export async function scoreWindows(
  subject: Pick<Subject, "shape" | "tensors">,
  windows: TokenWindows,
  requestedBatch: number | undefined,
  lab: EvaluationLab,
): Promise<{ total: number; scored: number }> {
  let total = 0;
  let scored = 0;
  for await (const nats of readWindows(subject, windows, requestedBatch, lab, crossEntropy, 1)) {
    total += nats[0]!;
    scored++;
  }
  return { total, scored };
}

/**
 * Yields the numbers of each scored token, in order: a row of `score`, whose inputs are logits [rows, vocabulary] and labels
 * [rows], and whose output is [rows, width] with the nats of the label first.
 */
export async function* readWindows(
  subject: Pick<Subject, "shape" | "tensors">,
  { ids, windows, time, share }: TokenWindows,
  requestedBatch: number | undefined,
  lab: EvaluationLab,
  score: (logits: Value, labels: Value) => Value,
  width: number,
): AsyncGenerator<Float32Array> {
  const batch = Math.min(requestedBatch ?? computeDefaultBatch(subject.shape, share), windows.length);
  const rows = batch * share;
  await using program = await ForwardProgram.open(lab.engine, subject, { batch, time, rows }, (logits) =>
    score(logits, input("labels", [rows], "int32")),
  );
  for (let first = 0; first < windows.length; first += batch) {
    const feeds = {
      tokens: new Int32Array(batch * time),
      rows: new Int32Array(rows),
      labels: new Int32Array(rows).fill(IGNORED),
    };
    const some = windows.slice(first, first + batch);
    some.forEach(({ start, from, to }, i) => {
      // The text is followed by padding, which no earlier token attends to.
      feeds.tokens.set(ids.subarray(start, start + time), i * time);
      feeds.labels.set(ids.subarray(from, to), i * share);
      for (let token = from; token < to; token++)
        feeds.rows[i * share + token - from] = i * time + token - 1 - start;
    });
    const results = await program.run(feeds, lab.signal);
    for (const [i, { from, to }] of some.entries())
      for (let row = i * share; row < i * share + to - from; row++) {
        const numbers = results.subarray(row * width, (row + 1) * width);
        if (!Number.isFinite(numbers[0]))
          throw new WorkbenchError(
            "diverged",
            `The loss is not a number from token ${windows[first]!.from} on: the model's weights are broken, or too large for float32.`,
          );
        yield numbers;
      }
    lab.progress(Math.min(first + batch, windows.length), windows.length, "windows");
  }
}

export const contextOption = z
  .int()
  .min(2)
  .optional()
  .describe(
    "Tokens per window, half of which overlap. The default is `sequence_len`, at most the model's context.",
  );

/** Tokens per window: `context`, or the length of training sequences, at most the model's context. */
export function resolveContext(
  metric: string,
  { shape, data }: Pick<Subject, "shape" | "data">,
  options: { readonly context?: number | undefined; readonly split: "train" | "validation" | "test" },
): number {
  const most = dimensionsOf(shape).context;
  const usual = getSplit(data, options.split).layout.sequenceLength;
  const context = options.context ?? Math.max(2, Math.min(usual, most));
  if (context <= most) return context;
  throw new WorkbenchError(
    "unsupported",
    `A context of ${context} is longer than the model's ${most} positions. Set ${metric}.context to at most ${most}.`,
  );
}

/** As many windows as fit their logits in 256 MiB, at most 8. */
function computeDefaultBatch(shape: ModelShape, rows: number): number {
  const { vocabulary } = dimensionsOf(shape);
  return Math.max(1, Math.min(8, Math.floor(2 ** 26 / (rows * vocabulary))));
}
