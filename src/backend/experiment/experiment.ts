/** An experiment as it was read: its cells, and what each says, with the place of every word. And what becomes of it once a branch is chosen. */
import type { BaseModel } from "../../schema/baseModel";
import type { Position, WorkbenchError } from "../../protocol/errors";
import type { ActionKey, CellKey, DeclarationKey, ExperimentSchema } from "../../schema/experiment";
import type { PlainMap } from "./plainMap";

/** Keys and list indices that lead from a section to a value inside it. */
export type Path = readonly (string | number)[];

export interface Cell {
  readonly index: number;
  /** Lines of the block with its fences, or of the YAML document; 1-based, both ends included. */
  readonly firstLine: number;
  readonly lastLine: number;
  /** Top-level keys in the order they stand. */
  readonly keys: readonly string[];
}

/** What one top-level key of one cell says. */
export interface Section {
  readonly key: CellKey;
  readonly cell: number;
  readonly value: unknown;
  /** Where a path inside the section stands: its value, or its key. Undefined where the file does not have the path. */
  readonly find: (path: Path, part?: "key" | "value") => Position | undefined;
}

export interface Action extends Section {
  readonly key: ActionKey;
}

export interface Experiment {
  /** As it was named by whoever asked, and as it stands in messages. */
  readonly file: string;
  readonly schema: ExperimentSchema;
  readonly cells: readonly Cell[];
  readonly declarations: Readonly<Partial<Record<DeclarationKey, Section>>>;
  /** In the order they run; a list under `compress` is one action an entry. */
  readonly actions: readonly Action[];
  /** Blocks that look like cells and are not. */
  readonly warnings: readonly WorkbenchError[];
  /** The scale that the declarations and actions are those of. */
  readonly scale?: string;
  /** As it was written, where it stands at a scale. */
  readonly unscaled?: Experiment;
}

export interface ResolvedAction {
  readonly key: ActionKey;
  readonly cell: number;
  readonly options: PlainMap;
}

/** One branch of an experiment, all defaults filled in. */
export interface Resolved {
  readonly data: PlainMap | undefined;
  readonly model: PlainMap | undefined;
  readonly baseModel: BaseModel | undefined;
  readonly device: string;
  readonly seed: number;
  readonly actions: readonly ResolvedAction[];
}
