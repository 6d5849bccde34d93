/** Mean loss of a model over a fixed set of batches: what training watches. */
import type { Engine, Program, Tensors } from "../engine/engine";
import type { Batch } from "../data/split";
import { IGNORED } from "../data/split";
import { feedBatch, uploadScalar } from "./feeds";
import { inverseCountName } from "./trainStep";

/** Nats per token that counts, over all batches together; the program is that of `buildEvaluation`. */
export async function evaluateLoss(
  engine: Engine,
  program: Program,
  weights: Tensors,
  batches: Iterable<Batch>,
): Promise<{ loss: number; tokens: number }> {
  let total = 0;
  let tokens = 0;
  for (const batch of batches) {
    const counted = countedLabels(batch);
    if (counted === 0) continue;
    const feeds = { ...feedBatch(engine, batch), [inverseCountName]: uploadScalar(engine, 1) };
    const outputs = await program.run(only(program.inputs, { ...weights, ...feeds }));
    total += Number((await outputs.loss!.read())[0]);
    tokens += counted;
    disposeAll(feeds);
    disposeAll(outputs);
  }
  return { loss: tokens === 0 ? NaN : total / tokens, tokens };
}

/** The tensors that a program asks for; it refuses any others. */
export function only(names: readonly string[], tensors: Tensors): Tensors {
  return Object.fromEntries(
    names.flatMap((name) => (tensors[name] === undefined ? [] : [[name, tensors[name]]])),
  );
}

export function countedLabels({ labels }: Batch): number {
  let counted = 0;
  for (const label of labels) if (label !== IGNORED) counted++;
  return counted;
}

export function disposeAll(tensors: Tensors): void {
  for (const tensor of Object.values(tensors)) tensor[Symbol.dispose]();
}
