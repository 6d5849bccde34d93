/**
 * A parsed experiment: its cells and their values, with the position of every word, and the result of choosing a
 * branch.
 */
import type { BaseModel } from "../../schema/baseModel";
import type { Position, WorkbenchError } from "../../protocol/errors";
import type { ActionKey, CellKey, DeclarationKey } from "../../schema/cellKeys";
import type { ExperimentSchema } from "../../schema/experiment";
import type { ParallelOptions } from "../../schema/parallel";
import type { PlainMap } from "./plainMap";

/** Keys and list indices that lead from a section to a value inside it. */
export type Path = readonly (string | number)[];

export interface Cell {
  readonly index: number;
  /** Lines of the block with its fences, or of the YAML document; 1-based, both ends inclusive. */
  readonly firstLine: number;
  readonly lastLine: number;
  /** Top-level keys in the order of the file. */
  readonly keys: readonly string[];
}

/** The value of one top-level key of one cell. */
export interface Section {
  readonly key: CellKey;
  readonly cell: number;
  readonly value: unknown;
  /**
   * The position of a path inside the section: its value, or its key. Undefined if the file does not have the path.
   */
  readonly find: (path: Path, part?: "key" | "value") => Position | undefined;
}

export interface Action extends Section {
  readonly key: ActionKey;
}

export interface Experiment {
  /** As the caller named it, and as messages show it. */
  readonly file: string;
  readonly schema: ExperimentSchema;
  readonly cells: readonly Cell[];
  readonly declarations: Readonly<Partial<Record<DeclarationKey, Section>>>;
  /** In execution order; a list under `compress` is one action per entry. */
  readonly actions: readonly Action[];
  /** Blocks that look like cells and are not. */
  readonly warnings: readonly WorkbenchError[];
  /** The scale of the declarations and actions. */
  readonly scale?: string;
  /** The original experiment, if this one is at a scale. */
  readonly unscaled?: Experiment;
}

export interface ResolvedAction {
  readonly key: ActionKey;
  readonly cell: number;
  readonly options: PlainMap;
}

/** One branch of an experiment with all defaults filled in. */
export interface Resolved {
  readonly data: PlainMap | undefined;
  readonly model: PlainMap | undefined;
  readonly baseModel: BaseModel | undefined;
  readonly device: string;
  readonly parallel: ParallelOptions | undefined;
  readonly seed: number;
  readonly actions: readonly ResolvedAction[];
}
