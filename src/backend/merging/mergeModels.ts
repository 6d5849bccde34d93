/** Merges whole models of one architecture, tensor by tensor. */
import { setImmediate } from "node:timers/promises";
import { WorkbenchError } from "../../protocol/errors";
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { HostTensor, HostTensors } from "../checkpoints/safetensors";
import { dimensionsOf, hasAdapters, type ModelShape, parametersOf } from "../models/model";
import { hasExits } from "../models/exits";
import { requireFloats } from "../representations/dense";
import type { ParameterSpec } from "../representations/representation";
import type { AnyMergeMethod } from "./mergeMethod";

/** Representations whose tensors may be added to one another: their matrix is linear in them. */
const linear: ReadonlySet<string> = new Set(["dense", "grouped"]);

/** Keys of a configuration on which the outputs of a trained model do not depend. */
const incidental = /(?:dropout|pdrop|initializer_range|_token_id)$/;

/** Throws `unsupported`, with the reason, if this model cannot be merged with others. `subject` names it in the message. */
export function refuseUnmergeable(shape: ModelShape, subject: string): void {
  const refuse = (why: string, what: string) => {
    throw new WorkbenchError("unsupported", `${subject} cannot be merged: ${why}. ${what}`);
  };
  if (hasAdapters(shape))
    refuse("it has an adapter, which is not a part of its weights", "Merge the model without it.");
  if (hasExits(shape))
    refuse("its exits belong to its weights and to no others", "Merge first, and train exits afterwards.");
  const compressed = Object.entries(shape.representations).find(([, { type }]) => !linear.has(type));
  if (compressed !== undefined)
    refuse(
      `${compressed[0]} is stored as ${compressed[1].type}, and such values have no mean`,
      "Merge first, and compress the result.",
    );
}

/** Throws `invalid-input`, with the first difference, if two models do not share an architecture. */
export function refuseUnlike(current: ModelShape, other: ModelShape, name: string): void {
  refuseUnmergeable(other, name);
  const refuse = (why: string) => {
    throw new WorkbenchError(
      "invalid-input",
      `${name} cannot be merged with the current model: ${why}. Models that are merged have the same architecture; name one that was trained from the same base.`,
    );
  };
  if (current.family !== other.family)
    refuse(`it is a ${other.family}, and the model is a ${current.family}`);
  const keys = new Set([...Object.keys(current.config), ...Object.keys(other.config)]);
  for (const key of keys) {
    const [own, its] = [current.config[key], other.config[key]].map((value) => JSON.stringify(value));
    if (own !== its && !incidental.test(key))
      refuse(`its ${key} is ${its ?? "not set"}, and that of the model is ${own ?? "not set"}`);
  }
  const differs = [
    ...new Set([current, other].flatMap(({ representations }) => Object.keys(representations))),
  ].find(
    (role) => JSON.stringify(current.representations[role]) !== JSON.stringify(other.representations[role]),
  );
  if (differs !== undefined) refuse(`they store ${differs} in different ways`);
}

export interface MergeContext {
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly progress: (done: number, total: number, what: string) => void;
}

/** The tensors of the merged model. `others` are the models of the options, in order. */
export async function mergeModels(
  current: Checkpoint,
  others: readonly Pick<Checkpoint, "tensors">[],
  method: AnyMergeMethod,
  options: unknown,
  { seed, signal, progress }: MergeContext,
): Promise<HostTensors> {
  const { layers } = dimensionsOf(current.shape);
  const parameters = parametersOf(current.shape);
  const merged = new Map<string, HostTensor>();
  for (const [i, spec] of parameters.entries()) {
    if (signal.aborted) throw new WorkbenchError("cancelled", "The merge was stopped.");
    const { name } = spec;
    const tensor = current.tensors.get(name)!;
    const values = method.merge(
      readValues(current.tensors, name),
      others.map(({ tensors }) => readValues(tensors, name)),
      options,
      { name, depth: computeDepth(spec, layers), seed },
    );
    if (!values.every(Number.isFinite))
      throw new WorkbenchError(
        "diverged",
        `The merged ${name} has values that are not finite. Use smaller weights, or check the models.`,
      );
    merged.set(name, { shape: tensor.shape, data: values });
    progress(i + 1, parameters.length, "tensors");
    // Lets a request to stop arrive.
    await setImmediate();
  }
  return merged;
}

function readValues(tensors: HostTensors, name: string): Float32Array {
  return requireFloats(name, tensors.get(name)!.data as Float32Array);
}

function computeDepth({ layer }: ParameterSpec, layers: number): number {
  if (layer === undefined) return 0;
  return layers > 1 ? layer / (layers - 1) : 1;
}
