/** The PyTorch engine: tensors and programs are in a child process and named by number. */
import { WorkbenchError } from "../../../protocol/errors";
import type { CompositeCall } from "../../graph/composite";
import { expandComposites } from "../../graph/expand";
import { countProcesses, type ParallelOptions } from "../../../schema/parallel";
import type { Graph } from "../../graph/graph";
import { asBuffer } from "../../graph/onnx";
import type { ConstantData, TensorType } from "../../graph/op";
import { asArray, checkData } from "../arrays";
import { checkState, createDisposedError, internalError } from "../checks";
import type { CompileOptions, Device, Engine, EngineOptions, Program, Tensor } from "../engine";
import { resolveThreadCount } from "../runtime";
import { encodeGraph } from "./encodeGraph";
import { placeInputs } from "./placements";
import { readScheduler } from "./readScheduler";
import { findTorch } from "./torchDevices";
import { TorchProcess, TorchRequestError } from "./torchProcess";
import { type TorchOwner, TorchProgram } from "./torchProgram";
import { shareThreads } from "./torchrun";
import { TorchTensor } from "./torchTensor";

/** Opens a device of PyTorch in a process of its own. */
export async function openTorch(
  device: Device,
  { threads, parallel, report = () => undefined }: EngineOptions,
): Promise<Engine> {
  const count = resolveThreadCount(threads);
  const { interpreter } = await findTorch();
  const process = await TorchProcess.start({
    python: interpreter.path,
    launch: {
      device: device.name.slice("torch:".length),
      threads: shareThreads(count, parallel),
      parallel,
      scheduler: readScheduler(),
    },
  });
  return new TorchEngine(device, process, parallel, report);
}

class TorchEngine implements Engine, TorchOwner {
  readonly #programs = new Set<Program>();
  #freed: number[] = [];
  #nextNumber = 1;
  #isDisposed = false;

  constructor(
    readonly device: Device,
    readonly process: TorchProcess,
    private readonly parallel: ParallelOptions | undefined,
    private readonly report: (message: string) => void,
  ) {}

  upload(type: TensorType, data: ConstantData): Tensor {
    this.#checkOpen();
    checkData(type, data);
    const number = this.takeNumber();
    const { dtype, shape } = type;
    this.process.send({ kind: "upload", tensor: number, dtype, shape, free: this.takeFreed() }, [
      asBuffer(data),
    ]);
    return new TorchTensor(type, number, this);
  }

  async download(type: TensorType, number: number): Promise<ConstantData> {
    this.#checkOpen();
    const message = { kind: "read", tensor: number, free: this.takeFreed() };
    const { buffers } = await this.process.request("it read a tensor", message).catch(this.#refuse);
    return asArray(type, buffers[0]!);
  }

  async compile(
    calls: Graph,
    { state = {}, inPlace = true, precision = "float32", compiled = false, profile }: CompileOptions = {},
  ): Promise<Program> {
    this.#checkOpen();
    if (profile !== undefined)
      throw new WorkbenchError(
        "unsupported",
        `Only ONNX Runtime records profiles, not ${this.device.name}. Profile a step on cpu.`,
      );
    const graph = expandComposites(calls, { keeps: this.keeps });
    checkState(graph, state);
    const number = this.takeNumber();
    const encoded = encodeGraph(graph);
    const message = {
      kind: "compile",
      program: number,
      graph: encoded.graph,
      state,
      donates: inPlace,
      precision,
      compiled,
      ...(countProcesses(this.parallel) === 1 ? {} : { placements: placeInputs(graph, this.parallel!) }),
      free: this.takeFreed(),
    };
    await this.process.request("it compiled a graph", message, encoded.buffers).catch(this.#refuse);
    const constantBytes = encoded.buffers.reduce((total, { byteLength }) => total + byteLength, 0);
    const bytes = JSON.stringify(encoded.graph).length + constantBytes;
    const program = new TorchProgram(this, {
      ...{ number, bytes, graph, state, donates: inPlace },
      compileFirst: compiled ? this.report : undefined,
    });
    this.#programs.add(program);
    return program;
  }

  readonly keeps = ({ op }: CompositeCall): boolean => this.process.kernels.has(op.name);

  readonly #refuse = (thrown: unknown): never => {
    if (!(thrown instanceof TorchRequestError)) throw thrown;
    const { message, node } = thrown.failure;
    const place = node === null ? "" : ` at node ${node}`;
    throw internalError(`PyTorch refused a request on ${this.device.name}${place}: ${message}.`);
  };

  takeNumber(): number {
    return this.#nextNumber++;
  }

  takeFreed(): readonly number[] {
    const freed = this.#freed;
    this.#freed = [];
    return freed;
  }

  free(number: number): void {
    if (!this.#isDisposed) this.#freed.push(number);
  }

  forget(program: Program): void {
    this.#programs.delete(program);
  }

  #checkOpen(): void {
    if (this.#isDisposed) throw createDisposedError("engine");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    for (const program of [...this.#programs]) await program[Symbol.asyncDispose]();
    await this.process[Symbol.asyncDispose]();
  }
}
