/** A model as it is read from anywhere: a run, a checkpoint, a folder of another program. */
import type { WrittenFile } from "../models/accounting";
import type { ModelShape } from "../models/model";
import type { HostTensors } from "../checkpoints/safetensors";
import type { GenerationConfig } from "./generationConfig";
import type { FileTensor } from "./tensorFiles";

export interface ImportedModel {
  readonly shape: ModelShape;
  readonly tensors: HostTensors;
  /** The folder or file that was read. */
  readonly source: string;
  /** What the file weighs, by the names of the model's own tensors. */
  readonly file?: WrittenFile;
  /** The tensors of its safetensors files, used or not. */
  readonly fileTensors?: readonly FileTensor[];
  /** What was ignored or skipped, a line each. */
  readonly notices?: readonly string[];
  /** The run folder that it comes from: its record knows data and tokenizer. */
  readonly run?: string;
  /** How the model is meant to write, where its folder says so. */
  readonly generationConfig?: GenerationConfig;
  /** A folder with a tokenizer file that belongs to the model. */
  readonly tokenizerFolder?: string;
}
