/** Turns the issues of a schema into messages that name the place, the allowed values and the nearest known word. */
import { distance } from "fastest-levenshtein";
import * as z from "zod";
import { type ErrorDetails, type Position, WorkbenchError } from "../../protocol/errors";
import { misplacedKeys } from "../../schema/inference";
import type { Path } from "./experiment";
import { listKeysAt, getSchemaAt } from "./schemaWalk";

/** Where a fault can be fixed: in a file, or in an option of the command line. */
export type Place = Position | { readonly setting: string };

export type Locate = (path: Path, part: "key" | "value") => Place;

export function createFault(place: Place, message: string, details: ErrorDetails = {}): WorkbenchError {
  if ("setting" in place) return new WorkbenchError("invalid-input", `${place.setting}: ${message}`, details);
  const { file, line, column } = place;
  return new WorkbenchError("invalid-input", `${file}:${line}:${column}: ${message}`, {
    ...details,
    position: place,
  });
}

export function createUnknownWordFault(
  place: Place,
  kind: string,
  word: string,
  allowed: readonly string[],
  where = "",
): WorkbenchError {
  const near = findNearest(word, allowed);
  const guess = near === undefined ? "" : ` Did you mean "${near}"?`;
  const list = allowed.length === 0 ? "Nothing is allowed here" : `Allowed: ${allowed.join(", ")}`;
  const details = { allowed, ...(near === undefined ? {} : { nearest: near }) };
  return createFault(place, `unknown ${kind} "${word}"${where}.${guess} ${list}.`, details);
}

/** The known word that was most likely meant, if any is close enough to be a typo. */
export function findNearest(word: string, words: readonly string[]): string | undefined {
  const lower = word.toLowerCase();
  const edits = (candidate: string) =>
    // A substring is a stronger hint than a similar word: `gpu` means webgpu, not cpu.
    word.length >= 3 && candidate.includes(lower) ? 0 : distance(lower, candidate);
  // Of equally near words, one of the same length: phi4 means phi3 rather than phi.
  const growth = (candidate: string) => Math.abs(candidate.length - word.length);
  const ranked = words
    .map((candidate) => ({ candidate, edits: edits(candidate.toLowerCase()), growth: growth(candidate) }))
    .sort((a, b) => a.edits - b.edits || a.growth - b.growth);
  const best = ranked[0];
  const near = Math.max(word.length > 3 ? 2 : 1, Math.floor(word.length / 3));
  return best !== undefined && best.edits <= near ? best.candidate : undefined;
}

export interface CheckContext {
  /** The name of the checked value in messages: `train`. */
  readonly name: string;
  readonly schema: z.ZodType;
  readonly value: unknown;
  readonly locate: Locate;
  /** False if other sources may still add keys, so that missing keys and rules between keys are not checked yet. */
  readonly complete: boolean;
}

export function toFaults(issues: readonly z.core.$ZodIssue[], checked: CheckContext): WorkbenchError[] {
  // Rules between the keys of a map are not checked while the map has unknown keys.
  const unknown = issues.filter(({ code }) => code === "unrecognized_keys").map(({ path }) => path.join("."));
  return issues
    .filter(({ code, path }) => code !== "custom" || !unknown.includes(path.join(".")))
    .flatMap((issue) => toIssueFaults(issue, checked));
}

