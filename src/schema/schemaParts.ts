/** How the schema of experiments is put together: entries of a catalog as options, and what a variant may change. */
import * as z from "zod";

export function makeOptional(schemas: Readonly<Record<string, z.ZodType>>) {
  const entries = Object.entries(schemas).map(([id, schema]) => {
    const optional = asObject(id, schema).strict().optional();
    return [id, schema.description === undefined ? optional : optional.describe(schema.description)];
  });
  return Object.fromEntries(entries) as Record<string, z.ZodOptional>;
}

/** Joins the schemas of a catalog into one union, discriminated by a key whose value is the entry's name. */
export function createChoice(key: string, schemas: Readonly<Record<string, z.ZodType>>): z.ZodType {
  const options = Object.entries(schemas).map(([id, schema]) => {
    const tag = z.literal(id).describe(`Must be ${id} for the keys that follow.`);
    return asObject(id, schema)
      .safeExtend({ [key]: tag })
      .strict();
  });
  const [first, ...rest] = options;
  if (first === undefined) return z.strictObject({ [key]: z.never() });
  return z.discriminatedUnion(key, [first, ...rest]);
}

export function collectKeys(
  key: string,
  schemas: Readonly<Record<string, z.ZodType>>,
): Record<string, z.ZodType> {
  const shape: Record<string, z.ZodType> = { [key]: z.string() };
  for (const [id, schema] of Object.entries(schemas))
    for (const [name, option] of Object.entries(asObject(id, schema).shape))
      // Families disagree on bounds of an equal key; the family's own schema decides after merging.
      if (name !== key) shape[name] ??= z.unknown().describe(option.description ?? "");
  return shape;
}

function asObject(id: string, schema: z.ZodType): z.ZodObject<Record<string, z.ZodType>> {
  if (schema instanceof z.ZodObject) return schema;
  throw new Error(`The schema of ${id} has to be an object of named options.`);
}

/** The same keys at every depth, none required, none filled in, each also null. */
export function toChangesSchema(schema: z.ZodType): z.ZodType {
  const described = (changed: z.ZodType) =>
    schema.description === undefined ? changed : changed.describe(schema.description);
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional)
    return described(toChangesSchema(schema.unwrap() as z.ZodType));
  if (schema instanceof z.ZodObject) {
    const shape = Object.entries<z.ZodType>(schema.shape);
    return described(
      z
        .strictObject(Object.fromEntries(shape.map(([name, option]) => [name, toChangesSchema(option)])))
        .nullable()
        .optional(),
    );
  }
  if (schema instanceof z.ZodArray)
    return described(
      z
        .array(toChangesSchema(schema.element as z.ZodType))
        .nullable()
        .optional(),
    );
  if (schema instanceof z.ZodUnion)
    return described(
      z
        .union((schema.options as z.ZodType[]).map(toChangesSchema))
        .nullable()
        .optional(),
    );
  return described(schema.nullable().optional());
}
