/** A compiled graph: checks its feeds, lends their memory to ONNX Runtime for a run, and tracks ownership afterwards. */
import type { Tensor as OrtTensor } from "onnxruntime-node";
import type { NamedValue } from "../graph/graph";
import type { TensorType } from "../graph/op";
import { checkFeeds, createDisposedError, createRunError } from "./checks";
import type { Device, Program, Tensor, Tensors } from "./engine";
import { explain } from "./runtime";
import { RuntimeTensor, type TensorHome } from "./tensors";

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
    if (program === undefined) throw createDisposedError("program");
    const owns = (tensor: Tensor): tensor is RuntimeTensor =>
      tensor instanceof RuntimeTensor && tensor.home === this.owner;
    const tensors = checkFeeds({ ...program, owns }, feeds);
    const consumed = new Set(Object.values(program.state));
    for (const [name, tensor] of tensors) if (!consumed.has(name)) await this.owner.settle(tensor);

    const memory = Object.fromEntries([...tensors].map(([name, tensor]) => [name, tensor.ortTensor]));
    const state = Object.fromEntries(
      Object.entries(program.state).map(([output, name]) => [output, tensors.get(name)!.take()]),
    );
    const results = await program.memory.execute(memory, state).catch((thrown: unknown) => {
      for (const [output, name] of Object.entries(program.state))
        if (!program.inPlace.includes(name)) tensors.get(name)!.put(state[output]!);
      const { name, description } = this.owner.device;
      throw createRunError(`${name} (${description})`, explain(thrown), thrown);
    });
    for (const [output, memory] of Object.entries(state)) program.memory.recycle(output, memory);
    return Object.fromEntries(
      Object.entries(program.outputs).map(([name, type]) => [
        name,
        new RuntimeTensor(type, results[name]!, this.owner),
      ]),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const program = this.#compiled;
    this.#compiled = undefined;
    if (program === undefined) return;
    this.owner.forget(this);
    await program.memory.release();
  }
}