function toIssueFaults(issue: z.core.$ZodIssue, checked: CheckContext): WorkbenchError[] {
  const { schema, value, locate, complete } = checked;
  const path = issue.path.filter((step) => typeof step !== "symbol");
  const name = [checked.name, ...path].join(".");
  const actual = getValueAt(value, path);
  const nestedFaults = (issues: readonly z.core.$ZodIssue[]) =>
    toFaults(
      issues.map((inner) => ({ ...inner, path: [...path, ...inner.path] })),
      checked,
    );
  const wrong = (rule: string, details: ErrorDetails = {}) =>
    createFault(locate(path, "value"), `${name} has to be ${rule}, not ${show(actual)}.`, details);

  if (issue.code === "unrecognized_keys") {
    const allowed = listKeysAt(schema, path, value);
    const cell = name.slice(name.lastIndexOf(".") + 1);
    return issue.keys.map((key) => {
      const place = locate([...path, key], "key");
      const advice = misplacedKeys.get(`${cell}.${key}`);
      if (advice !== undefined)
        return createFault(place, `unknown key "${key}" in ${name}. ${advice}.`, { allowed });
      return createUnknownWordFault(place, "key", key, allowed, ` in ${name}`);
    });
  }
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    // Only branches that accept the kind of the value can report what is wrong with it.
    const candidates = issue.errors.filter((errors) => !errors.every((error) => rejectsKind(error)));
    if (candidates.length > 0)
      return nestedFaults(candidates.reduce((a, b) => (b.length < a.length ? b : a)));
    const kinds = issue.errors.flatMap((errors) => errors.filter(rejectsKind).map(describeExpectedKind));
    return actual === undefined && !complete ? [] : [wrong([...new Set(kinds)].join(" or "))];
  }
  if (actual === undefined && issue.code !== "custom" && issue.code !== "invalid_key") {
    if (!complete) return [];
    const parent = [checked.name, ...path.slice(0, -1)].join(".");
    const allowed = issue.code === "invalid_union" ? listTags(issue) : undefined;
    const choice = allowed === undefined ? "" : ` Allowed: ${allowed.join(", ")}.`;
    const place = locate(path.slice(0, -1), "key");
    const missing = path.at(-1);
    return [
      createFault(place, `${parent} needs the key "${missing ?? ""}".${choice}`, {
        missing,
        ...(allowed && { allowed }),
      }),
    ];
  }
  switch (issue.code) {
    case "invalid_union":
      return [
        createUnknownWordFault(
          locate(path, "value"),
          "value",
          show(actual).replaceAll('"', ""),
          listTags(issue),
          ` of ${name}`,
        ),
      ];
    case "invalid_value": {
      const allowed = issue.values.map(String);
      return [createUnknownWordFault(locate(path, "value"), "value", String(actual), allowed, ` of ${name}`)];
    }
    case "invalid_type":
      return [wrong(isWhole(getSchemaAt(schema, path, value)) ? kinds.int! : describeExpectedKind(issue))];
    case "too_small":
      return [
        wrong(
          describeBound(issue.origin, issue.inclusive === false ? "more than" : "at least", issue.minimum),
        ),
      ];
    case "too_big":
      return [
        wrong(
          describeBound(issue.origin, issue.inclusive === false ? "less than" : "at most", issue.maximum),
        ),
      ];
    case "not_multiple_of":
      return [wrong(`a multiple of ${issue.divisor}`)];
    case "invalid_key": {
      const reason = issue.issues[0]?.message ?? "not a valid name";
      return [createFault(locate(path, "key"), `${name}: ${reason}.`)];
    }
    case "invalid_element":
      return nestedFaults(issue.issues);
    default:
      // Custom rules of a schema have complete messages.
      if (issue.code === "custom" && !complete) return [];
      return [createFault(locate(path, "value"), `${name}: ${issue.message.replace(/\.$/, "")}.`)];
  }
}

function listTags(issue: z.core.$ZodIssueInvalidUnion): string[] {
  return "options" in issue && Array.isArray(issue.options) ? issue.options.map(String) : [];
}

function rejectsKind(issue: z.core.$ZodIssue): boolean {
  return issue.code === "invalid_type" && issue.path.length === 0;
}

const kinds: Readonly<Record<string, string>> = {
  int: "a whole number",
  number: "a number",
  string: "text",
  boolean: "true or false",
  array: "a list",
  object: "a map of keys to values",
  record: "a map of keys to values",
  null: "null",
};

function describeExpectedKind(issue: z.core.$ZodIssue): string {
  const expected = "expected" in issue ? String(issue.expected) : "something else";
  return kinds[expected] ?? expected;
}

function isWhole(schema: z.ZodType | undefined): boolean {
  return schema instanceof z.ZodNumber && schema.format === "safeint";
}

function describeBound(origin: string, relation: string, limit: number | bigint): string {
  if (origin === "array" || origin === "set") return `a list of ${relation} ${limit} entries`;
  if (origin === "string")
    return limit === 1 && relation === "at least" ? "some text" : `${relation} ${limit} letters`;
  return `${relation} ${limit}`;
}

export function getValueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inside, step) =>
      typeof inside === "object" && inside !== null
        ? (inside as Record<string | number, unknown>)[step]
        : undefined,
    value,
  );
}

function show(value: unknown): string {
  if (value === null) return "empty";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return "a map";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…"` : text;
}
