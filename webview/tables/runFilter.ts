/**
 * The filter box: `dense state:done loss<2 -tag:old "two words"`. All terms must match. A bare word is searched for in the
 * name, experiment, variant, notes, state, id and tags of a run, `key:text` in one column; `<`, `<=`, `>`, `>=`, `=` and
 * `!=` compare. An invalid term is reported, because a filter that is silently ignored shows the wrong runs.
 */
import type { RunSummary } from "../../src/protocol/service/runs";
import type { RunColumn } from "./runColumns";

export interface RunFilter {
  readonly matches: (run: RunSummary) => boolean;
  readonly problem?: string;
}

type RunPredicate = (run: RunSummary) => boolean;

const termPattern = /(-?)(?:([\p{L}_][^\s:<>=!"]*)(:|<=|>=|!=|<|>|=))?("(?:[^"]*)"?|[^\s"]*)/gu;
const units: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, b: 1e9, g: 1e9 };

export function parseFilter(text: string, columns: readonly RunColumn[]): RunFilter {
  const tests: RunPredicate[] = [];
  const problems: string[] = [];
  for (const [whole, minus, key, operator, quoted] of text.matchAll(termPattern)) {
    if (whole === "") continue;
    const operand = quoted!.replace(/^"|"$/g, "").toLowerCase();
    // A term that is still being typed filters nothing yet.
    if (operand === "" && operator !== "=" && operator !== "!=") continue;
    const test =
      key === undefined ? createTextTest(operand) : createColumnTest(key, operator!, operand, columns);
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

function createColumnTest(
  key: string,
  operator: string,
  operand: string,
  columns: readonly RunColumn[],
): RunPredicate | string {
  const matchingColumns = findColumns(key, columns);
  if (matchingColumns.length === 0)
    return `There is no column "${key}". Use state, variant, tags, …, a metric such as eval/loss, or quote the words.`;
  // Of several columns that a short name may mean, the first that a run has a value in.
  const getValue = (run: RunSummary) =>
    matchingColumns.map(({ value }) => value(run)).find((value) => value !== undefined);
  const getText = (run: RunSummary) => String(getValue(run) ?? "").toLowerCase();
  switch (operator) {
    case ":":
      return (run) => getText(run).includes(operand);
    case "=":
      return (run) => isEqual(getValue(run), operand);
    case "!=":
      return (run) => !isEqual(getValue(run), operand);
  }
  const limit = matchingColumns[0]!.numeric ? parseNumber(operand) : operand;
  if (limit === undefined) return `"${operand}" is not a number, so ${key} cannot be compared with it.`;
  const compare = comparisons[operator]!;
  return (run) => {
    const value = getValue(run);
    return value !== undefined && compare(typeof limit === "number" ? value : getText(run), limit);
  };
}

const comparisons: Readonly<Record<string, (value: string | number, limit: string | number) => boolean>> = {
  "<": (value, limit) => value < limit,
  "<=": (value, limit) => value <= limit,
  ">": (value, limit) => value > limit,
  ">=": (value, limit) => value >= limit,
};

/** The column of that id or title; else of a metric its last value, the validation's before the training's. */
export function findColumns(key: string, columns: readonly RunColumn[]): readonly RunColumn[] {
  const query = key.toLowerCase();
  const synonym = synonyms[query] ?? query;
  const exact = columns.filter(
    ({ id, title }) => id.replace(/^\w+:/, "") === synonym || id === synonym || title.toLowerCase() === query,
  );
  if (exact.length > 0) return exact;
  return columns
    .filter(({ id }) => id === `${query}.last` || id.endsWith(`/${query}`) || id.endsWith(`/${query}.last`))
    .sort((a, b) => Number(b.id.startsWith("eval/")) - Number(a.id.startsWith("eval/")));
}

const synonyms: Readonly<Record<string, string>> = {
  tag: "tags",
  note: "notes",
  starred: "star",
  params: "parameters",
};

function isEqual(value: string | number | undefined, operand: string): boolean {
  return typeof value === "number" ? value === parseNumber(operand) : (value ?? "").toLowerCase() === operand;
}

/** `1.5k`, `10M`. */
function parseNumber(text: string): number | undefined {
  const [, digits, unit] = /^([-+]?[\d.]+(?:e[-+]?\d+)?)([kmbg]?)$/.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const value = Number(digits) * units[unit!]!;
  return Number.isNaN(value) ? undefined : value;
}
