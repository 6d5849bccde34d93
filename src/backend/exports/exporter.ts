/** The interface of an export format, which writes a model as files that other programs read. Each format is one file. */
import type { z } from "zod";
import type { Tokenizer } from "../data/tokenizers/tokenizer";
import type { ModelShape } from "../models/model";
import type { HostTensors } from "../checkpoints/safetensors";

export interface ExportSubject {
  readonly shape: ModelShape;
  readonly tensors: HostTensors;
  readonly tokenizer?: Tokenizer | undefined;
  /** The folder that the tokenizer was read from, if it belongs to the model. */
  readonly tokenizerFolder?: string | undefined;
  /** The content of the model's `generation_config.json`. */
  readonly generationConfig?: Readonly<Record<string, unknown>> | undefined;
}

/** How a format writes a matrix that is not dense: in its stored representation, as part of a graph, or as a dense matrix. */
export type Form = "stored" | "graph" | "dense";

export interface Exporter<O> {
  readonly title: string;
  readonly options: z.ZodType<O>;
  /** Sample options. The contract tests export every family with each of them. */
  readonly samples: readonly Readonly<Record<string, unknown>>[];
  /** How the format writes matrices that are not dense. Unless it is `stored`, structurally pruned models are compacted first. */
  readonly form: Form;
  /** Types of representations that it does not write as dense matrices. */
  readonly keeps?: readonly string[];
  /** Whether it writes the exits of a model, which are left out otherwise. */
  readonly keepsExits?: true;
  /** The program that reads the files, as `library_name` of a model card names it. */
  readonly library?: string;
  /** False if the format has its configuration and tokenizer in its own file. */
  readonly hasCompanions?: false;
  /** Why a model cannot be written, without a full stop; undefined if it can. Absent if the format writes every model. */
  refuses?(shape: ModelShape, options: O): string | undefined;
  /** Fills an empty folder and returns the lines that the user must see. Throws before it writes anything. */
  write(subject: ExportSubject, options: O, folder: string): Promise<readonly string[]>;
}

// The catalog holds formats with different options. Each format parses its options before use.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyExporter = Exporter<any>;

export function defineExporter<O>(exporter: Exporter<O>): Exporter<O> {
  return exporter;
}
