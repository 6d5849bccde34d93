/** ONNX Runtime tensors in host or device memory, whose owner tracks whether they may be used. */
import type { Tensor as OrtTensor } from "onnxruntime-node";
import { WorkbenchError } from "../../protocol/errors";
import { type ConstantData, type DType, sizeOf, type TensorType } from "../graph/op";
import type { Tensor } from "./engine";
import type { Runtime } from "./runtime";

/** The part of an engine that its tensors use. An engine accepts only its own tensors. */
export interface TensorHome {
  /** Tensors in device memory, which the engine must free. */
  readonly resident: Set<RuntimeTensor>;
  download(tensor: OrtTensor): Promise<ConstantData>;
  free(tensor: OrtTensor): void;
}

export class RuntimeTensor implements Tensor {
  /** Number of runs that have read this tensor. Tensors that are read repeatedly move to the device. */
  timesFed = 0;
  #ortTensor: OrtTensor | undefined;

  constructor(
    readonly type: TensorType,
    ortTensor: OrtTensor,
    readonly home: TensorHome,
  ) {
    this.put(ortTensor);
  }

  get isDisposed(): boolean {
    return this.#ortTensor === undefined;
  }

  get ortTensor(): OrtTensor {
    if (this.#ortTensor === undefined)
      throw new WorkbenchError(
        "internal",
        `The tensor ${describe(this.type)} is already disposed or consumed.`,
      );
    return this.#ortTensor;
  }

  async read(): Promise<ConstantData> {
    const { ortTensor } = this;
    return ortTensor.location === "cpu" ? (ortTensor.data as ConstantData) : this.home.download(ortTensor);
  }

  /** Takes the memory for a run that consumes this tensor, which then counts as disposed. */
  take(): OrtTensor {
    const { ortTensor } = this;
    this.#ortTensor = undefined;
    this.home.resident.delete(this);
    return ortTensor;
  }

  /** Returns the memory after a failed run, or replaces it with other memory that has the same values. */
  put(ortTensor: OrtTensor): void {
    this.#ortTensor = ortTensor;
    if (ortTensor.location !== "cpu") this.home.resident.add(this);
  }

  [Symbol.dispose](): void {
    if (this.#ortTensor !== undefined) this.home.free(this.take());
  }
}

export function createHostTensor(runtime: Runtime, type: TensorType, data = allocate(type)): OrtTensor {
  return new runtime.Tensor(type.dtype, data, type.shape);
}

export function checkData(type: TensorType, data: ConstantData): void {
  if (data instanceof arrays[type.dtype] && data.length === sizeOf(type.shape)) return;
  throw new WorkbenchError(
    "internal",
    `A tensor ${describe(type)} requires a ${arrays[type.dtype].name} of length ${sizeOf(type.shape)}, ` +
      `not a ${data.constructor.name} of length ${data.length}.`,
  );
}

export function describe({ dtype, shape }: TensorType): string {
  return `${dtype}[${shape.join(",")}]`;
}

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int8: Int8Array,
  int4: Uint8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const satisfies Record<DType, unknown>;

function allocate({ dtype, shape }: TensorType): ConstantData {
  return new arrays[dtype](sizeOf(shape));
}
