/** A model that was imported from a run, a checkpoint, or the files of another program. */
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
  /** Sizes in the file, by the names of the model's tensors. */
  readonly file?: WrittenFile;
  /** All tensors of its safetensors files, including unused ones. */
  readonly fileTensors?: readonly FileTensor[];
  /** One line for each thing that was ignored or skipped. */
  readonly notices?: readonly string[];
  /** The folder of the run that produced the model. Its record names the data and the tokenizer. */
  readonly run?: string;
  /** The content of its `generation_config.json`, if there is one. */
  readonly generationConfig?: GenerationConfig;
  /** The folder with the tokenizer files of the model. */
  readonly tokenizerFolder?: string;
}
