/**
 * A strategy applies methods repeatedly, whatever they are. One file per strategy; it uses methods only through their
 * catalog.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { methods } from "../methods/catalog";
import type { AnyMethod, Lab, Plan } from "../compression/method";
import { listMatrixSlots, type ModelShape, partsOf } from "../models/model";
import { listWithPieces } from "../models/weights";
import type { Checkpoint } from "../checkpoints/checkpoint";

export interface Strategy<O> {
  readonly title: string;
  /** The publication. */
  readonly paper?: string;
  readonly options: z.ZodType<O>;
  needs(options: O): readonly ("text" | "teacher")[];
  /** Options worth testing. */
  readonly samples: readonly Readonly<Record<string, unknown>>[];
  /** The resulting shape, as far as it does not depend on text. Throws the reason if it is not possible. */
  plan(before: ModelShape, options: O): Plan;
  apply(before: Checkpoint, options: O, lab: Lab): Promise<Checkpoint>;
}

// The catalog holds strategies of any options; each parses its own before use.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyStrategy = Strategy<any>;

export function defineStrategy<O>(strategy: Strategy<O>): Strategy<O> {
  return strategy;
}

/** One method with its options, in the form of a `compress` cell. */
export const methodSchema = z
  .strictObject(
    Object.fromEntries(Object.entries(methods).map(([name, { options }]) => [name, options.optional()])),
  )
  .refine((choice) => Object.keys(choice).length === 1, { error: "name one method with its options" });

export interface ChosenMethod {
  readonly name: string;
  readonly method: AnyMethod;
  readonly options: Readonly<Record<string, unknown>>;
}

export function chooseMethod(choice: Readonly<Record<string, unknown>>): ChosenMethod {
  const [name, options] = Object.entries(choice)[0]!;
  return { name, method: methods[name]!, options: options as ChosenMethod["options"] };
}

/** The same method with other options. */
export function changeOptions(
  { name, method, options }: ChosenMethod,
  changes: ChosenMethod["options"],
): ChosenMethod {
  return {
    name,
    method,
    options: method.options.parse({ ...options, ...changes }) as ChosenMethod["options"],
  };
}

/** Roles that the method would store differently. */
export function listChangedRoles(before: ModelShape, { name, method, options }: ChosenMethod): string[] {
  const { shape } = method.plan(before, options);
  const matrices = listMatrixSlots(shape).flatMap(({ matrix, stored }) => [
    matrix,
    ...partsOf(matrix),
    ...stored.flatMap(({ pieces }) => pieces.flatMap(listWithPieces)).map((piece) => piece.matrix),
  ]);
  const roles = matrices.flatMap(({ role }) =>
    shape.representations[role] === before.representations[role] ? [] : [role],
  );
  if (roles.length > 0) return roles;
  throw new WorkbenchError(
    "invalid-input",
    method.rate === undefined
      ? `${name} prepares a whole model and stores no matrix in another form. Apply it in a compress cell of its own.`
      : `${name} changes nothing with these options; raise its ${method.rate}.`,
  );
}
