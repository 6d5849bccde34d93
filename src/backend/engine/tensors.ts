/** ONNX Runtime tensors in host or device memory, whose owner tracks whether they may be used. */
import type { Tensor as OrtTensor } from "onnxruntime-node";
import { WorkbenchError } from "../../protocol/errors";
import type { ConstantData, TensorType } from "../graph/op";
import { allocate, describe } from "./arrays";
import type { OwnTensor } from "./checks";
import type { Runtime } from "./runtime";

/** The part of an engine that its tensors use. An engine accepts only its own tensors. */
export interface TensorHome {
  /** Tensors in device memory, which the engine must free. */
  readonly resident: Set<RuntimeTensor>;
  download(tensor: OrtTensor): Promise<ConstantData>;
  free(tensor: OrtTensor): void;
}

export class RuntimeTensor implements OwnTensor {
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

  get memory(): unknown {
    const { ortTensor } = this;
    return ortTensor.location === "cpu" ? ortTensor.data : ortTensor;
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
