/** The paths for which a sweep of an experiment may list values. */
import * as z from "zod";
import type { ExperimentSchema } from "../../schema/experiment";
import { branchable, isActionKey } from "../experiment/parts";
import type { PlainMap } from "../experiment/plainMap";
import { listOptions, getSchemaAt } from "../experiment/schemaWalk";
import { findMap } from "./schemaTarget";

export type SweepPath = readonly [path: string, option: z.ZodType];

/** Options of what the cells contain, including maps within maps; lists and names of models are left out. */
export function listSweepPaths(schema: ExperimentSchema, cells: PlainMap): SweepPath[] {
  const heads = Object.keys(cells).filter(
    (key) => isActionKey(key) || (branchable as readonly string[]).includes(key),
  );
  return ["seed", ...heads.filter((key) => key !== "seed")].flatMap((head) => {
    const option = (schema.shape as Readonly<Record<string, z.ZodType>>)[head];
    return option === undefined
      ? []
      : listLeaves(head, option, getSchemaAt(schema, [head], cells), cells[head]);
  });
}

function listLeaves(
  path: string,
  option: z.ZodType,
  here: z.ZodType | undefined,
  value: unknown,
): SweepPath[] {
  const map = findMap(here);
  if (!(map instanceof z.ZodObject)) {
    const single = here instanceof z.ZodNumber || here instanceof z.ZodEnum || here instanceof z.ZodBoolean;
    return single ? [[path, option]] : [];
  }
  return listOptions(map).flatMap(([key, inner]) => {
    const inside = (value as Readonly<Record<string, unknown>> | null | undefined)?.[key];
    const deeper = getSchemaAt(inner, [], inside);
    // Only existing methods and metrics can be changed.
    if (findMap(deeper) instanceof z.ZodObject && inside === undefined) return [];
    return listLeaves(`${path}.${key}`, inner, deeper, inside);
  });
}
