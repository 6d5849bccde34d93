/** The ONNX Runtime engine: opens a device, uploads tensors and compiles graphs to programs. */
import { availableParallelism } from "node:os";
import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { WorkbenchError } from "../../protocol/errors";
import { blockSizePerThread, findBlockSize } from "../graph/blocks";
import type { CompositeCall } from "../graph/composite";
import { expandComposites } from "../graph/expand";
import { type Graph, listInputs } from "../graph/graph";
import { encodeOnnx } from "../graph/onnx";
import type { ConstantData, TensorType } from "../graph/op";
import { checkData } from "./arrays";
import { checkTrainOptions, checkState, createDisposedError, internalError } from "./checks";
import { DeviceMemory, DeviceTransfer, free } from "./deviceMemory";
import {
  type CompileOptions,
  type Device,
  type Engine,
  type EngineOptions,
  isTorchDevice,
  type Program,
  type Tensor,
} from "./engine";
import { HostMemory } from "./hostMemory";
import { findInPlaceStates } from "./inPlace";
import { type Owner, RuntimeProgram } from "./program";
import { explain, loadRuntime, type Runtime, createSessionOptions, resolveThreadCount } from "./runtime";
import { createHostTensor, RuntimeTensor } from "./tensors";

/** Opens a device of ONNX Runtime. */
export async function openOnnxRuntime(device: Device, { threads }: EngineOptions): Promise<Engine> {
  const count = resolveThreadCount(threads);
  if (isTorchDevice(device.name)) throw internalError(`ONNX Runtime has no device ${device.name}.`);
  const runtime = await loadRuntime();
  const options = createSessionOptions(device.name, count);
  // Only WebGPU outputs can stay on the device; the Node binding does not support device memory for the others.
  const transfer = device.name === "webgpu" ? await DeviceTransfer.open(runtime, options) : undefined;
  const workers = count === 0 ? availableParallelism() : count;
  const blockSize = device.name === "cpu" ? blockSizePerThread * workers : undefined;
  return new OnnxRuntimeEngine(addTransferNotice(device), runtime, options, transfer, blockSize);
}

function addTransferNotice(device: Device): Device {
  if (device.name === "cpu" || device.name === "webgpu") return device;
  const notice = `${device.name} cannot keep training state on the device: weights are copied to the device and back at each step.`;
  return { ...device, notices: [...device.notices, notice] };
}

class OnnxRuntimeEngine implements Engine, Owner {
  readonly resident = new Set<RuntimeTensor>();
  readonly #programs = new Set<Program>();
  #isDisposed = false;

  constructor(
    readonly device: Device,
    private readonly runtime: Runtime,
    private readonly options: InferenceSession.SessionOptions,
    private readonly transfer: DeviceTransfer | undefined,
    /** Elements of a block of elementwise composites, which only the CPU computes in blocks. */
    private readonly blockSize: number | undefined,
  ) {}

  upload(type: TensorType, data: ConstantData): Tensor {
    this.#checkOpen();
    checkData(type, data);
    return new RuntimeTensor(type, createHostTensor(this.runtime, type, data), this);
  }

  download(ortTensor: OrtTensor): Promise<ConstantData> {
    return this.transfer!.toHost(ortTensor);
  }

  free(ortTensor: OrtTensor): void {
    free(ortTensor);
  }

  /** Moves tensors that are fed repeatedly, such as frozen weights, to the device. Batches are copied with their run. */
  async settle(tensor: RuntimeTensor): Promise<void> {
    const isFedAgain = tensor.timesFed++ > 0;
    const { ortTensor } = tensor;
    if (this.transfer === undefined || !isFedAgain || ortTensor.location !== "cpu" || ortTensor.size <= 1)
      return;
    if (tensor.type.dtype !== "float32") return;
    tensor.put(await this.transfer.toDevice(ortTensor));
  }

