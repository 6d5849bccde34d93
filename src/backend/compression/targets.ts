/** Which matrices of a model a method works on: patterns over roles, as recipes of other tools write them. */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { familyOf, matrixSlots, type ModelShape, partsOf, tensorsOf } from "../models/model";
import { roleOfAnyLayer } from "../models/roles";
import type { MatrixSlot, StoredMatrix } from "../models/weights";
import { representations } from "../representations/catalog";
import type { MatrixSpec } from "../representations/representation";

export interface TargetOptions {
  /** Roles, globs over roles, or `re:` and a regular expression that matches from a role's start; all projections when left out. */
  readonly targets?: string | readonly string[] | undefined;
  /** The same for what to leave alone. */
  readonly ignore?: string | readonly string[] | undefined;
}

const roles = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);

/** The two options as every method has them; `usual` says what is meant without them. */
export function targetOptions(usual: string) {
  return {
    targets: roles
      .optional()
      .describe(`Roles, globs such as \`layers.*.mlp.*\`, or \`re:\` and a pattern; ${usual} when left out.`),
    ignore: roles.optional().describe("Roles to leave alone, written like `targets`."),
  };
}

export interface Target extends StoredMatrix {
  /** The packed matrix that it is stored in now; it has to be taken apart first. */
  readonly packedIn?: MatrixSpec;
}

/** Whether a matrix, or a part of a packed one, is treated where the options name no targets. */
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
  // A recipe may spare the head of a model that has none of its own.
  const spared = matcherOf("ignore", ignore, roles, headRoles(shape));
  const chosen = slots.flatMap((slot) => targetsIn(slot, targets === undefined ? usual : wanted, spared));
  if (chosen.length > 0) return chosen;
  throw new WorkbenchError("invalid-input", "Nothing is left to work on: ignore covers every target.");
}

/** The head over the vocabulary as it would be if it were not tied to the embedding, and norms. */
function headRoles({ family, config }: ModelShape): string[] {
  const untied = { ...config, tie_word_embeddings: false };
  return familyOf(family)
    .heads.language.matrices(untied)
    .map(({ role }) => role)
    .concat(tensorsOf({ family, config }).map(({ role }) => role));
}

type Test = (matrix: MatrixSpec) => boolean;

/** A packed matrix stays whole unless only some of its parts are meant. */
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
      `${matrix.role} is stored ${whole.type} as a whole, so its parts cannot be treated one by one. Name ${matrix.role} itself.`,
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
        `${option}: "${pattern}" matches no role; roles are ${roleNames(matrices).join(", ")}. ` +
          "The embeddings and the head are matched by their plain name only.",
        { allowed: roleNames(matrices) },
      );
    return test;
  });
  return (matrix) => tests.some((test) => test(matrix));
}

/** Embeddings and the head are touched only where they are named outright, never by a wildcard. */
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
      `${option}: "${pattern}" is no regular expression (${(cause as Error).message}).`,
      {},
      { cause },
    );
  }
}

/** Roles with the number of the layer left open. */
function roleNames(matrices: readonly MatrixSpec[]): string[] {
  return [...new Set(matrices.map(({ role, layer }) => roleOfAnyLayer(role, layer, "<n>")))];
}
