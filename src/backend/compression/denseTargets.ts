/** The targets of a method that takes a matrix and stores it in another way; what it cannot take is refused with the reason. */
import { WorkbenchError } from "../../protocol/errors";
import type { RepresentationChoices } from "../models/family";
import { type ModelShape, withRepresentations } from "../models/model";
import { allProjections, selectTargets, type Target, type TargetOptions, type Usual } from "./targets";

/** `usual` are the targets where the options name none; `also` are types that can be treated like dense ones. */
export function denseTargets(
  title: string,
  shape: ModelShape,
  { targets, ignore }: TargetOptions,
  usual: Usual = allProjections,
  also: readonly string[] = [],
): Target[] {
  const types = ["dense", ...also];
  const found = selectTargets(shape, { targets, ignore }, usual);
  const faults = found.flatMap(({ matrix, type }) =>
    types.includes(type)
      ? []
      : [`${matrix.role} is stored ${type}, and only a ${types.join(" or ")} matrix can be treated`],
  );
  if (faults.length === 0) return found;
  const more = faults.length > 1 ? ` (and so for ${faults.length - 1} more)` : "";
  throw new WorkbenchError(
    "unsupported",
    `${title} cannot be applied: ${faults[0]!}${more}. Leave such roles out with ignore.`,
    { faults },
  );
}

/** The shape with a representation for each target that gets one; the others, and the parts beside them, stay dense. */
export function stored(
  shape: ModelShape,
  targets: readonly Target[],
  choose: (target: Target) => { readonly type: string; readonly options: object } | undefined,
): ModelShape {
  const choices: RepresentationChoices = Object.fromEntries(
    targets.flatMap((target) => {
      const choice = choose(target);
      if (choice === undefined) return [];
      return [[target.matrix.role, { type: choice.type, options: { ...choice.options } }]];
    }),
  );
  return withRepresentations(shape, choices);
}

/** Where what goes into a target is observed: what goes into a part of a packed matrix goes into the matrix. */
export function observedRole({ matrix, packedIn }: Target): string {
  return (packedIn ?? matrix).role;
}
