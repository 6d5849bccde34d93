/** Mean loss and rewards of held-out preference pairs. */
import type { Engine, Program, Tensors } from "../engine/engine";
import { type Batch, countLossLabels } from "../data/split";
import { disposeAll, pickTensors } from "./evaluateLoss";
import { feedBatch } from "./feeds";
import { countTextLabels, listPairs } from "./preference";
import type { ReferenceLogProbs } from "./referenceLogProbs";

export interface PairEvaluation {
  /** Mean over pairs; with ORPO, plus the mean over the tokens of the chosen texts. */
  readonly loss: number;
  /** Labels of the answers. */
  readonly tokens: number;
  /** Means over pairs, by the names of TRL. */
  readonly rewards: Readonly<Record<`eval/rewards/${string}`, number>>;
}

/** The program is from `buildEvaluation` of a trainee with a preference. Every pair counts the same, whatever the batch. */
export async function evaluatePairs(
  engine: Engine,
  program: Program,
  weights: Tensors,
  batches: Iterable<Batch>,
  references: ReferenceLogProbs | undefined,
): Promise<PairEvaluation> {
  const totals = { pairs: 0, labels: 0, texts: 0, loss: 0, textLoss: 0, chosen: 0, rejected: 0, right: 0 };
  for (const batch of batches) {
    const pairs = listPairs(batch);
    const feeds = { ...feedBatch(engine, batch), ...(await references?.feeds(batch)) };
    const outputs = await program.run(pickTensors(program.inputs, { ...weights, ...feeds }));
    const loss = (await outputs["pair_loss"]!.read()) as Float32Array;
    const rewards = (await outputs["rewards"]!.read()) as Float32Array;
    const textLoss = (await outputs["text_loss"]?.read()) as Float32Array | undefined;
    for (const pair of pairs) {
      const [chosen, rejected] = [rewards[2 * pair]!, rewards[2 * pair + 1]!];
      totals.loss += loss[pair]!;
      totals.textLoss += textLoss?.[pair] ?? 0;
      totals.chosen += chosen;
      totals.rejected += rejected;
      totals.right += chosen > rejected ? 1 : 0;
    }
    totals.pairs += pairs.length;
    totals.labels += countLossLabels(batch);
    totals.texts += countTextLabels([batch]);
    disposeAll(feeds);
    disposeAll(outputs);
  }
  const { pairs, labels, texts, chosen, rejected, right } = totals;
  return {
    loss: totals.loss / pairs + (totals.textLoss === 0 ? 0 : totals.textLoss / texts),
    tokens: labels,
    rewards: {
      "eval/rewards/chosen": chosen / pairs,
      "eval/rewards/rejected": rejected / pairs,
      "eval/rewards/accuracies": right / pairs,
      "eval/rewards/margins": (chosen - rejected) / pairs,
    },
  };
}
