/** Finds the part of a schema at a path, so that messages, completion and sweeps know what is allowed there. */
import * as z from "zod";
import type { Path } from "./experiment";

/** The schema and the schemas it wraps, from the outside in: default and description may be on any of them. */
export function listLayers(schema: z.ZodType): readonly z.ZodType[] {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodReadonly
  )
    return [schema, ...listLayers(schema.unwrap() as z.ZodType)];
  return schema instanceof z.ZodPipe ? [schema, ...listLayers(schema.in as z.ZodType)] : [schema];
}

/** The schema without wrappers that only make a value optional. */
export function unwrap(schema: z.ZodType): z.ZodType {
  return listLayers(schema).at(-1)!;
}

export function getDescription(schema: z.ZodType): string | undefined {
  return listLayers(schema).find(({ description }) => description !== undefined)?.description;
}

/** The schema at a path; `value` selects the branch of a choice. Undefined if no value is allowed. */
export function getSchemaAt(schema: z.ZodType, path: Path, value: unknown): z.ZodType | undefined {
  const here = selectBranch(schema, value);
  const [step, ...rest] = path;
  if (step === undefined) return here;
  const inside =
    typeof value === "object" && value !== null ? (value as Record<string, unknown>)[step] : undefined;
  if (here instanceof z.ZodObject) {
    const shape = here.shape as Record<string, z.ZodType>;
    const next = Object.hasOwn(shape, step) ? shape[step] : undefined;
    return next === undefined ? undefined : getSchemaAt(next, rest, inside);
  }
  if (here instanceof z.ZodRecord) return getSchemaAt(here.valueType as z.ZodType, rest, inside);
  if (here instanceof z.ZodArray && typeof step === "number")
    return getSchemaAt(here.element as z.ZodType, rest, inside);
  return undefined;
}

/** The keys that an object may have at a path, for messages. */
export function listKeysAt(schema: z.ZodType, path: Path, value: unknown): string[] {
  const here = getSchemaAt(schema, path, value);
  return here instanceof z.ZodObject ? listOptions(here).map(([key]) => key) : [];
}

/** The documented keys of an object: keys without a description are only tolerated, unless none has one. */
export function listOptions(schema: z.ZodObject): readonly (readonly [key: string, option: z.ZodType])[] {
  const options = Object.entries<z.ZodType>(schema.shape);
  const described = options.filter(([, option]) => getDescription(option) !== undefined);
  return described.length > 0 ? described : options;
}

/** The branch of a choice for a value: by its tag if it has one, otherwise by its kind. */
function selectBranch(schema: z.ZodType, value: unknown): z.ZodType {
  const here = unwrap(schema);
  if (!(here instanceof z.ZodUnion)) return here;
  const options = (here.options as z.ZodType[]).map((option) => selectBranch(option, value));
  const tag = here instanceof z.ZodDiscriminatedUnion ? here.def.discriminator : undefined;
  const candidates =
    tag === undefined
      ? options.find((option) => getKind(option) === getValueKind(value))
      : options.find((option) => hasTag(option, tag, (value as Record<string, unknown> | undefined)?.[tag]));
  return candidates ?? here;
}

function hasTag(option: z.ZodType, key: string, tag: unknown): boolean {
  const literal =
    option instanceof z.ZodObject ? (option.shape as Record<string, z.ZodType>)[key] : undefined;
  return literal?.safeParse(tag).success === true;
}

function getKind(schema: z.ZodType): string {
  if (schema instanceof z.ZodObject || schema instanceof z.ZodRecord) return "map";
  return schema instanceof z.ZodArray ? "list" : "scalar";
}

function getValueKind(value: unknown): string {
  if (Array.isArray(value)) return "list";
  return typeof value === "object" && value !== null ? "map" : "scalar";
}
