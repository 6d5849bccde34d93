/** Mean loss of a model over a fixed set of batches, the loss that training monitors. */
import type { TrainOptions } from "../../schema/experiment";
import type { Engine, Program, Tensors } from "../engine/engine";
import { type Batch, countLossLabels, IGNORED } from "../data/split";
import { feedBatch, uploadScalar } from "./feeds";
import { inverseCountName } from "./trainStep";

/**
 * Nats per labeled token: the mean over all batches together, or the mean of the means of sequences (rows with at least one
 * label), which is what Hugging Face's Trainer reports for batches of one. The program is from `buildEvaluation`.
 */
export async function evaluateLoss(
  engine: Engine,
  program: Program,
  weights: Tensors,
  batches: Iterable<Batch>,
  average: TrainOptions["eval_loss_average"] = "tokens",
): Promise<{ loss: number; tokens: number }> {
  let total = 0;
  let tokens = 0;
  let parts = 0;
  for (const batch of batches) {
    const counted = countLossLabels(batch);
    if (counted === 0) continue;
    const feeds = { ...feedBatch(engine, batch), [inverseCountName]: uploadScalar(engine, 1) };
    const outputs = await program.run(pickTensors(program.inputs, { ...weights, ...feeds }));
    if (average === "sequences") {
      const means = computeSequenceMeans(batch, (await outputs.per_token!.read()) as Float32Array);
      total += means.reduce((sum, mean) => sum + mean, 0);
      parts += means.length;
    } else {
      total += Number((await outputs.loss!.read())[0]);
      parts += counted;
    }
    tokens += counted;
    disposeAll(feeds);
    disposeAll(outputs);
  }
  return { loss: parts === 0 ? NaN : total / parts, tokens };
}

/** Mean over the labels of each row that has any; `perToken` is [rows, length]. */
function computeSequenceMeans({ rows, length, labels }: Batch, perToken: Float32Array): number[] {
  return Array.from({ length: rows }, (_, row) => row * length).flatMap((start) => {
    let total = 0;
    let counted = 0;
    for (let i = start; i < start + length; i++) {
      if (labels[i] === IGNORED) continue;
      total += perToken[i]!;
      counted++;
    }
    return counted === 0 ? [] : [total / counted];
  });
}

/** The tensors that a program declares as inputs; it rejects any others. */
export function pickTensors(names: readonly string[], tensors: Tensors): Tensors {
  return Object.fromEntries(
    names.flatMap((name) => (tensors[name] === undefined ? [] : [[name, tensors[name]]])),
  );
}

export function disposeAll(tensors: Tensors): void {
  for (const tensor of Object.values(tensors)) tensor[Symbol.dispose]();
}
