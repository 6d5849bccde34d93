/** A tensor in the memory of the PyTorch process, named by number. */
import type { ConstantData, TensorType } from "../../graph/op";
import { describe } from "../arrays";
import { internalError, type OwnTensor } from "../checks";

/** The part of the engine that its tensors use. */
export interface TorchHome {
  download(type: TensorType, number: number): Promise<ConstantData>;
  /** Frees a tensor with the next message. */
  free(number: number): void;
}

export class TorchTensor implements OwnTensor {
  #number: number | undefined;

  constructor(
    readonly type: TensorType,
    number: number,
    readonly home: TorchHome,
    /** The values, if the reply of the run included them. */
    private readonly values?: ConstantData,
  ) {
    this.#number = number;
  }

  get isDisposed(): boolean {
    return this.#number === undefined;
  }

  get number(): number {
    if (this.#number === undefined)
      throw internalError(`The tensor ${describe(this.type)} is already disposed or consumed.`);
    return this.#number;
  }

  get memory(): unknown {
    return this.number;
  }

  async read(): Promise<ConstantData> {
    const { number } = this;
    return this.values ?? this.home.download(this.type, number);
  }

  /** Takes the memory for a run that consumes this tensor, which then counts as disposed. */
  take(): number {
    const { number } = this;
    this.#number = undefined;
    return number;
  }

  /** Returns the memory after a failed run. */
  put(number: number): void {
    this.#number = number;
  }

  [Symbol.dispose](): void {
    if (this.#number !== undefined) this.home.free(this.take());
  }
}
