/** What executes a graph. Nothing here knows of a runtime: a second engine implements the same interfaces. */
import type { DeviceName } from "../../schema/experiment";
import type { Graph } from "../graph/graph";
import type { ConstantData, TensorType } from "../graph/op";

/** A device that can be opened: `auto` is a wish, not a device. */
export type RealDeviceName = Exclude<DeviceName, "auto">;

export interface Device {
  readonly name: RealDeviceName;
  /** What a person knows it by: the processor's or the graphics card's name, as far as the system tells. */
  readonly description: string;
  /** Why this device was chosen, and what was tried before: "auto: webgpu failed (no adapter), so cpu". */
  readonly reason: string;
  /** Lines that a reader must not miss, such as a fallback to the processor. */
  readonly notices: readonly string[];
}

/** Numbers on a device. `dispose` frees them; using a disposed tensor throws. */
export interface Tensor extends Disposable {
  readonly type: TensorType;
  /** Copies the values to the host; on the CPU a view without a copy, valid until the tensor is consumed or disposed. */
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
  /** False keeps two sets of buffers even where the graph proves that one will do, to compare the two. */
  readonly inPlace?: boolean;
}

export interface Program extends AsyncDisposable {
  /** Bytes of the encoded graph. */
  readonly bytes: number;
  /** Names of the inputs that a run must be fed. */
  readonly inputs: readonly string[];
  /** State inputs whose buffers are overwritten in place, so that they need no second set. */
  readonly inPlace: readonly string[];
  /** Lines that a reader must not miss: operations that the device leaves to the processor. */
  readonly notices: readonly string[];
  /**
   * Feeds every input of the graph by name, and nothing else. Tensors fed for state inputs are disposed by the run;
   * others are left alone. Where a run fails, tensors fed for state inputs stay usable, except those of `inPlace`.
   */
  run(feeds: Tensors): Promise<Tensors>;
}

export interface Engine extends AsyncDisposable {
  readonly device: Device;
  /**
   * Hands `data` over to the engine. On the CPU the array itself becomes the buffer, and a run that consumes the tensor
   * writes into it: the caller must neither change it nor count on it afterwards.
   */
  upload(type: TensorType, data: ConstantData): Tensor;
  compile(graph: Graph, options?: CompileOptions): Promise<Program>;
}
