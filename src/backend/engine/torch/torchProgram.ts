/** A graph that the PyTorch process has compiled: checks its feeds and tracks ownership, as every engine does. */
import { WorkbenchError } from "../../../protocol/errors";
import { type Graph, listInputs } from "../../graph/graph";
import type { TensorType } from "../../graph/op";
import { asArray } from "../arrays";
import { checkFeeds, createDisposedError, createRunError } from "../checks";
import type { Device, Program, Tensor, Tensors } from "../engine";
import { type TorchProcess, TorchRequestError } from "./torchProcess";
import { type TorchHome, TorchTensor } from "./torchTensor";

/** The part of the engine that its programs use. */
export interface TorchOwner extends TorchHome {
  readonly device: Device;
  readonly process: TorchProcess;
  takeNumber(): number;
  /** The numbers of tensors to free, for the next message. */
  takeFreed(): readonly number[];
  forget(program: Program): void;
}

export interface TorchGraph {
  readonly number: number;
  readonly bytes: number;
  readonly graph: Graph;
  readonly state: Readonly<Record<string, string>>;
  /** Whether a run frees the state as soon as it has read it. */
  readonly donates: boolean;
  /** Reports the first run, which compiles; undefined for a graph that is not compiled. */
  readonly compileFirst: ((message: string) => void) | undefined;
}

export class TorchProgram implements Program {
  readonly bytes: number;
  readonly inputs: readonly string[];
  readonly inPlace: readonly string[];
  readonly notices: readonly string[] = [];
  readonly #outputs: readonly (readonly [name: string, type: TensorType])[];
  #isDisposed = false;
  #isFirst = true;

  constructor(
    private readonly owner: TorchOwner,
    private readonly compiled: TorchGraph,
  ) {
    const { graph, bytes, state, donates } = compiled;
    this.bytes = bytes;
    this.inputs = listInputs(graph).map(({ name }) => name);
    this.inPlace = donates ? Object.values(state) : [];
    this.#outputs = Object.entries(graph.outputs).map(([name, { type }]) => [name, type] as const);
  }

  async run(feeds: Tensors): Promise<Tensors> {
    if (this.#isDisposed) throw createDisposedError("program");
    const { owner } = this;
    const { graph, state, number, donates } = this.compiled;
    const owns = (tensor: Tensor): tensor is TorchTensor =>
      tensor instanceof TorchTensor && tensor.home === owner;
    const tensors = checkFeeds({ reads: listInputs(graph), state, owns }, feeds);
    const message = {
      kind: "run",
      program: number,
      feeds: this.inputs.map((name) => tensors.get(name)!.number),
      outputs: this.#outputs.map(() => owner.takeNumber()),
      free: owner.takeFreed(),
    };
    const consumed = Object.values(state).map((name) => tensors.get(name)!);
    const taken = consumed.map((tensor) => tensor.take());
    const reportDone = this.#isFirst ? this.#reportCompiling() : () => undefined;
    this.#isFirst = false;
    const reply = await owner.process.request("it ran a graph", message).catch((thrown: unknown) => {
      if (!donates) consumed.forEach((tensor, i) => tensor.put(taken[i]!));
      throw thrown instanceof TorchRequestError ? this.#explain(thrown) : thrown;
    });
    reportDone();
    const values = new Map(
      (reply.header.small as readonly number[]).map((place, i) => [place, reply.buffers[i]!]),
    );
    return Object.fromEntries(
      this.#outputs.map(([name, type], place) => {
        const bytes = values.get(place);
        const data = bytes === undefined ? undefined : asArray(type, bytes);
        return [name, new TorchTensor(type, message.outputs[place]!, owner, data)];
      }),
    );
  }

  #reportCompiling(): () => void {
    const report = this.compiled.compileFirst;
    if (report === undefined) return () => undefined;
    report(`PyTorch compiles the training step for ${this.owner.device.name}, which may take minutes.`);
    const start = performance.now();
    return () =>
      report(`Compiled the training step in ${Math.round((performance.now() - start) / 1000)} seconds.`);
  }

  #explain(error: TorchRequestError): Error {
    const { name, description } = this.owner.device;
    const { node, message, reason } = error.failure;
    if (reason === "compiler")
      return new WorkbenchError(
        "device-failed",
        `PyTorch could not compile the graph for ${name} (${description}): ${message.replace(/\.$/, "")}. ` +
          "Install what is missing, or remove train.torch_compile.",
      );
    const place = node === null ? "" : ` at node ${node}`;
    return createRunError(`${name} (${description})`, `${message.replace(/\.$/, "")}${place}`, error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.owner.forget(this);
    this.owner.process.send({
      kind: "release",
      programs: [this.compiled.number],
      free: this.owner.takeFreed(),
    });
  }
}
