/** Checks that engines share: feeds of a run, and the state of a program. An invalid feed would fail in native code or stay undetected. */
import { WorkbenchError } from "../../protocol/errors";
import { type Graph, listInputs, type NamedValue } from "../graph/graph";
import { describe } from "./arrays";
import type { CompileOptions, EngineTrainOptions, Tensor, Tensors } from "./engine";

/** A tensor of a particular engine. */
export interface OwnTensor extends Tensor {
  readonly isDisposed: boolean;
  /** Equal for tensors that share memory. */
  readonly memory: unknown;
}

export interface Reader<T extends OwnTensor> {
  readonly reads: readonly NamedValue[];
  readonly state: NonNullable<CompileOptions["state"]>;
  /** Whether a tensor belongs to the engine that runs the program. */
  owns(tensor: Tensor): tensor is T;
}

/** The tensor of each input. Throws if one is missing, unknown, of another type or engine, disposed or overwritten by the run. */
export function checkFeeds<T extends OwnTensor>(reader: Reader<T>, feeds: Tensors): Map<string, T> {
  const { reads, state } = reader;
  const inputNames = new Set(reads.map(({ name }) => name));
  const unknown = Object.keys(feeds).find((name) => !inputNames.has(name));
  if (unknown !== undefined)
    throw internalError(`The graph has no input ${unknown}; it reads ${[...inputNames].join(", ")}.`);
  const tensors = new Map(reads.map((input) => [input.name, checkFeed(reader, input, feeds[input.name])]));
  const consumed = new Set(Object.values(state));
  const names = new Map<unknown, string>();
  for (const [name, { memory }] of tensors) {
    const other = names.get(memory);
    if (other !== undefined && (consumed.has(name) || consumed.has(other)))
      throw internalError(`Inputs ${other} and ${name} share memory, but the run overwrites one of them.`);
    names.set(memory, name);
  }
  return tensors;
}

function checkFeed<T extends OwnTensor>(
  reader: Reader<T>,
  { name, type }: NamedValue,
  tensor: Tensor | undefined,
): T {
  if (tensor === undefined) throw internalError(`Missing a tensor for input ${name} ${describe(type)}.`);
  if (!reader.owns(tensor)) throw internalError(`The tensor fed for ${name} belongs to another engine.`);
  if (tensor.isDisposed)
    throw internalError(`The tensor fed for ${name} was disposed, or consumed by an earlier run.`);
  if (describe(tensor.type) !== describe(type))
    throw internalError(
      `Input ${name} is ${describe(type)}, but the tensor fed for it is ${describe(tensor.type)}.`,
    );
  return tensor;
}

/** Throws unless each output of `state` has the type of the input that it replaces. */
export function checkState(graph: Graph, state: NonNullable<CompileOptions["state"]>): void {
  const inputs = new Map(listInputs(graph).map(({ name, type }) => [name, describe(type)]));
  for (const [output, name] of Object.entries(state)) {
    const next = graph.outputs[output];
    if (next === undefined)
      throw internalError(`State ${name} has no next value: the graph has no output ${output}.`);
    const old = inputs.get(name);
    if (old === undefined) throw internalError(`State ${name} is not an input of the graph.`);
    if (describe(next.type) !== old)
      throw internalError(`State ${name} is ${old}, but its next value ${output} is ${describe(next.type)}.`);
  }
  const twice = Object.values(state).find((name, i, all) => all.indexOf(name) !== i);
  if (twice !== undefined) throw internalError(`State ${twice} has two next values.`);
}

/** Throws if the device has no engine for these options of a training. */
export function checkTrainOptions(
  device: string,
  { precision = "float32", torch_compile: isCompiled = false }: Partial<EngineTrainOptions>,
): void {
  if (device.startsWith("torch")) return;
  const refuse = (option: string, reason: string) =>
    new WorkbenchError(
      "unsupported",
      `train.${option}, but ONNX Runtime, which runs ${device}, ${reason}. ` +
        `Use a device of PyTorch, such as torch:cuda, or remove train.${option.split(" ", 1)[0]}.`,
    );
  if (precision !== "float32") throw refuse(`precision is ${precision}`, "trains in float32 only");
  if (isCompiled) throw refuse("torch_compile is true", "has no such compiler");
}

export function createDisposedError(what: "engine" | "program"): WorkbenchError {
  return internalError(`The ${what} is already disposed.`);
}

/** Why a run failed, and what may help. */
export function createRunError(device: string, reason: string, cause: unknown): WorkbenchError {
  const message =
    `${device} failed during a run: ${reason}. ` +
    "If it ran out of memory, reduce the batch size or sequence length, or enable gradient_checkpointing. Otherwise, try another device.";
  return new WorkbenchError("device-failed", message, {}, { cause });
}

export function internalError(message: string): WorkbenchError {
  return new WorkbenchError("internal", message);
}
