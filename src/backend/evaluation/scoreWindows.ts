/** Scores the tokens of windows of a text. */
import { WorkbenchError } from "../../protocol/errors";
import { IGNORED } from "../data/split";
import { input } from "../graph/op";
import { crossEntropy } from "../graph/ops/loss";
import { dimensionsOf, type ModelShape } from "../models/model";
import { ForwardProgram } from "./forwardProgram";
import type { EvaluationLab, Subject } from "./metric";
import type { TokenWindows } from "./perplexityText";

/**
 * The sum of the nats of all scored tokens, and their number. Throws `diverged` if a loss is not a number. `requestedBatch` is the
 * number of windows at a time, which changes time and memory alone.
 */
export async function scoreWindows(
  subject: Pick<Subject, "shape" | "tensors">,
  { ids, windows, time, share }: TokenWindows,
  requestedBatch: number | undefined,
  lab: EvaluationLab,
): Promise<{ total: number; scored: number }> {
  const batch = Math.min(requestedBatch ?? computeDefaultBatch(subject.shape, share), windows.length);
  const rows = batch * share;
  await using program = await ForwardProgram.open(lab.engine, subject, { batch, time, rows }, (logits) =>
    crossEntropy(logits, input("labels", [rows], "int32")),
  );
  let total = 0;
  let scored = 0;
  for (let first = 0; first < windows.length; first += batch) {
    const feeds = {
      tokens: new Int32Array(batch * time),
      rows: new Int32Array(rows),
      labels: new Int32Array(rows).fill(IGNORED),
    };
    windows.slice(first, first + batch).forEach(({ start, from, to }, i) => {
      // The text is followed by padding, which no earlier token attends to.
      feeds.tokens.set(ids.subarray(start, start + time), i * time);
      feeds.labels.set(ids.subarray(from, to), i * share);
      for (let token = from; token < to; token++)
        feeds.rows[i * share + token - from] = i * time + token - 1 - start;
      scored += to - from;
    });
    for (const nats of await program.run(feeds, lab.signal)) total += nats;
    if (!Number.isFinite(total))
      throw new WorkbenchError(
        "diverged",
        `The loss is not a number from token ${windows[first]!.from} on: the model's weights are broken, or too large for float32.`,
      );
    lab.progress(Math.min(first + batch, windows.length), windows.length, "windows");
  }
  return { total, scored };
}

/** As many windows as fit their logits in 256 MiB, at most 8. */
function computeDefaultBatch(shape: ModelShape, rows: number): number {
  const { vocabulary } = dimensionsOf(shape);
  return Math.max(1, Math.min(8, Math.floor(2 ** 26 / (rows * vocabulary))));
}
