/**
 * Compresses a model layer by layer with statistics of each matrix's input. The inputs come from the already compressed
 * matrices or from the original model. Memory holds the statistics of one layer at a time.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { RepresentationChoices } from "../models/family";
import { withRepresentations } from "../models/model";
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { HostTensor } from "../checkpoints/safetensors";
import { listInputGroups } from "./calibration/inputGroups";
import { matchOutputs } from "./calibration/matchOutputs";
import { calibrationSchema } from "./calibration/batches";
import { gramTap, type Tap } from "./calibration/observe";
import type { FormName } from "./form";
import type { Lab } from "./method";
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
    order: z
      .enum(["sequential", "layer"])
      .optional()
      .describe(
        "Whether the inputs of a matrix also come from the compressed matrices before it in its layer (q, k, v; o; gate, up; down), or all matrices of a layer are compressed with the same inputs. `sequential` in the improved form, unless inputs are original; `layer` in the published one.",
      ),
    outputs: z
      .enum(["original", "local"])
      .optional()
      .describe(
        "What a compressed matrix approximates: its outputs in the original model, so that it also corrects the errors of the matrices before it, or its outputs on its own inputs. `original` in the improved form, unless inputs are original; `local` in the published one.",
      ),
  })
  .superRefine(({ inputs, order, outputs }, context) => {
    if (inputs === "shrunk") return;
    const refuse = (path: string, message: string) =>
      context.addIssue({ code: "custom", path: [path], message, input: inputs });
    if (order === "sequential")
      refuse(
        "order",
        "with inputs: original, no input depends on the order. Leave order out, or set inputs: shrunk",
      );
    if (outputs === "original")
      refuse(
        "outputs",
        "with inputs: original, the outputs are those of the original model. Leave outputs out, or set inputs: shrunk",
      );
  })
  .prefault({})
  .describe("The calibration text, and the model that reads it.");
export type LayerwiseCalibration = z.output<typeof layerwiseSchema>;

/** Returns the calibration with the defaults of a form. */
export function fillLayerwise(form: FormName, calibration: LayerwiseCalibration): LayerwiseCalibration {
  const improves = form === "improved" && calibration.inputs === "shrunk";
  return {
    ...calibration,
    order: calibration.order ?? (improves ? "sequential" : "layer"),
    outputs: calibration.outputs ?? (improves ? "original" : "local"),
  };
}

/** The new representation of a matrix, and its tensors. The tensors that it had are deleted unless they are among them. */
export interface CompressedTarget {
  readonly type: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly tensors: readonly (readonly [string, HostTensor])[];
}

export type Statistics = Readonly<Record<string, Float64Array>>;

/** Compresses each target by its weights alone, or by what was measured before. The run can be stopped between two of them. */
export function compressByWeights(
  before: Checkpoint,
  targets: readonly Target[],
  lab: Lab,
  compressTarget: (
    target: Target,
    tensors: ReadonlyMap<string, HostTensor>,
  ) => Promise<CompressedTarget> | CompressedTarget,
): Promise<Checkpoint> {
  return compressLayerwise(before, targets, undefined, layerwiseSchema.parse({}), lab, compressTarget);
}

/**
 * `compressTarget` gets the weights to approximate among the tensors. With `outputs: original`, these are not those of the
 * model but the ones that come nearest to the original outputs from the inputs of the compressed model. `order` and `outputs`
 * default to those of the published form. The run can be stopped between two calls of `compressTarget`.
 */
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
  const { inputs, order, outputs } = fillLayerwise("published", calibration);
  const matches = outputs === "original";
  const tapped: Tap | undefined =
    tap && ((...given) => ({ ...tap(...given), ...(matches ? gramTap(...given) : {}) }));
  const stages = listInputGroups(before.shape, targets);
  const parts = stages.map(({ groups }) => groups.flatMap(({ targets }) => listRoles(targets)).join());
  const kept = lab.partial?.load(before, parts);
  let model: Pick<Checkpoint, "shape" | "tensors"> = before;
  let done = 0;
  const reader = tapped && (await lab.readLayers(before, matches, calibration));
  for (const [index, stage] of stages.entries()) {
    if (kept !== undefined && index < kept.done) {
      // What is observed later depends on which model every layer is read with.
      await reader?.moveTo(stage.layer, inputs === "original" ? before : model);
      model = kept.model;
      done += stage.groups.flatMap((group) => group.targets).length;
      lab.progress(done, targets.length, "matrices");
      continue;
    }
    const steps = order === "sequential" ? stage.groups.map((group) => [group]) : [stage.groups];
    const readModel = () => (inputs === "original" ? before : model);
    await reader?.moveTo(stage.layer, readModel());
    for (const groups of steps) {
      const stepTargets = groups.flatMap((group) => group.targets);
      const observed =
        tapped && (await reader!.observe(readModel(), new Map(groups.map(({ role }) => [role, tapped]))));
      const unpacked = unpackTargets(model, stepTargets);
      const choices: Record<string, RepresentationChoices[string]> = {};
      for (const group of groups) {
        const statistics = observed?.get(group.role) ?? {};
        if (matches) await matchOutputs(lab.algebra, unpacked, group.targets, statistics);
        for (const target of group.targets) {
          if (lab.signal.aborted) throw new WorkbenchError("cancelled", "The method was stopped.");
          const { type, options, tensors } = await compressTarget(target, unpacked, statistics);
          for (const name of listTensorNames(target)) unpacked.delete(name);
          for (const [name, tensor] of tensors) unpacked.set(name, tensor);
          choices[target.matrix.role] = { type, options };
          lab.progress(++done, targets.length, "matrices");
        }
      }
      model = { shape: withRepresentations(model.shape, choices), tensors: unpacked };
    }
    model = lab.partial?.save(before, parts, { model, done: index + 1 }) ?? model;
  }
  return { ...before, ...model };
}

const listRoles = (targets: readonly Target[]) => targets.map(({ matrix }) => matrix.role);
