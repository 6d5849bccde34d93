/** `lathe schema`: the JSON schema of an experiment's cells, for editors and other programs. */
import { type JsonSchema, toJsonSchema } from "../../backend/language/typeText";
import { createExperimentSchema } from "../../schema/experiment";
import { defineCommand } from "../command";

export default defineCommand<readonly [], object>({
  summary: "print the JSON schema of an experiment's cells",
  async run({ catalog }) {
    const { $schema, ...schema } = referToVariants(
      toJsonSchema(createExperimentSchema(catalog)),
    ) as JsonSchema & {
      readonly $schema: string;
    };
    const document = { $schema, title: "Cells of a Lathe experiment", ...schema };
    return { document, text: JSON.stringify(document, null, 2) };
  },
});

/** A scale accepts the same changes as a variant: its keys refer to those of `variants`, so that each is written once. */
function referToVariants(schema: JsonSchema): JsonSchema {
  const { scales, variants } = schema.properties ?? {};
  const variantOptions = getChanges(variants);
  const branch = variantOptions.findIndex(({ properties }) => properties !== undefined);
  const createPointer = (key: string) =>
    key === "variants" || key === "sweep"
      ? `#/properties/${key}`
      : `#/properties/variants/additionalProperties/anyOf/${branch}/properties/${key}`;
  const anyOf = getChanges(scales).map((option) => ({
    ...option,
    ...(option.properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            // A search is changed by scales alone.
            Object.entries(option.properties).map(([key, schemaOfKey]) => [
              key,
              key === "search" ? schemaOfKey : { $ref: createPointer(key) },
            ]),
          ),
        }),
  }));
  return {
    ...schema,
    properties: {
      ...schema.properties,
      scales: { ...scales, additionalProperties: { anyOf } } as JsonSchema,
    },
  };
}

/** What a map of variants or scales accepts as one entry: a map of changes, or null. */
function getChanges(map: JsonSchema | undefined): readonly JsonSchema[] {
  return (
    (map as { readonly additionalProperties?: JsonSchema } | undefined)?.additionalProperties?.anyOf ?? []
  );
}
