/** Interfaces of an engine, which executes graphs. They do not depend on a particular runtime. */
import type { DeviceName, TorchDeviceName } from "../../schema/device";
import type { TrainOptions } from "../../schema/experiment";
import type { ParallelOptions } from "../../schema/parallel";
import type { CompositeCall } from "../graph/composite";
import type { Graph } from "../graph/graph";
import type { ConstantData, TensorType } from "../graph/op";

/** A device that can be opened, which excludes `auto` and `torch`. */
export type RealDeviceName = Exclude<DeviceName, "auto" | "torch">;
/** A device of ONNX Runtime. */
export type RuntimeDeviceName = Exclude<RealDeviceName, TorchDeviceName>;

/** Whether PyTorch executes graphs on it, instead of ONNX Runtime. */
export function isTorchDevice(name: string): name is TorchDeviceName | "torch" {
  return name.split(":", 1)[0] === "torch";
}

export interface Device {
  readonly name: RealDeviceName;
  /** Name of the CPU or GPU, if the system reports it. */
  readonly description: string;
  /** Why this device was chosen and which were tried first: "auto: webgpu failed (no adapter), so cpu". */
  readonly reason: string;
  /** Important messages for the user, such as a fallback to the CPU. */
  readonly notices: readonly string[];
  /** Memory of one card in bytes, if it is known. */
  readonly memoryBytes?: number;
}

/** A tensor on a device. `dispose` frees it; using a disposed tensor throws. */
export interface Tensor extends Disposable {
  readonly type: TensorType;
  /** Copies the values to the host; on the CPU a view without a copy, valid until the tensor is consumed or disposed. */
  read(): Promise<ConstantData>;
}

export type Tensors = Readonly<Record<string, Tensor>>;

export interface CompileOptions {
  /**
   * Output name → input name: the output is the next value of the input (weights, moments) and has the same type.
   * A run consumes the tensors fed for these inputs. The outputs replace them on the device without a copy: in the same
   * buffers if the graph proves that this is safe, otherwise in a second set of buffers that alternates with the first.
   */
  readonly state?: Readonly<Record<string, string>>;
  /** False keeps two sets of buffers even if one is enough, for comparison. */
  readonly inPlace?: boolean;
  /** Type in which products are computed; inputs and outputs are float32 with either. Default: float32. */
  readonly precision?: EngineTrainOptions["precision"];
  /** True translates the graph with the device's compiler at its first run, which takes minutes. Default: false. */
  readonly compiled?: boolean;
  /**
   * Records the time of every node. ONNX Runtime writes the profile as JSON to `<profile>_<time>.json` when the program is
   * disposed (see `bench/profile.ts`). Each run is slightly slower.
   */
  readonly profile?: string | undefined;
}

/** Options of a training that depend on the engine. */
export type EngineTrainOptions = Pick<TrainOptions, "precision" | "torch_compile">;

export interface Program extends AsyncDisposable {
  /** Size of the encoded graph in bytes. */
  readonly bytes: number;
  /** Names of the inputs that a run must be fed. */
  readonly inputs: readonly string[];
  /** State inputs whose buffers are overwritten in place, so that they need no second set. */
  readonly inPlace: readonly string[];
  /** Important messages for the user, such as operations that fall back to the CPU. */
  readonly notices: readonly string[];
  /**
   * `feeds` has exactly one tensor for each input of the graph. The run disposes the tensors fed for state inputs and
   * leaves the others unchanged. If the run fails, tensors fed for state inputs stay usable, except those of `inPlace`.
   */
  run(feeds: Tensors): Promise<Tensors>;
}

export interface Engine extends AsyncDisposable {
  readonly device: Device;
  /**
   * Transfers ownership of `data` to the engine. On the CPU the array itself becomes the buffer, and a run that consumes
   * the tensor writes into it. The caller must not read or write the array afterwards.
   */
  upload(type: TensorType, data: ConstantData): Tensor;
  compile(graph: Graph, options?: CompileOptions): Promise<Program>;
  /** Whether programs have one node for a call of a composite; all other calls are replaced by their bodies. */
  readonly keeps: (call: CompositeCall) => boolean;
}

export interface EngineOptions {
  /** CPU threads per operation. Default: LATHE_THREADS, or one per physical core. */
  readonly threads?: number;
  /** Receives what a user should know while it takes long, such as that a graph is compiled. */
  readonly report?: (message: string) => void;
  /** Processes that share every program, on devices of PyTorch. */
  readonly parallel?: ParallelOptions | undefined;
}
