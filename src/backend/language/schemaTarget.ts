/** Finds the schema for a position in a cell, taking variants and the cells above into account. */
import * as z from "zod";
import { type ExperimentSchema, optionAliases } from "../../schema/experiment";
import type { Path } from "../experiment/experiment";
import { getValueAt } from "../experiment/faults";
import { isActionKey, isBranchable } from "../experiment/parts";
import { isMap, mergeMaps, type PlainMap } from "../experiment/plainMap";
import { unwrap, getSchemaAt } from "../experiment/schemaWalk";
import type { CellText } from "./cellTexts";
import { parsePlainCell } from "./looseYaml";
import { findTag } from "./schemaFacts";

export interface Target {
  /** With default and description. */
  readonly schema: z.ZodType;
  /** The schema that a value is checked against: of a choice, the branch for the value. */
  readonly here: z.ZodType;
  /** Without the path to the variant: `["model", "hidden_size"]`. */
  readonly path: Path;
  readonly variant: boolean;
}

/** All cells as one map: what a variant changes and a choice may depend on. The first of duplicate keys wins. */
export function joinCells(cells: readonly CellText[]): PlainMap {
  const all: Record<string, unknown> = {};
  for (const { yaml } of cells)
    for (const [key, value] of Object.entries(parsePlainCell(yaml))) all[key] ??= value;
  return all;
}

/** `cell` is the cell's own value, `all` that of all cells. Undefined if nothing is allowed. */
export function resolveTarget(
  schema: ExperimentSchema,
  path: Path,
  cell: PlainMap,
  all: () => PlainMap,
): Target | undefined {
  if (path[0] === "scales" && path.length > 1) return resolveScaleTarget(schema, path, cell, all);
  if (path[0] !== "variants" || path.length < 2) return resolveInside(schema, path, cell, false);
  const innerPath = path.slice(2);
  const [head] = innerPath;
  if (head === undefined) return resolveInside(createVariantKeys(schema), innerPath, {}, true);
  if (typeof head !== "string" || !(isBranchable(head) || isActionKey(head))) return undefined;
  const change = getValueAt(cell, path.slice(0, 2));
  return resolveInside(schema, innerPath, mergeMaps(all(), isMap(change) ? change : {}) as PlainMap, true);
}

/** A scale changes the cells like a variant, and also the variants and the sweep. */
function resolveScaleTarget(
  schema: ExperimentSchema,
  path: Path,
  cell: PlainMap,
  all: () => PlainMap,
): Target | undefined {
  const [, name, head] = path;
  const innerPath = path.slice(2);
  const { variants, sweep } = schema.shape;
  if (head === undefined)
    return resolveInside(
      z.strictObject({ ...createVariantKeys(schema).shape, variants, sweep }),
      innerPath,
      {},
      true,
    );
  const changes = getValueAt(cell, path.slice(0, 2));
  const changed = isMap(changes) ? changes : {};
  if (head === "variants" && innerPath.length > 1)
    return resolveTarget(schema, innerPath, changed, () => mergeMaps(all(), changed) as PlainMap);
  if (head === "variants" || head === "sweep") return resolveInside(schema, innerPath, changed, true);
  return resolveTarget(schema, ["variants", name!, ...innerPath], { variants: { [name!]: changed } }, all);
}

function resolveInside(root: z.ZodType, path: Path, value: PlainMap, variant: boolean): Target | undefined {
  const last = path.at(-1);
  if (last === undefined) return { schema: root, here: root, path, variant };
  const above = resolveInside(root, path.slice(0, -1), value, variant);
  const schema = above === undefined ? undefined : findOption(above, last);
  if (schema === undefined) return undefined;
  return { schema, here: getSchemaAt(schema, [], getValueAt(value, path)) ?? schema, path, variant };
}

function findOption(above: Target, step: string | number): z.ZodType | undefined {
  const map = findMap(above.here);
  if (typeof step === "number") {
    const list = getSchemaAt(above.schema, [], []);
    return list instanceof z.ZodArray ? (list.element as z.ZodType) : undefined;
  }
  if (map instanceof z.ZodRecord) return map.valueType as z.ZodType;
  const tag = findTag(above.schema);
  if (tag !== undefined && step === tag.key) return tag.option;
  // If the tag of a choice is missing or unknown, any branch with the key can explain it.
  const branches = map instanceof z.ZodDiscriminatedUnion ? (map.options as z.ZodType[]) : [map];
  return branches
    .map((branch) => (branch instanceof z.ZodObject ? (branch.shape as Record<string, z.ZodType>) : {}))
    .find((shape) => Object.hasOwn(shape, step))?.[step];
}

/** The map among the schemas allowed at a position: one method rather than a list of them. */
export function findMap(schema: z.ZodType | undefined): z.ZodType | undefined {
  if (schema === undefined) return undefined;
  const here = unwrap(schema);
  if (here instanceof z.ZodDiscriminatedUnion || !(here instanceof z.ZodUnion)) return here;
  return (here.options as z.ZodType[]).map(unwrap).find((option) => option instanceof z.ZodObject) ?? here;
}

const variants = new WeakMap<ExperimentSchema, z.ZodObject>();

/** The keys of a variant with their meaning in a cell. */
function createVariantKeys(schema: ExperimentSchema): z.ZodObject {
  let keys = variants.get(schema);
  if (keys === undefined) {
    const all = Object.entries<z.ZodType>(schema.shape);
    const changed = all.filter(([key]) => isBranchable(key) || isActionKey(key));
    variants.set(schema, (keys = z.strictObject(Object.fromEntries(changed))));
  }
  return keys;
}

/** The alternative names of an existing key: writing both is a fault. */
export function listAliases(cell: unknown, key: string): readonly string[] {
  const names = typeof cell === "string" ? (optionAliases[cell] ?? {}) : {};
  return Object.entries(names).flatMap(([alias, canonicalName]) =>
    alias === key ? [canonicalName] : canonicalName === key ? [alias] : [],
  );
}
