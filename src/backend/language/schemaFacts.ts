/**
 * The facts of a schema about one option: type, values, default, meaning. The single source for completion and hover.
 */
import * as z from "zod";
import { unwrap, getDescription, listLayers } from "../experiment/schemaWalk";
import { toJsonSchema, formatType } from "./typeText";

export interface Facts {
  readonly description: string;
  /** In words: `whole number above 0`. */
  readonly type: string;
  /** Absent if nothing is filled in. */
  readonly fallback?: unknown;
  /** The allowed values, if they can be listed. */
  readonly values: readonly (string | number | boolean | null)[];
}

const cache = new WeakMap<z.ZodType, Facts>();

export function getFacts(schema: z.ZodType): Facts {
  let facts = cache.get(schema);
  if (facts === undefined) cache.set(schema, (facts = read(schema)));
  return facts;
}

function read(schema: z.ZodType): Facts {
  const layers = listLayers(schema);
  const defaultLayer = layers.find((layer) => layer instanceof z.ZodDefault);
  const fallback: unknown = defaultLayer?.def.defaultValue;
  return {
    description: getDescription(schema) ?? "",
    type: formatSchemaType(schema),
    values: listValues(schema),
    ...(defaultLayer && { fallback }),
  };
}

function formatSchemaType(schema: z.ZodType): string {
  const here = unwrap(schema);
  // The options of a map are explained one by one.
  if (here instanceof z.ZodObject || here instanceof z.ZodRecord || here instanceof z.ZodDiscriminatedUnion)
    return "map";
  if (here instanceof z.ZodUnion)
    return [...new Set((here.options as z.ZodType[]).map(formatSchemaType))].join(" or ");
  if (here instanceof z.ZodArray && unwrap(here.element as z.ZodType) instanceof z.ZodObject)
    return "list of maps";
  const { default: _filled, ...json } = toJsonSchema(here);
  const type = formatType(json, formatPlainValue);
  return listLayers(schema).some((layer) => layer instanceof z.ZodNullable) ? `${type} or null` : type;
}

function listValues(schema: z.ZodType): Facts["values"] {
  const here = unwrap(schema);
  const empty = listLayers(schema).some((layer) => layer instanceof z.ZodNullable) ? [null] : [];
  if (here instanceof z.ZodEnum) return [...here.options, ...empty];
  if (here instanceof z.ZodLiteral)
    return [...(here.values as Set<string | number | boolean | null>), ...empty];
  if (here instanceof z.ZodBoolean) return [true, false, ...empty];
  if (here instanceof z.ZodDiscriminatedUnion) return empty;
  if (here instanceof z.ZodUnion)
    return [...new Set([...(here.options as z.ZodType[]).flatMap(listValues), ...empty])];
  return empty;
}

/** A value as it is written in a cell. */
export function formatPlainValue(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value);
  // Text that YAML would parse as another type must be quoted.
  return /^[A-Za-z][\w./-]*(?::[\w./-]+)*$/.test(value) &&
    !/^(?:true|false|null|yes|no|on|off|y|n)$/i.test(value)
    ? value
    : JSON.stringify(value);
}

/** The key that distinguishes the branches of a choice, with the names of all branches. */
export interface Tag {
  readonly key: string;
  readonly values: readonly string[];
  /** As a separate option. */
  readonly option: z.ZodType;
}

const tags = new WeakMap<z.ZodType, Tag>();

export function findTag(schema: z.ZodType): Tag | undefined {
  const here = unwrap(schema);
  if (!(here instanceof z.ZodDiscriminatedUnion)) return undefined;
  let tag = tags.get(here);
  if (tag === undefined) {
    const key = here.def.discriminator;
    const values = (here.options as z.ZodObject[]).flatMap(({ shape }) =>
      getFacts((shape as Record<string, z.ZodType>)[key]!).values.map(String),
    );
    const option = z.enum(values).describe("Determines which other keys are allowed.");
    tags.set(here, (tag = { key, values, option }));
  }
  return tag;
}

export function isRequired(option: z.ZodType): boolean {
  return (
    !listLayers(option).some((layer) => layer instanceof z.ZodOptional || layer instanceof z.ZodDefault) &&
    !option.safeParse(undefined).success
  );
}
