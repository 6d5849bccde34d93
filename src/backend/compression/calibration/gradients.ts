/** Computes gradients of the loss on text without training, for Taylor-series importance. */
import type { Checkpoint } from "../../checkpoints/checkpoint";
import { countLossLabels, disposeAll, pickTensors } from "../../training/evaluateLoss";
import { feedBatch, uploadAll, uploadScalar } from "../../training/feeds";
import { type Prepare, prepareBatches } from "../../training/objective";
import { createTrainee } from "../../training/trainee";
import { buildGradients, gradientName, inverseCountName } from "../../training/trainStep";
import { type Calibration, createCalibrationBatches, type ObserveCall } from "./observe";

/** The mean gradient of a trained tensor over batches, and the mean of its squares. */
export interface GradientMoments {
  readonly mean: Float32Array;
  readonly meanSquare: Float32Array;
}
export interface Gradients {
  /** Mean over the batches, in nats per label. */
  readonly loss: number;
  /** By tensor name. */
  readonly moments: ReadonlyMap<string, GradientMoments>;
}

/**
 * Computes only the gradients of the named tensors, which must be trainable. Every batch has the same weight, whatever its
 * number of labels. Dropout is off, as at inference.
 */
export async function computeGradients(
  { shape, tensors }: Pick<Checkpoint, "shape" | "tensors">,
  names: ReadonlySet<string>,
  calibration: Calibration,
  call: ObserveCall & { readonly prepare?: Prepare | undefined },
): Promise<Gradients> {
  const { engine } = call;
  const batches = createCalibrationBatches(calibration, call);
  const { first, count } = batches;
  const batch = {
    rows: first.rows,
    length: first.length,
    segments: first.segments !== undefined,
    positions: first.positions !== undefined,
    types: first.types !== undefined,
  };
  const trainee = createTrainee(shape);
  const program = await engine.compile(buildGradients(trainee, batch, names));
  const weights = uploadAll(engine, tensors);
  const moments = new Map<string, GradientMoments>();
  let loss = 0;
  try {
    for (const preparedBatch of prepareBatches(batches.all(), call.prepare)) {
      const inverseCount = uploadScalar(engine, 1 / Math.max(1, countLossLabels(preparedBatch)));
      const feeds = { ...feedBatch(engine, preparedBatch), [inverseCountName]: inverseCount };
      const results = await program.run(pickTensors(program.inputs, { ...weights, ...feeds }));
      for (const name of names)
        accumulateMoments(moments, name, (await results[gradientName(name)]!.read()) as Float32Array, count);
      loss += Number((await results["loss"]!.read())[0]) / count;
      disposeAll(feeds);
      disposeAll(results);
    }
  } finally {
    disposeAll(weights);
    await program[Symbol.asyncDispose]();
  }
  return { loss, moments };
}

function accumulateMoments(
  moments: Map<string, GradientMoments>,
  name: string,
  gradient: Float32Array,
  batches: number,
): void {
  const { mean, meanSquare } = moments.get(name) ?? {
    mean: new Float32Array(gradient.length),
    meanSquare: new Float32Array(gradient.length),
  };
  // A plain loop, because there is one element per weight of the model.
  for (let i = 0; i < gradient.length; i++) {
    const each = gradient[i]!;
    mean[i]! += each / batches;
    meanSquare[i]! += (each * each) / batches;
  }
  moments.set(name, { mean, meanSquare });
}
