/**
 * Compresses a model layer by layer with statistics of each matrix's input. The inputs come from the already compressed
 * layers or from the original model. Memory holds the statistics of one layer at a time.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { RepresentationChoices } from "../models/family";
import { type ModelShape, withRepresentations } from "../models/model";
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { HostTensor } from "../checkpoints/safetensors";
import { getObservedRole } from "./denseTargets";
import type { Lab } from "./method";
import { calibrationSchema } from "./calibration/batches";
import type { Tap } from "./calibration/observe";
import { listTensorNames, unpackTargets } from "./unpackTargets";
import type { Target } from "./targets";

export const layerwiseSchema = calibrationSchema
  .unwrap()
  .extend({
    inputs: z
      .enum(["shrunk", "original"])
      .default("shrunk")
      .describe(
        "Whether the inputs of a layer come from the compressed layers before it, or from the original ones.",
      ),
  })
  .prefault({})
  .describe("The calibration text, and the model that reads it.");
export type LayerwiseCalibration = z.output<typeof layerwiseSchema>;

/** The new representation of a matrix, and its tensors. The tensors that it had are deleted unless they are among them. */
export interface CompressedTarget {
  readonly type: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly tensors: readonly (readonly [string, HostTensor])[];
}

export type Statistics = Readonly<Record<string, Float64Array>>;

/** The run can be stopped between two calls of `compressTarget`. */
export async function compressLayerwise(
  before: Checkpoint,
  targets: readonly Target[],
  tap: Tap | undefined,
  calibration: LayerwiseCalibration,
  lab: Lab,
  compressTarget: (
    target: Target,
    tensors: ReadonlyMap<string, HostTensor>,
    statistics: Statistics,
  ) => Promise<CompressedTarget> | CompressedTarget,
): Promise<Checkpoint> {
  let { shape, tensors }: { shape: ModelShape; tensors: ReadonlyMap<string, HostTensor> } = before;
  let done = 0;
  for (const layer of groupByLayer(targets)) {
    const roles = new Set(layer.map(getObservedRole));
    const source = calibration.inputs === "original" ? before : { shape, tensors };
    const observed =
      tap === undefined
        ? undefined
        : await lab.observe(source, new Map([...roles].map((role) => [role, tap])), calibration);
    const unpacked = unpackTargets({ tensors }, layer);
    const choices: Record<string, RepresentationChoices[string]> = {};
    for (const target of layer) {
      if (lab.signal.aborted) throw new WorkbenchError("cancelled", "The method was stopped.");
      const {
        type,
        options,
        tensors: newTensors,
      } = await compressTarget(target, unpacked, observed?.get(getObservedRole(target)) ?? {});
      for (const name of listTensorNames(target)) unpacked.delete(name);
      for (const [name, tensor] of newTensors) unpacked.set(name, tensor);
      choices[target.matrix.role] = { type, options };
      lab.progress(++done, targets.length, "matrices");
    }
    [shape, tensors] = [withRepresentations(shape, choices), unpacked];
  }
  return { shape, tensors };
}

/** Groups targets by layer, in forward order. */
function groupByLayer(targets: readonly Target[]): Target[][] {
  const layers = new Map<string | number, Target[]>();
  for (const target of targets) {
    const key = target.matrix.layer ?? target.matrix.role;
    layers.set(key, [...(layers.get(key) ?? []), target]);
  }
  return [...layers.values()];
}
