/** What executes a graph. Nothing here knows of a runtime: a second engine implements the same three interfaces. */
import type { DeviceName } from "../../protocol/experiment";
import type { Graph } from "../graph/graph";
import type { ConstantData, TensorType } from "../graph/op";

export interface Device {
  readonly name: Exclude<DeviceName, "auto">;
  /** What a person knows it by: the processor's or the graphics card's name, as far as the runtime tells. */
  readonly description: string;
  /** Why this device was chosen, and what was tried before: "auto: webgpu failed (no adapter), so cpu". */
  readonly reason: string;
  /** Lines that a reader must not miss, such as a fallback to the processor. */
  readonly notices: readonly string[];
}

/** Numbers on a device. `dispose` frees them; using a disposed tensor throws. */
export interface Tensor extends Disposable {
  readonly type: TensorType;
  /** Copies the values to the host; on the CPU a view without a copy, valid until the tensor is written or disposed. */
  read(): Promise<ConstantData>;
}

export type Tensors = Readonly<Record<string, Tensor>>;

export interface CompileOptions {
  /**
   * Output name → input name: that output is the next value of that input (weights, moments), of the same type.
   * A run consumes the tensors fed for these inputs; the outputs take their place, on the device and without a copy:
   * in the same buffers where the graph proves that safe, else in a second set that alternates with the first.
   */
  readonly state?: Readonly<Record<string, string>>;
}

export interface Program extends AsyncDisposable {
  /** Bytes of the encoded graph. */
  readonly bytes: number;
  /** Feeds every input of the graph by name. Tensors fed for state inputs are disposed by the run; others are left alone. */
  run(feeds: Tensors): Promise<Tensors>;
}

export interface Engine extends AsyncDisposable {
  readonly device: Device;
  /** Copies `data` to the device; on the CPU it keeps the array itself, which must not be changed afterwards. */
  upload(type: TensorType, data: ConstantData): Tensor;
  compile(graph: Graph, options?: CompileOptions): Promise<Program>;
}
