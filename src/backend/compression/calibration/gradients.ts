/** Computes gradients of the loss on text without training, for Taylor-series importance. */
import type { Checkpoint } from "../../checkpoints/checkpoint";
import { countLossLabels } from "../../data/split";
import { disposeAll, pickTensors } from "../../training/evaluateLoss";
import { feedBatch, uploadAll, uploadScalar } from "../../training/feeds";
import { type Prepare, prepareBatches } from "../../training/objective";
import { createTrainee } from "../../training/trainee";
import { buildGradients, gradientName, inverseCountName } from "../../training/trainStep";
import {
  type Calibration,
  countSamples,
  type ObserveCall,
  ProgramsByRows,
  readCalibrationBatches,
} from "./batches";

/** The mean gradient of a trained tensor over sequences, and the mean of its squares. */
export interface GradientMoments {
  readonly mean: Float32Array;
  readonly meanSquare: Float32Array;
}
export interface Gradients {
  /** Mean over the sequences of the mean loss of each, in nats per label. */
  readonly loss: number;
  /** By tensor name. */
  readonly moments: ReadonlyMap<string, GradientMoments>;
}

/**
 * Computes only the gradients of the named tensors, which must be trainable. Every sequence has the same weight, whatever its
 * number of labels, and is read on its own whatever the batch size, because the square of a batch's gradient is not the sum
 * of its sequences' squares. Dropout is off, as at inference.
 */
export async function computeGradients(
  { shape, tensors }: Pick<Checkpoint, "shape" | "tensors">,
  names: ReadonlySet<string>,
  calibration: Calibration,
  call: ObserveCall & { readonly prepare?: Prepare | undefined },
): Promise<Gradients> {
  const { engine } = call;
  const count = countSamples(calibration, call.train);
  const trainee = createTrainee(shape);
  await using programs = new ProgramsByRows(engine, ({ rows, length, segments, positions, types }) =>
    buildGradients(
      trainee,
      {
        rows,
        length,
        segments: segments !== undefined,
        positions: positions !== undefined,
        types: types !== undefined,
      },
      names,
    ),
  );
  const weights = uploadAll(engine, tensors);
  const moments = new Map<string, GradientMoments>();
  let loss = 0;
  try {
    const sequences = readCalibrationBatches({ ...calibration, batch_size: 1 }, call);
    for (const batch of prepareBatches(sequences, call.prepare)) {
      const program = await programs.get(batch);
      const inverseCount = uploadScalar(engine, 1 / Math.max(1, countLossLabels(batch)));
      const feeds = { ...feedBatch(engine, batch), [inverseCountName]: inverseCount };
      const results = await program.run(pickTensors(program.inputs, { ...weights, ...feeds }));
      for (const name of names)
        accumulateMoments(moments, name, (await results[gradientName(name)]!.read()) as Float32Array, count);
      loss += Number((await results["loss"]!.read())[0]) / count;
      disposeAll(feeds);
      disposeAll(results);
    }
  } finally {
    disposeAll(weights);
  }
  return { loss, moments };
}

function accumulateMoments(
  moments: Map<string, GradientMoments>,
  name: string,
  gradient: Float32Array,
  sequences: number,
): void {
  const { mean, meanSquare } = moments.get(name) ?? {
    mean: new Float32Array(gradient.length),
    meanSquare: new Float32Array(gradient.length),
  };
  // A plain loop, because there is one element per weight of the model.
  for (let i = 0; i < gradient.length; i++) {
    const each = gradient[i]!;
    mean[i]! += each / sequences;
    meanSquare[i]! += (each * each) / sequences;
  }
  moments.set(name, { mean, meanSquare });
}
