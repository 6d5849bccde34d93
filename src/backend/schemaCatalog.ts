/** The schemas that cells of an experiment are checked against, gathered from the catalogs. Loading it loads no engine. */
import { z } from "zod";
import type { SchemaCatalog } from "../protocol/experiment";
import { metrics } from "./evaluation/catalog";
import { methods } from "./methods/catalog";
import { models } from "./models/catalog";

export const schemaCatalog: SchemaCatalog = {
  models: schemas(models, "config"),
  methods: schemas(methods, "options"),
  metrics: schemas(metrics, "options"),
  exports: {
    safetensors: z.strictObject({}),
    onnx: z.strictObject({}),
  },
  reports: {},
};

function schemas<K extends string>(
  entries: Readonly<Record<string, { readonly [key in K]: z.ZodType }>>,
  key: K,
): Record<string, z.ZodType> {
  return Object.fromEntries(Object.entries(entries).map(([id, entry]) => [id, entry[key]]));
}
