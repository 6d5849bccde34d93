/** Computes the loss of several models of one shape on the same text, forward passes alone, with one compiled program. */
import { WorkbenchError } from "../../../protocol/errors";
import { countLossLabels } from "../../data/split";
import type { HostTensor, HostTensors } from "../../checkpoints/safetensors";
import type { Tensor } from "../../engine/engine";
import type { ModelShape } from "../../models/model";
import { disposeAll, pickTensors } from "../../training/evaluateLoss";
import { feedBatch, uploadAll, uploadScalar } from "../../training/feeds";
import { type Prepare, prepareBatches } from "../../training/objective";
import { createTrainee } from "../../training/trainee";
import { buildEvaluation, inverseCountName } from "../../training/trainStep";
import { type Calibration, type ObserveCall, ProgramsByRows, readCalibrationBatches } from "./batches";

/**
 * Yields the mean loss of each model over all labels of the calibration text, in nats. The models are sets of tensors of one
 * shape; a tensor that is the same object as in the model before is not uploaded again.
 */
export async function* computeLosses(
  shape: ModelShape,
  models: Iterable<HostTensors>,
  calibration: Calibration,
  call: ObserveCall & { readonly prepare?: Prepare | undefined },
): AsyncGenerator<number> {
  const { engine, signal } = call;
  const batches = [...prepareBatches(readCalibrationBatches(calibration, call), call.prepare)];
  const trainee = createTrainee(shape);
  await using programs = new ProgramsByRows(engine, ({ rows, length, segments, positions, types }) =>
    buildEvaluation(trainee, {
      rows,
      length,
      segments: segments !== undefined,
      positions: positions !== undefined,
      types: types !== undefined,
    }),
  );
  const uploaded = new Map<string, { readonly host: HostTensor; readonly device: Tensor }>();
  try {
    for (const tensors of models) {
      for (const [name, host] of tensors) {
        const before = uploaded.get(name);
        if (before?.host === host) continue;
        before?.device[Symbol.dispose]();
        uploaded.set(name, { host, device: uploadAll(engine, new Map([[name, host]]))[name]! });
      }
      const weights = Object.fromEntries([...uploaded].map(([name, { device }]) => [name, device]));
      let [total, counted] = [0, 0];
      for (const batch of batches) {
        if (signal.aborted) throw new WorkbenchError("cancelled", "The method was stopped.");
        const program = await programs.get(batch);
        const feeds = { ...feedBatch(engine, batch), [inverseCountName]: uploadScalar(engine, 1) };
        const results = await program.run(pickTensors(program.inputs, { ...weights, ...feeds }));
        total += Number((await results["loss"]!.read())[0]);
        counted += countLossLabels(batch);
        disposeAll(feeds);
        disposeAll(results);
      }
      yield total / Math.max(1, counted);
    }
  } finally {
    for (const { device } of uploaded.values()) device[Symbol.dispose]();
  }
}
