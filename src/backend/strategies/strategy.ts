/** What a strategy is: a way to apply methods again and again, whatever they are. One file a strategy; it knows methods by their catalog alone. */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { methods } from "../methods/catalog";
import type { AnyMethod, Lab, Plan } from "../compression/method";
import { matrixSlots, type ModelShape, partsOf } from "../models/model";
import type { Checkpoint } from "../checkpoints/checkpoint";

export interface Strategy<O> {
  readonly title: string;
  /** Where it was published. */
  readonly paper?: string;
  readonly options: z.ZodType<O>;
  needs(options: O): readonly ("text" | "teacher")[];
  /** Options worth testing. */
  readonly samples: readonly Readonly<Record<string, unknown>>[];
  /** What would come out, as far as it does not depend on text; refuses with the reason. */
  plan(before: ModelShape, options: O): Plan;
  apply(before: Checkpoint, options: O, lab: Lab): Promise<Checkpoint>;
}

// The catalog holds strategies of any options; each parses its own before use.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyStrategy = Strategy<any>;

export function defineStrategy<O>(strategy: Strategy<O>): Strategy<O> {
  return strategy;
}

/** One method with its options, as a `compress` cell names it. */
export const oneMethod = z
  .strictObject(
    Object.fromEntries(Object.entries(methods).map(([name, { options }]) => [name, options.optional()])),
  )
  .refine((given) => Object.keys(given).length === 1, { error: "name one method with its options" });

export interface Chosen {
  readonly name: string;
  readonly method: AnyMethod;
  readonly options: Readonly<Record<string, unknown>>;
}

export function chosenMethod(given: Readonly<Record<string, unknown>>): Chosen {
  const [name, options] = Object.entries(given)[0]!;
  return { name, method: methods[name]!, options: options as Chosen["options"] };
}

/** The same choice with other options. */
export function changed({ name, method, options }: Chosen, changes: Chosen["options"]): Chosen {
  return { name, method, options: method.options.parse({ ...options, ...changes }) as Chosen["options"] };
}

/** Roles that the method would store in another way. */
export function treatedRoles(before: ModelShape, { name, method, options }: Chosen): string[] {
  const { shape } = method.plan(before, options);
  const matrices = matrixSlots(shape).flatMap(({ matrix }) => [matrix, ...partsOf(matrix)]);
  const roles = matrices.flatMap(({ role }) =>
    shape.representations[role] === before.representations[role] ? [] : [role],
  );
  if (roles.length > 0) return roles;
  throw new WorkbenchError(
    "invalid-input",
    `${name} changes nothing with these options; raise its ${method.rate}.`,
  );
}
