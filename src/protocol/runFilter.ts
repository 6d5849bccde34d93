/**
 * The filter of runs, in the tree, the table and the charts: `dense state:done,failed loss<2 -tag:old "two words"`. All terms
 * must match. A bare word is searched for in the name, experiment, variant, notes, state, id and tags of a run, `key:text`
 * in one field, of several texts with commas any; `<`, `<=`, `>`, `>=`, `=` and `!=` compare. An invalid term is reported,
 * because a filter that is silently ignored shows the wrong runs.
 */
import type { FieldValue, RunField } from "./runFields";
import type { RunSummary } from "./service/runs";

export interface RunFilter {
  readonly matches: (run: RunSummary) => boolean;
  readonly problem?: string;
}

type RunPredicate = (run: RunSummary) => boolean;

export const termPattern = /(-?)(?:([\p{L}_][^\s:<>=!"]*)(:|<=|>=|!=|<|>|=))?((?:"[^"]*"?|[^\s"])*)/gu;
const operandPattern = /"([^"]*)"?|[^,"]+/g;
const units: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, b: 1e9, g: 1e9 };

export function parseFilter(text: string, fields: readonly RunField[]): RunFilter {
  const tests: RunPredicate[] = [];
  const problems: string[] = [];
  for (const [whole, minus, key, operator, rest] of text.matchAll(termPattern)) {
    if (whole === "") continue;
    const operand = rest!.replaceAll('"', "").toLowerCase();
    // A term that is still being typed filters nothing yet.
    if (operand === "" && operator !== "=" && operator !== "!=") continue;
    const test =
      key === undefined
        ? createTextTest(operand)
        : createFieldTest(key, operator!, rest!.toLowerCase(), fields);
    if (typeof test === "string") problems.push(test);
    else tests.push(minus === "-" ? (run) => !test(run) : test);
  }
  const matches = (run: RunSummary) => tests.every((test) => test(run));
  return problems.length === 0 ? { matches } : { matches, problem: problems.join(" ") };
}

function createTextTest(query: string): RunPredicate {
  return ({ name, experiment, variant, tags, notes, state, id }) =>
    [name, experiment, variant, notes, state, id, ...tags].some((each) =>
      each?.toLowerCase().includes(query),
    );
}

function createFieldTest(
  key: string,
  operator: string,
  rest: string,
  fields: readonly RunField[],
): RunPredicate | string {
  const matchingFields = findFields(key, fields);
  if (matchingFields.length === 0)
    return `There is no column "${key}". Use state, variant, tags, …, a metric such as eval/loss, or quote the words.`;
  // Of several fields that a short name may mean, the first that a run has a value in.
  const getValue = (run: RunSummary) =>
    matchingFields.map(({ value }) => value(run)).find((value) => value !== undefined);
  const getText = (run: RunSummary) => String(getValue(run) ?? "").toLowerCase();
  const { list } = matchingFields[0]!;
  const getValues = (run: RunSummary): readonly FieldValue[] =>
    list === undefined ? [getValue(run)] : [...list(run), getValue(run)];
  const operand = rest.replaceAll('"', "");
  const operands =
    operand === "" ? [""] : [...rest.matchAll(operandPattern)].map(([plain, quoted]) => quoted ?? plain);
  const isAnyEqual = (run: RunSummary) =>
    getValues(run).some((value) => operands.some((each) => isEqual(value, each)));
  switch (operator) {
    case ":":
      return (run) =>
        getValues(run).some((value) => {
          const text = String(value ?? "").toLowerCase();
          return operands.some((each) => text.includes(each));
        });
    case "=":
      return isAnyEqual;
    case "!=":
      return (run) => !isAnyEqual(run);
  }
  const limit = parseNumber(operand);
  if (limit === undefined && matchingFields[0]!.numeric)
    return `"${operand}" is not a number, so ${key} cannot be compared with it.`;
  const compare = comparisons[operator]!;
  return (run) => {
    const value = getValue(run);
    if (value === undefined) return false;
    // A setting may be a number in one run and a word in another.
    return typeof value === "number" && limit !== undefined
      ? compare(value, limit)
      : compare(getText(run), operand);
  };
}

const comparisons: Readonly<Record<string, (value: string | number, limit: string | number) => boolean>> = {
  "<": (value, limit) => value < limit,
  "<=": (value, limit) => value <= limit,
  ">": (value, limit) => value > limit,
  ">=": (value, limit) => value >= limit,
};

/** The field of that id or title; else of a metric its last value, the validation's before the training's. */
export function findFields(key: string, fields: readonly RunField[]): readonly RunField[] {
  const query = key.toLowerCase();
  const synonym = synonyms[query] ?? query;
  const exact = fields.filter(
    ({ id, title }) => id.replace(/^\w+:/, "") === synonym || id === synonym || title.toLowerCase() === query,
  );
  if (exact.length > 0) return exact;
  return fields
    .filter(
      ({ id }) =>
        id === `${query}.last` ||
        id.endsWith(`/${query}`) ||
        id.endsWith(`/${query}.last`) ||
        (id.includes(":") && id.endsWith(`.${query}`)),
    )
    .sort((a, b) => Number(b.id.startsWith("eval/")) - Number(a.id.startsWith("eval/")));
}

const synonyms: Readonly<Record<string, string>> = {
  tag: "tags",
  note: "notes",
  starred: "star",
  params: "parameters",
};

function isEqual(value: FieldValue, operand: string): boolean {
  // A quotation mark cannot be part of an operand, but lists of words have them.
  return typeof value === "number"
    ? value === parseNumber(operand)
    : (value ?? "").toLowerCase().replaceAll('"', "") === operand;
}

/** `1.5k`, `10M`. */
export function parseNumber(text: string): number | undefined {
  const [, digits, unit] = /^([-+]?[\d.]+(?:e[-+]?\d+)?)([kmbg]?)$/.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const value = Number(digits) * units[unit!]!;
  return Number.isNaN(value) ? undefined : value;
}

/** One term of a filter for the values of a field: `tag:one,two`, or `-state:failed` for runs without them. */
export function createFilterTerm(key: string, values: readonly string[], isExcluded = false): string {
  const operands = values.map((value) => (/[\s,]/.test(value) ? `"${value.replaceAll('"', "")}"` : value));
  return `${isExcluded ? "-" : ""}${key}:${operands.join(",")}`;
}
