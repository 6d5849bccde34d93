/** The engine on ONNX Runtime: opens a device, uploads tensors, compiles graphs to programs. */
import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { WorkbenchError } from "../../protocol/errors";
import type { DeviceName } from "../../schema/experiment";
import { type Graph, inputsOf } from "../graph/graph";
import { encodeOnnx } from "../graph/onnx";
import type { ConstantData, TensorType } from "../graph/op";
import { DeviceMemory, DeviceTransfer, free } from "./deviceMemory";
import { chooseDevice } from "./devices";
import type { CompileOptions, Device, Engine, Program, Tensor } from "./engine";
import { HostMemory } from "./hostMemory";
import { inPlaceStates } from "./inPlace";
import { type Owner, RuntimeProgram } from "./program";
import { explain, loadRuntime, type Runtime, sessionOptions, threadCount } from "./runtime";
import { checkData, describe, hostTensor, RuntimeTensor } from "./tensors";

export interface EngineOptions {
  /** Threads of one operation on the processor; default LATHE_THREADS, else one a physical core. */
  readonly threads?: number;
}

export async function openEngine(name: DeviceName, { threads }: EngineOptions = {}): Promise<Engine> {
  const count = threadCount(threads);
  const device = await chooseDevice(name);
  const runtime = await loadRuntime();
  const options = sessionOptions(device.name, count);
  // Only WebGPU's outputs can stay on the device: the Node binding has no such memory for the others.
  const transfer = device.name === "webgpu" ? await DeviceTransfer.open(runtime, options) : undefined;
  return new OnnxRuntimeEngine(withTravelNotice(device), runtime, options, transfer);
}

function withTravelNotice(device: Device): Device {
  if (device.name === "cpu" || device.name === "webgpu") return device;
  const notice = `${device.name} keeps no training state between steps: weights travel to the device and back each time.`;
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
  ) {}

  upload(type: TensorType, data: ConstantData): Tensor {
    this.#checkOpen();
    checkData(type, data);
    return new RuntimeTensor(type, hostTensor(this.runtime, type, data), this);
  }

  download(held: OrtTensor): Promise<ConstantData> {
    return this.transfer!.toHost(held);
  }

  free(held: OrtTensor): void {
    free(held);
  }

  /** What is fed once (a batch) travels with its run; what is fed again (weights that nobody trains) moves over. */
  async settle(tensor: RuntimeTensor): Promise<void> {
    const isFedAgain = tensor.timesFed++ > 0;
    const { held } = tensor;
    if (this.transfer === undefined || !isFedAgain || held.location !== "cpu" || held.size <= 1) return;
    if (tensor.type.dtype !== "float32") return;
    tensor.put(await this.transfer.toDevice(held));
  }

  async compile(graph: Graph, { state = {}, inPlace = true }: CompileOptions = {}): Promise<Program> {
    this.#checkOpen();
    checkState(graph, state);
    // WebGPU has no FusedMatMul: its operands would travel to the processor, and the product back.
    // Other devices have no operations on sizes, and planners of their own, so nothing is hidden from those.
    const { name } = this.device;
    const bytes = encodeOnnx(graph, { fused: name !== "webgpu", freesAtOnce: name === "cpu" });
    const outputs = Object.fromEntries(Object.entries(graph.outputs).map(([name, { type }]) => [name, type]));
    const proven = this.transfer === undefined && inPlace ? inPlaceStates(graph, state) : new Set<string>();
    const provenOutputs = Object.keys(state).filter((output) => proven.has(state[output]!));
    const { session, notices } = await this.#createSession(bytes, this.#locations(outputs, state));
    const program = new RuntimeProgram(this, {
      memory:
        this.transfer === undefined
          ? new HostMemory(session, this.runtime, outputs, new Set(provenOutputs))
          : new DeviceMemory(session),
      bytes: bytes.length,
      reads: inputsOf(graph),
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
    const stays = (name: string, { dtype }: TensorType) => name in state && dtype === "float32";
    return {
      preferredOutputLocation: Object.fromEntries(
        Object.entries(outputs).map(([name, type]) => [name, stays(name, type) ? "gpu-buffer" : "cpu"]),
      ),
    };
  }

  async #createSession(bytes: Uint8Array, locations: InferenceSession.SessionOptions) {
    const create = (strict: boolean) =>
      this.runtime.InferenceSession.create(bytes, {
        ...this.options,
        ...locations,
        ...(strict ? withoutProcessor(this.options) : {}),
      });
    const { name } = this.device;
    if (name === "cpu") return { session: await create(false).catch(this.#refuse), notices: [] };
    try {
      return { session: await create(true), notices: [] };
    } catch {
      // Either the device lacks an operation, which is worth a notice, or the graph is at fault, which fails again.
      const session = await create(false).catch(this.#refuse);
      return {
        session,
        notices: [`${name} lacks some operations of this graph; they run on the processor.`],
      };
    }
  }

  readonly #refuse = (thrown: unknown): never => {
    const said = explain(thrown);
    // Nodes are named `12.matmul/Gemm` by the encoder: their number and operation in the graph's listing.
    const node = /\d+\.\w+\/\w+|output \w+/.exec(said)?.[0];
    throw new WorkbenchError(
      "internal",
      `ONNX Runtime refuses the graph on ${this.device.name}${node === undefined ? "" : ` at node ${node}`}: ${said}.`,
      { node },
      { cause: thrown },
    );
  };

  forget(program: Program): void {
    this.#programs.delete(program);
  }

  #checkOpen(): void {
    if (this.#isDisposed) throw new WorkbenchError("internal", "The engine was used after it was disposed.");
  }

  /** Tensors first, sessions after, the anchor of the device last: any other order ends the process on WebGPU. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    for (const tensor of [...this.resident]) tensor[Symbol.dispose]();
    for (const program of [...this.#programs]) await program[Symbol.asyncDispose]();
    await this.transfer?.release();
  }
}

function withoutProcessor(options: InferenceSession.SessionOptions): InferenceSession.SessionOptions {
  const session = options.extra?.session as Readonly<Record<string, unknown>>;
  const strict = { ...session, disable_cpu_ep_fallback: "1" };
  // Its refusal is expected and handled, so it is not logged.
  return { logSeverityLevel: 4, extra: { ...options.extra, session: strict } };
}

function checkState(graph: Graph, state: Readonly<Record<string, string>>): void {
  const inputs = new Map(inputsOf(graph).map(({ name, type }) => [name, describe(type)]));
  const wrong = (message: string) => new WorkbenchError("internal", message);
  for (const [output, name] of Object.entries(state)) {
    const next = graph.outputs[output];
    if (next === undefined)
      throw wrong(`The state ${name} has no next value: the graph has no output ${output}.`);
    const old = inputs.get(name);
    if (old === undefined) throw wrong(`The state ${name} is no input that the graph reads.`);
    if (describe(next.type) !== old)
      throw wrong(`The state ${name} is ${old}, but its next value ${output} is ${describe(next.type)}.`);
  }
  const twice = Object.values(state).find((name, i, all) => all.indexOf(name) !== i);
  if (twice !== undefined) throw wrong(`The state ${twice} has two next values.`);
}
