/** The allowed values of an option in words, for completion, hover and the reference page. */
import * as z from "zod";

export interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
}

export function toJsonSchema(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, {
    io: "input",
    target: "draft-7",
    unrepresentable: "any",
    override: ({ jsonSchema }) => {
      // Every whole number has these bounds, so they carry no information.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
    },
  }) as JsonSchema;
}

export function formatCode(value: unknown): string {
  return `\`${typeof value === "string" && value !== "" ? value : JSON.stringify(value)}\``;
}

/** `formatValue` formats an allowed value. */
export function formatType(schema: JsonSchema, formatValue: (value: unknown) => string = formatCode): string {
  if (schema.enum !== undefined) return schema.enum.map(formatValue).join(", ");
  if (schema.const !== undefined) return formatValue(schema.const);
  const branches = schema.anyOf ?? schema.oneOf;
  if (branches !== undefined)
    return [...new Set(branches.map((branch) => formatType(branch, formatValue)))].join(" or ");
  switch (schema.type) {
    case "integer":
      return `whole number${formatRange(schema)}`;
    case "number":
      return `number${formatRange(schema)}`;
    case "string":
      return "text";
    case "boolean":
      return "true or false";
    case "array":
      return `list of ${formatEntries(schema.items, formatValue)}`;
    case "object":
      return "map";
    case "null":
      return formatValue(null);
    default:
      return "any value";
  }
}

function formatEntries(items: JsonSchema | undefined, formatValue: (value: unknown) => string): string {
  const kinds = (items?.anyOf ?? [items]).map((kind) =>
    kind?.type === undefined ? "values" : pluralizeType(formatType(kind, formatValue)),
  );
  return [...new Set(kinds)].join(" or ");
}

function pluralizeType(type: string): string {
  if (type === "text") return "texts";
  return type.replace(/^(list|map|number|whole number)\b/, "$1s");
}

function formatRange({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema): string {
  if (minimum !== undefined && maximum !== undefined) return ` from ${minimum} to ${maximum}`;
  const bounds = [
    minimum === undefined ? "" : `at least ${minimum}`,
    exclusiveMinimum === undefined ? "" : `above ${exclusiveMinimum}`,
    maximum === undefined ? "" : `at most ${maximum}`,
    exclusiveMaximum === undefined ? "" : `below ${exclusiveMaximum}`,
  ].filter(Boolean);
  return bounds.length === 0 ? "" : ` ${bounds.join(", ")}`;
}
