/** What an export format is: it writes a model as files that other programs read. One file a format. */
import type { z } from "zod";
import type { Tokenizer } from "../data/tokenizers/tokenizer";
import type { ModelShape } from "../models/model";
import type { HostTensors } from "../checkpoints/safetensors";

export interface ExportSubject {
  readonly shape: ModelShape;
  readonly tensors: HostTensors;
  readonly tokenizer?: Tokenizer | undefined;
  /** The folder that the tokenizer was read from, where it is the model's own. */
  readonly tokenizerFolder?: string | undefined;
  /** What the model's own `generation_config.json` holds. */
  readonly generationConfig?: Readonly<Record<string, unknown>> | undefined;
}

/** How a format writes a matrix that is not dense: as it is stored, as a part of a graph, or as the dense matrix. */
export type Form = "stored" | "graph" | "dense";

export interface Exporter<O> {
  readonly title: string;
  readonly options: z.ZodType<O>;
  /** Options worth testing; contract tests export every family with each. */
  readonly samples: readonly Readonly<Record<string, unknown>>[];
  /** How the format writes matrices that are not dense. Where it is not `stored`, structured pruning is compacted first. */
  readonly form: Form;
  /** Fills an empty folder and returns the lines that a reader must not miss. Refuses before it writes anything. */
  write(subject: ExportSubject, options: O, folder: string): Promise<readonly string[]>;
}

// The catalog holds formats of any options; each parses its own before use.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyExporter = Exporter<any>;

export function defineExporter<O>(exporter: Exporter<O>): Exporter<O> {
  return exporter;
}
