/** A compiled graph: checks its feeds, lends their memory to ONNX Runtime for a run, and tracks ownership afterwards. */
import type { Tensor as OrtTensor } from "onnxruntime-node";
import { WorkbenchError } from "../../protocol/errors";
import type { NamedValue } from "../graph/graph";
import type { TensorType } from "../graph/op";
import type { Device, Program, Tensor, Tensors } from "./engine";
import { explain } from "./runtime";
import { describe, RuntimeTensor, type TensorHome } from "./tensors";

type OrtTensors = Readonly<Record<string, OrtTensor>>;

/** The runtime's session, and the memory of its outputs. */
export interface OutputMemory {
  /** Runs the session; `state` holds the tensors that the run consumes, by output name. */
  execute(feeds: OrtTensors, state: OrtTensors): Promise<OrtTensors>;
  /** Takes back the memory of a consumed tensor after a run; `output` is its next value. */
  recycle(output: string, tensor: OrtTensor): void;
  /** Closes the session once none of its memory is in use. */
  release(): Promise<void>;
}

/** The part of an engine that its programs use. */
export interface Owner extends TensorHome {
  readonly device: Device;
  /** Called before a run reads a tensor without consuming it; moves tensors that are read repeatedly to the device. */
  settle(tensor: RuntimeTensor): Promise<void>;
  forget(program: Program): void;
}

export interface CompiledProgram {
  readonly memory: OutputMemory;
  readonly bytes: number;
  readonly reads: readonly NamedValue[];
  readonly outputs: Readonly<Record<string, TensorType>>;
  readonly state: Readonly<Record<string, string>>;
  readonly inPlace: readonly string[];
  readonly notices: readonly string[];
}

export class RuntimeProgram implements Program {
  readonly bytes: number;
  readonly inputs: readonly string[];
  readonly inPlace: readonly string[];
  readonly notices: readonly string[];
  #compiled: CompiledProgram | undefined;

  constructor(
    private readonly owner: Owner,
    compiled: CompiledProgram,
  ) {
    this.#compiled = compiled;
    this.bytes = compiled.bytes;
    this.inputs = compiled.reads.map(({ name }) => name);
    this.inPlace = compiled.inPlace;
    this.notices = compiled.notices;
  }

  async run(feeds: Tensors): Promise<Tensors> {
    const program = this.#compiled;
    if (program === undefined) throw internalError("The program is already disposed.");
    const tensors = this.#check(program, feeds);
    const consumed = new Set(Object.values(program.state));
    for (const [name, tensor] of tensors) if (!consumed.has(name)) await this.owner.settle(tensor);

    const memory = Object.fromEntries([...tensors].map(([name, tensor]) => [name, tensor.ortTensor]));
    const state = Object.fromEntries(
      Object.entries(program.state).map(([output, name]) => [output, tensors.get(name)!.take()]),
    );
    const results = await program.memory.execute(memory, state).catch((thrown: unknown) => {
      for (const [output, name] of Object.entries(program.state))
        if (!program.inPlace.includes(name)) tensors.get(name)!.put(state[output]!);
      throw new WorkbenchError(
        "device-failed",
        `${this.owner.device.name} (${this.owner.device.description}) failed during a run: ${explain(thrown)}. ` +
          "If it ran out of memory, reduce the batch size or sequence length, or enable gradient_checkpointing. Otherwise, try another device.",
        {},
        { cause: thrown },
      );
    });
    for (const [output, memory] of Object.entries(state)) program.memory.recycle(output, memory);
    return Object.fromEntries(
      Object.entries(program.outputs).map(([name, type]) => [
        name,
        new RuntimeTensor(type, results[name]!, this.owner),
      ]),
    );
  }

  /** Checks all feeds, because an invalid one fails in native code or remains undetected. */
  #check(program: CompiledProgram, feeds: Tensors): Map<string, RuntimeTensor> {
    const inputNames = new Set(this.inputs);
    const unknown = Object.keys(feeds).find((name) => !inputNames.has(name));
    if (unknown !== undefined)
      throw internalError(`The graph has no input ${unknown}; it reads ${this.inputs.join(", ")}.`);
    const tensors = new Map(
      program.reads.map((input) => [input.name, this.#checkFeed(input, feeds[input.name])]),
    );
    const buffers = new Map<unknown, string>();
    for (const [name, tensor] of tensors) {
      const buffer = tensor.ortTensor.location === "cpu" ? tensor.ortTensor.data : tensor.ortTensor;
      const other = buffers.get(buffer);
      const isState = Object.values(program.state).some((each) => each === name || each === other);
      if (other !== undefined && isState)
        throw internalError(`Inputs ${other} and ${name} share memory, but the run overwrites one of them.`);
      buffers.set(buffer, name);
    }
    return tensors;
  }

  #checkFeed({ name, type }: NamedValue, tensor: Tensor | undefined): RuntimeTensor {
    if (tensor === undefined) throw internalError(`Missing a tensor for input ${name} ${describe(type)}.`);
    if (!(tensor instanceof RuntimeTensor) || tensor.home !== this.owner)
      throw internalError(`The tensor fed for ${name} belongs to another engine.`);
    if (tensor.isDisposed)
      throw internalError(`The tensor fed for ${name} was disposed, or consumed by an earlier run.`);
    if (describe(tensor.type) !== describe(type))
      throw internalError(
        `Input ${name} is ${describe(type)}, but the tensor fed for it is ${describe(tensor.type)}.`,
      );
    return tensor;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const program = this.#compiled;
    this.#compiled = undefined;
    if (program === undefined) return;
    this.owner.forget(this);
    await program.memory.release();
  }
}

function internalError(message: string): WorkbenchError {
  return new WorkbenchError("internal", message);
}
