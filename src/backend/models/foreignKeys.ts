/** Which keys of a configuration another program reads, and what it computes whatever they are. */
import type * as z from "zod";
import { isInert } from "./config";
import { familyOf, type ModelShape } from "./model";

export type Config = Readonly<Record<string, unknown>>;

export interface ForeignKeys {
  /** Keys of the configuration that are written, or that change nothing after training. */
  readonly known: readonly string[];
  /** Why a value of a key cannot be written; undefined if it can. */
  readonly conditions: Readonly<Record<string, (value: unknown, config: Config) => string | undefined>>;
}

/** Why the program would compute something else; undefined if it does not. `missing` is the reason of a key that is not listed. */
export function refuseKeys(
  { family, config }: Pick<ModelShape, "family" | "config">,
  { known, conditions }: ForeignKeys,
  missing: string,
): string | undefined {
  const fields: Readonly<Record<string, z.ZodType>> = (familyOf(family).config as unknown as z.ZodObject)
    .shape;
  for (const [key, value] of Object.entries(config)) {
    const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
    const isDescriptive = key === "model_type" || field === undefined || isInert(field);
    if (isDescriptive || value === null || value === undefined) continue;
    const refuse = Object.hasOwn(conditions, key) ? conditions[key]! : undefined;
    const isWritten = value === false || known.includes(key);
    const reason = refuse === undefined ? (isWritten ? undefined : missing) : refuse(value, config);
    if (reason !== undefined) return `${key} is ${JSON.stringify(value)}, but ${reason}`;
  }
  return undefined;
}
