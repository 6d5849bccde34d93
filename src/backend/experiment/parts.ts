/**
 * The declarations and actions of one branch while it is assembled. Each remembers who contributed what, so that a
 * fault points to its source.
 */
import type { WorkbenchError } from "../../protocol/errors";
import { type ActionKey, actionKeys, type CellKey } from "../../schema/cellKeys";
import { optionAliases } from "../../schema/experiment";
import type { Experiment, Path, Section } from "./experiment";
import { createFault, toFaults, type Locate, type Place } from "./faults";
import { isMap, mergeMaps, type PlainMap } from "./plainMap";
import { getSchemaAt } from "./schemaWalk";

export type Find = (path: Path, part: "key" | "value") => Place | undefined;

/** A declaration or action being assembled: its value so far, and its contributors, the cell first. */
export interface Part {
  readonly key: CellKey;
  readonly cell: number;
  value: unknown;
  finds: Find[];
}

/** The branch being assembled. */
export interface Branch {
  readonly experiment: Experiment;
  readonly declarations: Map<Branchable, Part>;
  actions: Part[];
  readonly faults: WorkbenchError[];
}

/** Declarations that a variant, a sweep or a setting may change. */
export const branchable = ["recipe", "data", "model", "base_model", "device", "parallel", "seed"] as const;
export type Branchable = (typeof branchable)[number];

export function isBranchable(key: string): key is Branchable {
  return (branchable as readonly string[]).includes(key);
}

export function isActionKey(key: string): key is ActionKey {
  return (actionKeys as readonly string[]).includes(key);
}

export function createPart(section: Section, faults: WorkbenchError[]): Part {
  const find: Find = (path, part) => section.find(path, part);
  const value = normalizeNames(section.key, section.value, find, faults);
  return { key: section.key, cell: section.cell, value, finds: [find] };
}

/** Replaces alternative names of options by the usual ones. */
export function normalizeNames(key: CellKey, value: unknown, find: Find, faults: WorkbenchError[]): unknown {
  const names = optionAliases[key];
  if (names === undefined || !isMap(value)) return value;
  const options = { ...value };
  for (const [alias, canonicalName] of Object.entries(names)) {
    if (!(alias in value)) continue;
    if (canonicalName in value && value[canonicalName] !== value[alias]) {
      const place = find([alias], "key");
      if (place !== undefined)
        faults.push(
          createFault(place, `${alias} and ${canonicalName} are two names of one option. Keep one of them.`),
        );
    }
    options[canonicalName] = value[alias];
    // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- the name comes from a fixed table
    delete options[alias];
  }
  return options;
}

export function mergeInto(part: Part, change: unknown, find: Find): void {
  part.value = mergeMaps(part.value, change);
  part.finds = [...part.finds, find];
}

/**
 * Asks the latest contributor first. For a value that nobody wrote, the latest change around it is the cause; a key
 * that nobody wrote is missing from the cell.
 */
export function locateIn(part: Part): Locate {
  const names = Object.entries(optionAliases[part.key] ?? {});
  const locate: Locate = (path, what) => {
    const alias = names.find(([, canonicalName]) => canonicalName === path[0])?.[0];
    const spellings = alias === undefined ? [path] : [path, [alias, ...path.slice(1)]];
    const oldestFirst = path.length === 0 && what === "key";
    for (const find of oldestFirst ? part.finds : part.finds.toReversed())
      for (const spelling of spellings) {
        const place = find(spelling, what);
        if (place !== undefined) return place;
      }
    return path.length === 0 ? { setting: part.key } : locate(path.slice(0, -1), what);
  };
  return locate;
}

export function checkPart(branch: Branch, part: Part | undefined): unknown {
  if (part === undefined) return undefined;
  const schema = branch.experiment.schema.shape[part.key];
  const { value } = part;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const checked = { name: part.key, schema, value, locate: locateIn(part), complete: true };
  for (const fault of toFaults(result.error.issues, checked)) branch.faults.push(fault);
  return undefined;
}

/** Far above any real vocabulary, so that rules about token ids pass. */
const anyVocabulary = 2 ** 30;

/** A vocabulary size that nobody wrote is left open for the tokenizer, regardless of the family's default. */
export function checkModel(branch: Branch, part: Part | undefined, tokenized: boolean): PlainMap | undefined {
  if (part === undefined) return undefined;
  const { value } = part;
  const schema = branch.experiment.schema.shape.model;
  const open =
    tokenized &&
    isMap(value) &&
    !("vocab_size" in value) &&
    getSchemaAt(schema, ["vocab_size"], value) !== undefined;
  if (!open) return checkPart(branch, part) as PlainMap | undefined;
  const model = checkPart(branch, { ...part, value: { ...value, vocab_size: anyVocabulary } });
  if (!isMap(model)) return undefined;
  return Object.fromEntries(Object.entries(model).filter(([key]) => key !== "vocab_size"));
}
