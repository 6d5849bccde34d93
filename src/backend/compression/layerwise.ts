/**
 * Compresses a model layer by layer with statistics of each matrix's input. The inputs come from the already compressed
 * layers or from the original model. Memory holds the statistics of one layer at a time.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { RepresentationChoices } from "../models/family";
import { type ModelShape, withRepresentations } from "../models/model";
import { weightName } from "../representations/dense";
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { HostTensor } from "../checkpoints/safetensors";
import { observedRole } from "./denseTargets";
import type { Lab } from "./method";
import { calibrationSchema, type Tap } from "./calibration/observe";
import { takenApart } from "./takenApart";
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

/** The new representation of a matrix, and its tensors. The dense tensor is deleted unless it is among them. */
export interface Treated {
  readonly type: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly tensors: readonly (readonly [string, HostTensor])[];
}

export type Statistics = Readonly<Record<string, Float64Array>>;

/** The run can be stopped between two calls of `treat`. */
export async function layerByLayer(
  before: Checkpoint,
  targets: readonly Target[],
  tap: Tap | undefined,
  calibration: LayerwiseCalibration,
  lab: Lab,
  treat: (
    target: Target,
    tensors: ReadonlyMap<string, HostTensor>,
    statistics: Statistics,
  ) => Promise<Treated> | Treated,
): Promise<Checkpoint> {
  let { shape, tensors }: { shape: ModelShape; tensors: ReadonlyMap<string, HostTensor> } = before;
  let done = 0;
  for (const layer of layersOf(targets)) {
    const roles = new Set(layer.map(observedRole));
    const seen = calibration.inputs === "original" ? before : { shape, tensors };
    const observed =
      tap === undefined
        ? undefined
        : await lab.observe(seen, new Map([...roles].map((role) => [role, tap])), calibration);
    const apart = takenApart({ tensors }, layer);
    const choices: Record<string, RepresentationChoices[string]> = {};
    for (const target of layer) {
      if (lab.signal.aborted) throw new WorkbenchError("cancelled", "The method was stopped.");
      const {
        type,
        options,
        tensors: own,
      } = await treat(target, apart, observed?.get(observedRole(target)) ?? {});
      apart.delete(weightName(target.matrix));
      for (const [name, tensor] of own) apart.set(name, tensor);
      choices[target.matrix.role] = { type, options };
      lab.progress(++done, targets.length, "matrices");
    }
    [shape, tensors] = [withRepresentations(shape, choices), apart];
  }
  return { shape, tensors };
}

/** Groups targets by layer, in forward order. */
function layersOf(targets: readonly Target[]): Target[][] {
  const layers = new Map<string | number, Target[]>();
  for (const target of targets) {
    const key = target.matrix.layer ?? target.matrix.role;
    layers.set(key, [...(layers.get(key) ?? []), target]);
  }
  return [...layers.values()];
}
