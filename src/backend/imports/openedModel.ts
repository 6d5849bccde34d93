/** A model on disk whose tensors are read on demand. */
import type { HostTensor } from "../checkpoints/safetensors";
import type { WrittenFile } from "../models/accounting";
import type { ModelShape } from "../models/model";
import type { TensorData } from "../representations/representation";
import type { FileTensor } from "./tensorFiles";

export interface OpenedModel extends Disposable {
  readonly shape: ModelShape;
  /** The folder or file that was opened. */
  readonly source: string;
  /** The run that produced it. */
  readonly run?: string | undefined;
  /** The files that contain the weights. */
  readonly files: readonly string[];
  readonly written: WrittenFile;
  /** All tensors of its files, including unused ones. */
  readonly fileTensors?: readonly FileTensor[];
  /** One line for each thing that was ignored or skipped. */
  readonly notices: readonly string[];
  /** Reads elements `from` to `to` (exclusive) of a tensor of the model; by default, all. */
  read(name: string, from?: number, to?: number): TensorData;
  /** A tensor that remains usable after the model is closed; absent if the format cannot provide it without reading it. */
  getTensor?(name: string): HostTensor;
  /** Throws if a file contains a copy of a tied tensor with different values. */
  checkTied(): void;
}
