/** How likely a model finds each token of a text that it, or another model of the same vocabulary, has generated. */
import { WorkbenchError } from "../../protocol/errors";
import type { Tensors } from "../engine/engine";
import { input } from "../graph/op";
import { crossEntropy } from "../graph/ops/loss";
import { requireNextToken } from "../models/classifier";
import { checkGrowth, dimensionsOf } from "../models/model";
import { ForwardProgram } from "./forwardProgram";
import type { EvaluationLab, Subject } from "./metric";

/** Logits of a pass are at most 256 MiB. */
const maxLogits = 2 ** 26;

/**
 * ln p(id | context, all ids before it) of each id, in nats, by the softmax of the logits: no temperature, no other choice of
 * candidates. Null for an id that has more tokens before it than the model reads at once. `context` has at least one token.
 * Throws if a token has no row in the model, or if the logits are not numbers. `weights` are those of the model on the device,
 * if several texts share them.
 */
export async function scoreTokens(
  subject: Pick<Subject, "shape" | "tensors">,
  { context, ids }: { readonly context: readonly number[]; readonly ids: readonly number[] },
  { engine, signal }: Pick<EvaluationLab, "engine" | "signal">,
  weights?: Tensors,
): Promise<(number | null)[]> {
  requireNextToken(subject.shape, "it has no probabilities of tokens");
  const { vocabulary, context: longest } = dimensionsOf(subject.shape);
  if (context.length === 0)
    throw new WorkbenchError("invalid-input", "There is no token before the first token to score.");
  const missing = [...context, ...ids].find((id) => !(Number.isInteger(id) && id >= 0 && id < vocabulary));
  if (missing !== undefined)
    throw new WorkbenchError(
      "invalid-input",
      `The text has the token ${missing}, but the model has only ${vocabulary} tokens (ids 0 to ${vocabulary - 1}).`,
    );
  const count = Math.max(0, Math.min(ids.length, longest - context.length + 1));
  if (count === 0) return ids.map(() => null);
  // The last token is only a label. The pass is exactly as long as the text: padding would change rotary scalings of long texts.
  const tokens = Int32Array.from([...context, ...ids.slice(0, count - 1)]);
  checkGrowth(subject.shape, tokens.length);
  const rows = Math.min(count, Math.max(1, Math.floor(maxLogits / vocabulary)));
  const size = { batch: 1, time: tokens.length, rows };
  await using program = await ForwardProgram.open(
    engine,
    subject,
    size,
    (logits) => crossEntropy(logits, input("labels", [rows], "int32")),
    weights,
  );
  const scores: (number | null)[] = [];
  for (let first = 0; first < count; first += rows) {
    const some = ids.slice(first, Math.min(first + rows, count));
    // Unused rows of the last pass repeat the first.
    const at = Array.from({ length: rows }, (_, i) => (i < some.length ? i : 0));
    const nats = await program.run(
      {
        tokens,
        rows: Int32Array.from(at, (i) => context.length - 1 + first + i),
        labels: Int32Array.from(at, (i) => some[i]!),
      },
      signal,
    );
    scores.push(...some.map((_, i) => 0 - nats[i]!));
  }
  if (scores.some((score) => !Number.isFinite(score)))
    throw new WorkbenchError(
      "diverged",
      "A probability is not a number: the model's weights are broken, or too large for float32.",
    );
  return [...scores, ...ids.slice(count).map(() => null)];
}
