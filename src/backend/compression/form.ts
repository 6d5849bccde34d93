/**
 * The two forms of a method: `improved`, with the defaults that measured best at equal bits, and `published`, with those
 * of the paper and of its authors' code. A form only fills in options that are left out.
 */
import * as z from "zod";

export type FormName = "improved" | "published";

/** The option of every method that has two forms. */
export const formOption = {
  as: z
    .enum(["improved", "published"])
    .default("improved")
    .describe(
      "Defaults of the options that are left out: those that measured best at equal bits, or those of the publication.",
    ),
};

type Values = Readonly<Record<string, unknown>>;

/** `T` without `undefined` for the options `K`, which every form defines. */
export type Filled<T, K extends keyof T> = Omit<T, K> & { readonly [key in K]-?: Exclude<T[key], undefined> };

/** Returns the options with those of `forms[options.as]` for each one that is left out. Nested options are filled too. */
export function fillForm<T extends { readonly as: FormName }, K extends keyof T>(
  options: T,
  forms: Readonly<Record<FormName, { readonly [key in K]-?: Exclude<T[key], undefined> }>>,
): Filled<T, K> {
  return fill(options, forms[options.as]) as Filled<T, K>;
}

function fill(values: Values, defaults: Values): Values {
  const filled: Record<string, unknown> = { ...values };
  for (const [key, value] of Object.entries(defaults)) {
    const own = values[key];
    filled[key] = own === undefined ? value : isPlain(own) && isPlain(value) ? fill(own, value) : own;
  }
  return filled;
}

const isPlain = (value: unknown): value is Values =>
  typeof value === "object" && value !== null && !Array.isArray(value);
