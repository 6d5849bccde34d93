/** The definition of a named data set in `datasets/`. */
import type { DataOptions } from "../../schema/experiment";
import type { NamedFile } from "./namedFile";

interface DataSetInfo {
  readonly title: string;
  /** Folder below `LATHE_DATA` and below the cache. */
  readonly folder: string;
  readonly licence: string;
  /** What the data set is for, in one sentence. */
  readonly purpose: string;
  /** Default columns and formats for cells that do not set them. */
  readonly columns?: Readonly<
    Partial<
      Pick<
        DataOptions,
        | "instruction_column"
        | "response_column"
        | "text_column"
        | "text_pair_column"
        | "label_column"
        | "labels"
        | "label_names"
        | "header"
        | "format"
        | "quoting"
        | "no_label"
        | "drop_duplicates"
      >
    >
  >;
}

/** Files that are known one by one. */
export interface ListedDataSet extends DataSetInfo {
  readonly train: NamedFile;
  readonly validation?: NamedFile;
  readonly test?: NamedFile;
}

/** Parquet files of a data set on the Hugging Face hub, which provides their list. */
export interface HubDataSet extends DataSetInfo {
  readonly hub: {
    readonly id: string;
    /** The folder of one of several sets under an id. */
    readonly config?: string;
    /** Names of its splits; the first is trained on. */
    readonly split: string;
    readonly validation?: string;
    readonly test?: string;
  };
}

export type NamedDataSet = ListedDataSet | HubDataSet;

export function defineDataSet(entry: NamedDataSet): NamedDataSet {
  return entry;
}
