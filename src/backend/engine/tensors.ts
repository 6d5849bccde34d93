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
  download(held: OrtTensor): Promise<ConstantData>;
  free(held: OrtTensor): void;
}

export class RuntimeTensor implements Tensor {
  /** Number of runs that have read this tensor. Tensors that are read repeatedly move to the device. */
  timesFed = 0;
  #held: OrtTensor | undefined;

  constructor(
    readonly type: TensorType,
    held: OrtTensor,
    readonly home: TensorHome,
  ) {
    this.put(held);
  }

  get isDisposed(): boolean {
    return this.#held === undefined;
  }

  get held(): OrtTensor {
    if (this.#held === undefined)
      throw new WorkbenchError(
        "internal",
        `The tensor ${describe(this.type)} is already disposed or consumed.`,
      );
    return this.#held;
  }

  async read(): Promise<ConstantData> {
    const { held } = this;
    return held.location === "cpu" ? (held.data as ConstantData) : this.home.download(held);
  }

  /** Takes the memory for a run that consumes this tensor, which then counts as disposed. */
  take(): OrtTensor {
    const { held } = this;
    this.#held = undefined;
    this.home.resident.delete(this);
    return held;
  }

  /** Returns the memory after a failed run, or replaces it with other memory that has the same values. */
  put(held: OrtTensor): void {
    this.#held = held;
    if (held.location !== "cpu") this.home.resident.add(this);
  }

  [Symbol.dispose](): void {
    if (this.#held !== undefined) this.home.free(this.take());
  }
}

export function hostTensor(runtime: Runtime, type: TensorType, data = allocate(type)): OrtTensor {
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
