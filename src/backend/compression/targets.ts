/** Selects the matrices that a method works on, by patterns over roles as in the recipes of other tools. */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { familyOf, matrixSlots, type ModelShape, partsOf, tensorsOf } from "../models/model";
import { roleOfAnyLayer } from "../models/roles";
import type { MatrixSlot, StoredMatrix } from "../models/weights";
import { representations } from "../representations/catalog";
import type { MatrixSpec } from "../representations/representation";

export interface TargetOptions {
  /** Roles, globs over roles, or `re:` and a regular expression that matches from the start of a role; all projections when left out. */
  readonly targets?: string | readonly string[] | undefined;
  /** Roles to skip, in the same syntax. */
  readonly ignore?: string | readonly string[] | undefined;
}

const roles = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);

/** The two options that every method has; `usual` describes the default. */
export function targetOptions(usual: string) {
  return {
    targets: roles
      .optional()
      .describe(
        `Roles, globs such as \`layers.*.mlp.*\`, or \`re:\` and a regular expression; ${usual} when left out.`,
      ),
    ignore: roles.optional().describe("Roles to skip, in the syntax of `targets`."),
  };
}

export interface Target extends StoredMatrix {
  /** The packed matrix that holds the target now and must be split first. */
  readonly packedIn?: MatrixSpec;
}

/** Whether a matrix, or a part of a packed one, is a target by default. */
export type Usual = (matrix: MatrixSpec) => boolean;

export const allProjections: Usual = ({ kind }) => kind === "projection";

export function selectTargets(
  shape: ModelShape,
  { targets, ignore }: TargetOptions,
  usual: Usual = allProjections,
): Target[] {
  const slots = matrixSlots(shape);
  const roles = slots.flatMap(({ matrix }) => [matrix, ...partsOf(matrix)]);
  const wanted = matcherOf("targets", targets, roles, []);
  // A recipe may ignore the head even if the model's head is tied to the embedding.
  const spared = matcherOf("ignore", ignore, roles, headRoles(shape));
  const chosen = slots.flatMap((slot) => targetsIn(slot, targets === undefined ? usual : wanted, spared));
  if (chosen.length > 0) return chosen;
  throw new WorkbenchError(
    "invalid-input",
    "No targets are left: ignore matches every target. Narrow ignore or widen targets.",
  );
}

/** Roles of the vocabulary head, even if it is tied to the embedding, and of norms. */
function headRoles({ family, config }: ModelShape): string[] {
  const untied = { ...config, tie_word_embeddings: false };
  return familyOf(family)
    .heads.language.matrices(untied)
    .map(({ role }) => role)
    .concat(tensorsOf({ family, config }).map(({ role }) => role));
}

type Test = (matrix: MatrixSpec) => boolean;

/** A packed matrix stays whole unless only some of its parts are targets. */
function targetsIn({ matrix, stored, split }: MatrixSlot, wanted: Test, spared: Test): Target[] {
  if (spared(matrix)) return [];
  const isWhole = wanted(matrix);
  if (split) return stored.filter((each) => (isWhole || wanted(each.matrix)) && !spared(each.matrix));
  const [whole] = stored as readonly [StoredMatrix];
  const parts = partsOf(matrix);
  if (isWhole && !parts.some(spared)) return [whole];
  const meant = parts.filter((part) => (isWhole || wanted(part)) && !spared(part));
  if (meant.length > 0 && whole.type !== "dense")
    throw new WorkbenchError(
      "unsupported",
      `${matrix.role} is stored as ${whole.type} as a whole, so its parts cannot be compressed separately. Use ${matrix.role} as the target.`,
    );
  return meant.map((part) => ({
    matrix: part,
    type: "dense",
    representation: representations["dense"]!,
    options: {},
    packedIn: matrix,
  }));
}

function matcherOf(
  option: string,
  given: TargetOptions["targets"],
  matrices: readonly MatrixSpec[],
  known: readonly string[],
): Test {
  const tests = [given ?? []].flat().map((pattern) => {
    const test = patternTest(option, pattern);
    if (!matrices.some(test) && !known.some((role) => patternOf(option, pattern).test(role)))
      throw new WorkbenchError(
        "invalid-input",
        `${option}: "${pattern}" matches no role. Roles: ${roleNames(matrices).join(", ")}. ` +
          "Patterns never match embeddings or the head; write their full names.",
        { allowed: roleNames(matrices) },
      );
    return test;
  });
  return (matrix) => tests.some((test) => test(matrix));
}

/** Embeddings and the head match only their full names, never a wildcard. */
function patternTest(option: string, pattern: string): Test {
  const expression = patternOf(option, pattern);
  return ({ role, kind }) => role === pattern || (kind === "projection" && expression.test(role));
}

function patternOf(option: string, pattern: string): RegExp {
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
function roleNames(matrices: readonly MatrixSpec[]): string[] {
  return [...new Set(matrices.map(({ role, layer }) => roleOfAnyLayer(role, layer, "<n>")))];
}
