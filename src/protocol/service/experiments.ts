/** What an editor asks about the text of an experiment. Offsets count UTF-16 units, lines and columns start at 1. */
import type { Empty } from "../connection";
import type { ActionKey, CellKey } from "../../schema/cellKeys";

export interface TextRange {
  readonly line: number;
  readonly column: number;
  /** The end is excluded. */
  readonly endLine: number;
  readonly endColumn: number;
}

/** The text as it is in the editor, saved or not. `file` is absolute: relative paths in the text start there. */
export interface ExperimentText {
  readonly file: string;
  readonly text: string;
}

export interface Diagnostic {
  readonly range: TextRange;
  /** 0-based; undefined where the fault is of no cell. */
  readonly cell?: number;
  readonly severity: "error" | "warning";
  readonly message: string;
  /** What would be right in the place of the range, for a quick fix. */
  readonly replacement?: string;
}

export interface Completion {
  readonly label: string;
  readonly kind: "key" | "value";
  /** May hold a snippet's placeholders: `max_steps: ${1:1000}`. */
  readonly insert: string;
  readonly detail: string;
  readonly documentation: string;
  /** What the insertion replaces. */
  readonly range: TextRange;
}

export interface Lens {
  readonly line: number;
  readonly cell: number;
  readonly title: string;
  readonly tooltip: string;
  /** The variant that a click shows in the Parameters panel. */
  readonly variant?: string;
  /** The same for a lens about several. */
  readonly variants?: readonly string[];
}

export interface OutlineCell {
  readonly index: number;
  /** Of the block with its fences. */
  readonly firstLine: number;
  readonly lastLine: number;
  readonly keys: readonly CellKey[];
  readonly actions: readonly ActionKey[];
}

export interface Outline {
  readonly title: string;
  readonly variants: readonly { readonly name: string; readonly line: number }[];
  readonly cells: readonly OutlineCell[];
  /** Runs that the whole file means; undefined while it has faults. */
  readonly runs?: number;
  readonly faults: number;
}

/** An experiment of the window. */
export interface ExperimentEntry {
  /** Absolute. */
  readonly file: string;
  /** Its first heading; empty where the file can't be read. */
  readonly title: string;
  /** Empty where it branches into none. */
  readonly variants: readonly string[];
}

/** A step of a run that belongs to an action of a cell. */
export interface AttachedRun {
  readonly run: string;
  readonly cell: number;
  /** Indices of `RunPlan.steps`. */
  readonly steps: readonly number[];
  /** The text of the cell or of a cell above it has changed since. */
  readonly stale: boolean;
}

export interface ExperimentRequests {
  /** The experiments that `workspace.open` named, whether they have ever run or not. */
  "experiments.list": { params: Empty; result: { readonly experiments: readonly ExperimentEntry[] } };
  "experiment.outline": { params: ExperimentText; result: Outline };
  "experiment.check": { params: ExperimentText; result: { readonly diagnostics: readonly Diagnostic[] } };
  "experiment.complete": {
    params: ExperimentText & { readonly offset: number };
    result: { readonly completions: readonly Completion[] };
  };
  "experiment.hover": {
    params: ExperimentText & { readonly offset: number };
    result: { readonly hover?: { readonly range: TextRange; readonly markdown: string } };
  };
  /** Builds the models of the experiment: ask after a pause in typing. Empty while the text has faults. */
  "experiment.lenses": { params: ExperimentText; result: { readonly lenses: readonly Lens[] } };
  /** The newest run of each variant, sweep point and seed, by the cells that it carried out. */
  "experiment.attach": { params: ExperimentText; result: { readonly attached: readonly AttachedRun[] } };
}
