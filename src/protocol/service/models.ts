/** Models on disk, their sizes and their weights. Weights cross as histograms and coarse pictures, never as tensors. */
import type { Empty } from "../connection";
import type { ModelCounts } from "../counts";

export interface ModelEntry {
  /** Absolute path of the folder or file. */
  readonly path: string;
  readonly kind: "checkpoint" | "export";
  /** The run that made it. */
  readonly run?: string;
  readonly title: string;
  readonly step?: number;
  readonly family?: string;
  readonly bytes: number;
  /** ISO 8601. */
  readonly modifiedAt: string;
}

/** A model to be counted or looked at. */
export type Subject =
  | { readonly kind: "path"; readonly path: string }
  /** The last checkpoint of a run, or `best`, or the one named by its folder within the run: `checkpoints/step-100`. */
  | { readonly kind: "run"; readonly run: string; readonly checkpoint?: string }
  /** What an experiment would make: the model of a variant after its last action. `text` where it is not saved. */
  | { readonly kind: "plan"; readonly experiment: string; readonly text?: string; readonly variant?: string };

/** Published figures of the same thing, where the experiment names a paper. */
export interface PublishedSize {
  readonly source: string;
  readonly nonEmbedding?: number;
  readonly total?: number;
}

export interface ModelSize {
  readonly title: string;
  readonly family: string;
  /** Settings in Hugging Face's key names that shape the model. */
  readonly config: Readonly<Record<string, string | number | boolean>>;
  readonly counts: ModelCounts;
  readonly published?: PublishedSize;
}

export interface WeightRole {
  readonly role: string;
  /** The layer it belongs to, from 0; absent outside the layers. */
  readonly layer?: number;
  readonly shape: readonly number[];
  readonly representation: string;
}

export interface Distribution {
  /** One more than bins. The first and last bin include everything beyond, so that outliers do not squeeze the rest into one. */
  readonly edges: readonly number[];
  readonly bins: readonly number[];
  /** Values that are numbers; the others are in no bin. */
  readonly count: number;
  readonly notFinite?: number;
  readonly zeros: number;
  readonly mean: number;
  readonly deviation: number;
  readonly min: number;
  readonly max: number;
}

export interface HeatMap {
  readonly rows: number;
  readonly columns: number;
  /** Row by row; each the value of largest magnitude within its rectangle, so that no outlier is lost. Null: not a number. */
  readonly values: readonly (number | null)[];
  /** Of the whole matrix, inputs by outputs; a vector is one row. No picture has more rows or columns than its matrix. */
  readonly shape: readonly [number, number];
}

export interface ModelRequests {
  "models.list": { params: Empty; result: { readonly models: readonly ModelEntry[] } };
  /** A folder or file of the given format; answered when it is written. `to` is absolute. */
  "models.export": {
    params: { readonly subject: Subject; readonly format: string; readonly to: string };
    result: { readonly files: readonly string[] };
  };
  "models.formats": {
    params: Empty;
    result: { readonly formats: readonly { readonly id: string; readonly title: string }[] };
  };
  "sizes.of": {
    params: { readonly subjects: readonly Subject[] };
    result: { readonly sizes: readonly ModelSize[] };
  };
  "weights.roles": {
    params: { readonly subject: Subject };
    result: { readonly title: string; readonly roles: readonly WeightRole[] };
  };
  /** The same edges for all subjects, so that before and after lie over each other. */
  "weights.histogram": {
    params: { readonly subjects: readonly Subject[]; readonly role: string; readonly bins: number };
    result: { readonly distributions: readonly Distribution[] };
  };
  "weights.heatMap": {
    params: {
      readonly subject: Subject;
      readonly role: string;
      readonly rows: number;
      readonly columns: number;
    };
    result: HeatMap;
  };
  /** Of each two columns (outputs) or rows (inputs) of a role over the other axis; at most `most` of them, evenly spread. */
  "weights.correlation": {
    params: {
      readonly subject: Subject;
      readonly role: string;
      readonly along: "rows" | "columns";
      readonly most: number;
    };
    result: HeatMap;
  };
}

/** A graphics card, with its memory in bytes. */
export interface CardEntry {
  readonly name: string;
  readonly totalBytes: number;
  readonly freeBytes?: number | undefined;
}

export interface DeviceEntry {
  readonly name: string;
  readonly works: boolean;
  readonly description: string;
  /** Why not, where it does not work. */
  readonly reason?: string;
  readonly memoryBytes?: number;
  /** Of a device of PyTorch. */
  readonly cards?: readonly CardEntry[];
}

/** A Python interpreter that was found. */
export interface InterpreterEntry {
  readonly path: string;
  /** Where it is named: `the setting lathe.pythonPath`. */
  readonly source: string;
  /** Whether devices of PyTorch use it. */
  readonly isUsed: boolean;
  /** Versions, where it can be used. */
  readonly python?: string | undefined;
  readonly torch?: string | undefined;
  /** Why it cannot be used; empty if it can. */
  readonly reason: string;
}

export interface DeviceRequests {
  /** Tests every device and interpreter once, in a separate process; `again` repeats the test. Requires trust. */
  "devices.list": {
    params: { readonly again?: boolean };
    result: {
      readonly devices: readonly DeviceEntry[];
      readonly interpreters: readonly InterpreterEntry[];
    };
  };
}
