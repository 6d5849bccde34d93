/** Options of the command line as options of a metric or an export: same names, checked by the same schema. */
import { InvalidArgumentError } from "commander";
import type { z } from "zod";
import { InvalidInput, WorkbenchError } from "../protocol/errors";

export function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("Write a number.");
  return value;
}

/** `true` and `false`; anything else is left to the check of the schema. */
export function parseBoolean(text: string): boolean | string {
  return text === "true" || text === "false" ? text === "true" : text;
}

/** `1,2` → [1, 2] */
export function parseNumbers(text: string): readonly number[] {
  return text.split(",").map(parseNumber);
}

/** For options that may be repeated. */
export function collect(text: string, previous: unknown): readonly string[] {
  return [...((previous ?? []) as readonly string[]), text];
}

/** `topP` → `top_p`. */
function toSchemaName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/**
 * Completes options by a schema, without `--json`, which every command has. Errors name the flag to change: that of the
 * key's own name, unless `flagsOf` has another.
 */
export function validateOptions<O>(
  schema: z.ZodType<O>,
  options: Readonly<Record<string, unknown>>,
  flagsOf: Readonly<Record<string, string>> = {},
): O {
  const entries = Object.entries(options)
    .filter(([name, value]) => value !== undefined && name !== "json")
    .map(([name, value]) => [toSchemaName(name), value]);
  const parsed = schema.safeParse(Object.fromEntries(entries));
  if (parsed.success) return parsed.data;
  throw new InvalidInput(
    parsed.error.issues.map(({ path, message, ...issue }) => {
      const keys = "keys" in issue ? issue.keys : [String(path[0])];
      const flags = keys.map((key) => flagsOf[key] ?? `--${key.replaceAll("_", "-")}`).join(", ");
      const problem = "keys" in issue ? "has no effect here; omit it" : message;
      return new WorkbenchError("invalid-input", `${flags}: ${problem}.`);
    }),
  );
}
