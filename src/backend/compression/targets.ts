/** Selects the matrices that a method works on, by patterns over roles as in the recipes of other tools. */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { familyOf, listMatrixSlots, type ModelShape, partsOf, tensorsOf } from "../models/model";
import { generalizeRole } from "../models/roles";
import { listWithPieces, type MatrixSlot, type StoredMatrix } from "../models/weights";
import { representations } from "../representations/catalog";
import type { MatrixSpec } from "../representations/representation";

export interface TargetOptions {
  /** Roles, globs over roles, or `re:` and a regular expression that matches from the start of a role; all projections when left out. */
  readonly targets?: string | readonly string[] | undefined;
  /** Roles to skip, in the same syntax. */
  readonly ignore?: string | readonly string[] | undefined;
}

const roles = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);

/** The two options that every method has; `defaultTargets` describes the default. */
export function createTargetOptions(defaultTargets: string) {
  return {
    targets: roles
      .optional()
      .describe(
        `Roles, globs such as \`layers.*.mlp.*\`, or \`re:\` and a regular expression; ${defaultTargets} when left out.`,
      ),
    ignore: roles.optional().describe("Roles to skip, in the syntax of `targets`."),
  };
}

export interface Target extends StoredMatrix {
  /** The packed matrix that holds the target now and must be split first. */
  readonly packedIn?: MatrixSpec;
}

/** Whether a matrix, or a part of a packed one, is a target by default. */
export type MatrixFilter = (matrix: MatrixSpec) => boolean;

export const isProjection: MatrixFilter = ({ kind }) => kind === "projection";

/**
 * Returns the targets of the options. A matrix that stores smaller ones is treated by those: the role of the whole means all
 * its pieces, and each has a role of its own. `isWhole` selects matrices that are treated as a whole nevertheless.
 */
export function selectTargets(
  shape: ModelShape,
  { targets, ignore }: TargetOptions,
  isDefault: MatrixFilter = isProjection,
  isWhole: (stored: StoredMatrix) => boolean = () => false,
): Target[] {
  const slots = listMatrixSlots(shape);
  const roles = slots.flatMap(({ matrix, stored }) => [
    matrix,
    ...partsOf(matrix),
    ...stored.flatMap(({ pieces }) => pieces.flatMap(listWithPieces)).map((piece) => piece.matrix),
  ]);
  const isTarget = createMatcher("targets", targets, roles, []);
  // A recipe may ignore the head even if the model's head is tied to the embedding.
  const isIgnored = createMatcher("ignore", ignore, roles, listHeadRoles(shape));
  const isSelected = targets === undefined ? isDefault : isTarget;
  const selectPieces = (each: StoredMatrix, inside: boolean): Target[] => {
    if (isIgnored(each.matrix)) return [];
    const isTarget = inside || isSelected(each.matrix);
    if (each.pieces.length > 0 && !(isTarget && isWhole(each)))
      return each.pieces.flatMap((piece) => selectPieces(piece, isTarget));
    return isTarget ? [each] : [];
  };
  const selected = slots.flatMap((slot) => selectSlotTargets(slot, isSelected, isIgnored, selectPieces));
  if (selected.length > 0) return selected;
  throw new WorkbenchError(
    "invalid-input",
    "No targets are left: ignore matches every target. Narrow ignore or widen targets.",
  );
}

/** Roles of the vocabulary head, even if it is tied to the embedding, and of norms. */
function listHeadRoles({ family, config }: ModelShape): string[] {
  const untied = { ...config, tie_word_embeddings: false };
  return familyOf(family)
    .heads.language.matrices(untied)
    .map(({ role }) => role)
    .concat(tensorsOf({ family, config }).map(({ role }) => role));
}

type MatrixTest = (matrix: MatrixSpec) => boolean;

/** A packed matrix stays whole unless only some of its parts are targets. */
function selectSlotTargets(
  { matrix, stored, split }: MatrixSlot,
  isTarget: MatrixTest,
  isIgnored: MatrixTest,
  selectPieces: (stored: StoredMatrix, inside: boolean) => Target[],
): Target[] {
  if (isIgnored(matrix)) return [];
  const isWhole = isTarget(matrix);
  if (split) return stored.flatMap((each) => selectPieces(each, isWhole));
  const [whole] = stored as readonly [StoredMatrix];
  const parts = partsOf(matrix);
  if (isWhole && !parts.some(isIgnored)) return selectPieces(whole, true);
  const selectedParts = parts.filter((part) => (isWhole || isTarget(part)) && !isIgnored(part));
  if (selectedParts.length === 0) return selectPieces(whole, false);
  if (whole.type !== "dense")
    throw new WorkbenchError(
      "unsupported",
      `${matrix.role} is stored as ${whole.type} as a whole, so its parts cannot be compressed separately. Use ${matrix.role} as the target.`,
    );
  return selectedParts.map((part) => ({
    matrix: part,
    type: "dense",
    representation: representations["dense"]!,
    options: {},
    pieces: [],
    packedIn: matrix,
  }));
}

function createMatcher(
  option: string,
  patterns: TargetOptions["targets"],
  matrices: readonly MatrixSpec[],
  knownRoles: readonly string[],
): MatrixTest {
  const tests = [patterns ?? []].flat().map((pattern) => {
    const test = createPatternTest(option, pattern);
    if (!matrices.some(test) && !knownRoles.some((role) => compilePattern(option, pattern).test(role)))
      throw new WorkbenchError(
        "invalid-input",
        `${option}: "${pattern}" matches no role. Roles: ${listRoleNames(matrices).join(", ")}. ` +
          "Patterns never match embeddings or the head; write their full names.",
        { allowed: listRoleNames(matrices) },
      );
    return test;
  });
  return (matrix) => tests.some((test) => test(matrix));
}

/** Embeddings and the head match only their full names, never a wildcard. */
function createPatternTest(option: string, pattern: string): MatrixTest {
  const expression = compilePattern(option, pattern);
  return ({ role, kind }) => role === pattern || (kind === "projection" && expression.test(role));
}

function compilePattern(option: string, pattern: string): RegExp {
  if (!pattern.startsWith("re:")) {
    const literal = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&");
    return new RegExp(`^${literal.replaceAll("*", ".*").replaceAll("?", ".")}$`);
  }
  try {
    return new RegExp(`^(?:${pattern.slice("re:".length)})`);
  } catch (cause) {
    throw new WorkbenchError(
      "invalid-input",
      `${option}: "${pattern}" is not a valid regular expression (${(cause as Error).message}).`,
      {},
      { cause },
    );
  }
}

/** Returns the roles with a placeholder for the layer number. */
function listRoleNames(matrices: readonly MatrixSpec[]): string[] {
  return [...new Set(matrices.map(({ role, layer }) => generalizeRole(role, layer, "<n>")))];
}