  async compile(
    calls: Graph,
    { state = {}, inPlace = true, precision = "float32", compiled = false, profile }: CompileOptions = {},
  ): Promise<Program> {
    this.#checkOpen();
    const graph = expandComposites(calls, { keeps: this.keeps });
    checkState(graph, state);
    checkTrainOptions(this.device.name, { precision, torch_compile: compiled });
    // WebGPU has no FusedMatMul: its operands would be copied to the CPU, and the product back.
    // Other devices lack operations on sizes and have their own memory planners, so no sizes are hidden from them.
    const { name } = this.device;
    const { blockSize } = this;
    const bytes = encodeOnnx(graph, { fused: name !== "webgpu", freesAtOnce: name === "cpu", blockSize });
    const outputs = Object.fromEntries(Object.entries(graph.outputs).map(([name, { type }]) => [name, type]));
    const proven =
      this.transfer === undefined && inPlace ? findInPlaceStates(graph, state) : new Set<string>();
    const provenOutputs = Object.keys(state).filter((output) => proven.has(state[output]!));
    const { session, notices } = await this.#createSession(bytes, {
      ...this.#locations(outputs, state),
      ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile }),
    });
    const program = new RuntimeProgram(this, {
      memory:
        this.transfer === undefined
          ? new HostMemory(session, this.runtime, outputs, new Set(provenOutputs))
          : new DeviceMemory(session),
      bytes: bytes.length,
      reads: listInputs(graph),
      outputs,
      state,
      inPlace: [...proven],
      notices,
    });
    this.#programs.add(program);
    return program;
  }

  #locations(
    outputs: Readonly<Record<string, TensorType>>,
    state: Readonly<Record<string, string>>,
  ): InferenceSession.SessionOptions {
    if (this.transfer === undefined) return {};
    const staysOnDevice = (name: string, { dtype }: TensorType) => name in state && dtype === "float32";
    return {
      preferredOutputLocation: Object.fromEntries(
        Object.entries(outputs).map(([name, type]) => [
          name,
          staysOnDevice(name, type) ? "gpu-buffer" : "cpu",
        ]),
      ),
    };
  }

  async #createSession(bytes: Uint8Array, ownOptions: InferenceSession.SessionOptions) {
    const create = (strict: boolean) =>
      this.runtime.InferenceSession.create(bytes, {
        ...this.options,
        ...ownOptions,
        ...(strict ? disableCpuFallback(this.options) : {}),
      });
    const { name } = this.device;
    if (name === "cpu") return { session: await create(false).catch(this.#refuse), notices: [] };
    try {
      return { session: await create(true), notices: [] };
    } catch {
      // If the device lacks an operation, this succeeds with a notice. If the graph is invalid, it fails again.
      const session = await create(false).catch(this.#refuse);
      return {
        session,
        notices: [`${name} does not support some operations of this graph; they run on the CPU.`],
      };
    }
  }

  readonly keeps = (call: CompositeCall): boolean =>
    this.blockSize !== undefined && findBlockSize(call, this.blockSize) !== undefined;

  readonly #refuse = (thrown: unknown): never => {
    const message = explain(thrown);
    // The encoder names nodes by their number and operation in the graph's listing, for example `12.matmul/Gemm`.
    const node = /\d+\.\w+\/\w+|output \w+/.exec(message)?.[0];
    throw new WorkbenchError(
      "internal",
      `ONNX Runtime rejected the graph on ${this.device.name}${node === undefined ? "" : ` at node ${node}`}: ${message}.`,
      { node },
      { cause: thrown },
    );
  };

  forget(program: Program): void {
    this.#programs.delete(program);
  }

  #checkOpen(): void {
    if (this.#isDisposed) throw createDisposedError("engine");
  }

  /** Frees tensors, then sessions, then the device transfer. Any other order ends the process on WebGPU. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    for (const tensor of [...this.resident]) tensor[Symbol.dispose]();
    for (const program of [...this.#programs]) await program[Symbol.asyncDispose]();
    await this.transfer?.release();
  }
}

function disableCpuFallback(options: InferenceSession.SessionOptions): InferenceSession.SessionOptions {
  const session = options.extra?.session as Readonly<Record<string, unknown>>;
  const strict = { ...session, disable_cpu_ep_fallback: "1" };
  // A failure is expected and handled, so it is not logged.
  return { logSeverityLevel: 4, extra: { ...options.extra, session: strict } };
}
