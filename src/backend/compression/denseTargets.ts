/** Selects the targets of a method that replaces the representation of dense matrices; rejects others with the reason. */
import { WorkbenchError } from "../../protocol/errors";
import type { RepresentationChoices } from "../models/family";
import { type ModelShape, withRepresentations } from "../models/model";
import { describeStorage, type StoredMatrix } from "../models/weights";
import { isProjection, selectTargets, type Target, type TargetOptions, type MatrixFilter } from "./targets";

/**
 * `isDefault` selects the default targets; `otherTypes` lists types that can be treated like dense ones. If they store dense
 * pieces, as `factored` does, they are treated as a whole; `isWhole` selects others.
 */
export function selectDenseTargets(
  title: string,
  shape: ModelShape,
  { targets, ignore }: TargetOptions,
  isDefault: MatrixFilter = isProjection,
  otherTypes: readonly string[] = [],
  isWhole = (stored: StoredMatrix): boolean => otherTypes.includes(describeStorage(stored)),
): Target[] {
  const types = ["dense", ...otherTypes];
  const matches = selectTargets(shape, { targets, ignore }, isDefault, isWhole);
  const faults = matches.flatMap(({ matrix, type }) =>
    types.includes(type)
      ? []
      : [`${matrix.role} is stored as ${type}, but only ${types.join(" and ")} matrices can be compressed`],
  );
  if (faults.length === 0) return matches;
  const more = faults.length > 1 ? ` (and so for ${faults.length - 1} more)` : "";
  throw new WorkbenchError(
    "unsupported",
    `${title} cannot be applied: ${faults[0]!}${more}. Leave such roles out with ignore.`,
    { faults },
  );
}

/** Selects dense targets of a method that quantizes each module as one matrix: a packed matrix is one, and its parts are refused. */
export function selectWholeTargets(title: string, shape: ModelShape, options: TargetOptions): Target[] {
  const targets = selectDenseTargets(title, shape, options);
  const part = targets.find(({ packedIn }) => packedIn !== undefined);
  if (part === undefined) return targets;
  throw new WorkbenchError(
    "unsupported",
    `${title} cannot be applied: ${part.matrix.role} is a part of ${part.packedIn!.role}, which is quantized as one module. Use ${part.packedIn!.role} instead.`,
  );
}

/** Refuses targets without inputs that a method could measure: the rows of an embedding are looked up. */
export function refuseEmbeddings(
  title: string,
  targets: readonly Target[],
  alternative = "use a method that needs no calibration text",
): void {
  const roles = targets.flatMap(({ matrix }) => (matrix.kind === "embedding" ? [matrix.role] : []));
  if (roles.length === 0) return;
  throw new WorkbenchError(
    "unsupported",
    `${title} cannot be applied to ${roles.join(", ")}: it measures the inputs of a matrix, and the rows of an embedding are looked up. Leave such roles out with ignore, or ${alternative}.`,
  );
}

/** Returns the shape with the new representation of each target; other matrices and parts keep theirs. */
export function chooseRepresentations(
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

/** Returns the role at which a target's input is observed: a part of a packed matrix shares the input of the whole. */
export function getObservedRole({ matrix, packedIn }: Target): string {
  return (packedIn ?? matrix).role;
}
