/**
 * The schemas that check the cells of an experiment, collected from the catalogs. Loading it does not load the
 * engine.
 */
import * as z from "zod";
import type { SchemaCatalog } from "../schema/experiment";
import { pushFields } from "../schema/push";
import { scalingLawSchema } from "../schema/scalingLaw";
import { cachePolicies } from "./caches/catalog";
import { dataSets } from "./data/datasets/catalog";
import { metrics } from "./evaluation/catalog";
import { promptPolicies } from "./evaluation/prompts/catalog";
import { exporters } from "./exports/catalog";
import { mergeMethods } from "./merging/catalog";
import { methods } from "./methods/catalog";
import { models } from "./models/catalog";
import { strategies } from "./strategies/catalog";

export const schemaCatalog: SchemaCatalog = {
  models: mapSchemas(models, "config"),
  methods: { ...mapSchemas(methods, "options"), ...mapSchemas(strategies, "options") },
  merges: mapTitledSchemas(mergeMethods),
  metrics: mapTitledSchemas(metrics),
  caches: mapTitledSchemas(cachePolicies),
  prompts: mapTitledSchemas(promptPolicies),
  exports: addPushOptions(mapSchemas(exporters, "options")),
  reports: { scaling_law: scalingLawSchema },
  dataSets: Object.keys(dataSets),
};

function mapSchemas<K extends string>(
  entries: Readonly<Record<string, { readonly [key in K]: z.ZodType }>>,
  key: K,
): Record<string, z.ZodType> {
  return Object.fromEntries(Object.entries(entries).map(([id, entry]) => [id, entry[key]]));
}

/** Each with the title of its entry as its description. */
function mapTitledSchemas(
  entries: Readonly<Record<string, { readonly title: string; readonly options: z.ZodType }>>,
): Record<string, z.ZodType> {
  return Object.fromEntries(
    Object.entries(entries).map(([id, { title, options }]) => [id, options.describe(`${title}.`)]),
  );
}

/** An export of any format can be published. */
function addPushOptions(schemas: Readonly<Record<string, z.ZodType>>): Record<string, z.ZodType> {
  return Object.fromEntries(
    Object.entries(schemas).map(([id, schema]) => [
      id,
      schema instanceof z.ZodObject ? schema.safeExtend(pushFields) : schema,
    ]),
  );
}
