/** Conditions on rows (`label != -1 and lang == en`), parsed by a fixed grammar; nothing of them is run as code. */
import { WorkbenchError } from "../../protocol/errors";
import type { Row } from "./formats/row";

export interface RowCondition {
  readonly columns: readonly string[];
  holds(row: Row): boolean;
}

const operators = ["==", "!=", "<=", ">=", "=", "<", ">"] as const;
type Operator = (typeof operators)[number];

type Operand = string | number | boolean | null;

interface Comparison {
  readonly column: string;
  readonly operator: Operator;
  readonly operand: Operand;
}

interface Token {
  readonly text: string;
  readonly isQuoted: boolean;
}

export function parseCondition(text: string): RowCondition {
  const comparisons: Comparison[] = [];
  const tokens = tokenize(text);
  for (let at = 0; ; at += 4) {
    const [column, operator, value, and] = tokens.slice(at, at + 4);
    if (column === undefined || operator === undefined || value === undefined)
      throw refuse(text, "a comparison is a column, an operator and a value");
    if (operator.isQuoted || !operators.includes(operator.text as Operator))
      throw refuse(text, `${JSON.stringify(operator.text)} is not an operator`);
    const comparison = {
      column: column.text,
      operator: operator.text as Operator,
      operand: parseOperand(value),
    };
    if (/[<>]/.test(comparison.operator) && typeof comparison.operand !== "number")
      throw refuse(text, `${comparison.operator} compares numbers, and ${value.text} is not a number`);
    comparisons.push(comparison);
    if (and === undefined) break;
    if (and.isQuoted || and.text.toLowerCase() !== "and")
      throw refuse(text, `${JSON.stringify(and.text)} follows a comparison where only "and" can`);
  }
  return {
    columns: [...new Set(comparisons.map(({ column }) => column))],
    holds: (row) => comparisons.every((comparison) => isTrue(comparison, row)),
  };
}

/** Quoted texts, operators, and words, which end at a space or an operator. */
const token = /\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(==|!=|<=|>=|=|<|>)|([^\s"'=!<>]+))/y;

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  token.lastIndex = 0;
  while (text.slice(token.lastIndex).trim() !== "") {
    const start = token.lastIndex;
    const [, double, single, operator, word] = token.exec(text) ?? [];
    const quoted = double ?? single;
    if (quoted !== undefined) tokens.push({ text: quoted.replace(/\\(.)/g, "$1"), isQuoted: true });
    else if (operator !== undefined || word !== undefined)
      tokens.push({ text: (operator ?? word)!, isQuoted: false });
    else throw refuse(text, `${JSON.stringify(text.slice(start).trim().slice(0, 20))} cannot be read`);
  }
  return tokens;
}

const constants: Readonly<Record<string, Operand>> = {
  null: null,
  None: null,
  true: true,
  True: true,
  false: false,
  False: false,
};

const number = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

function parseOperand({ text, isQuoted }: Token): Operand {
  if (isQuoted) return text;
  if (Object.hasOwn(constants, text)) return constants[text]!;
  return number.test(text) ? Number(text) : text;
}

function isTrue({ column, operator, operand }: Comparison, row: Row): boolean {
  const value = row.values[column] ?? null;
  switch (operator) {
    case "=":
    case "==":
      return isEqual(value, operand);
    case "!=":
      return !isEqual(value, operand);
    default:
      return isOrdered(operator, value, operand as number, column, row);
  }
}

/** CSV and TSV have no types, so a text is equal to the number or the truth value that it writes. */
function isEqual(value: unknown, operand: Operand): boolean {
  if (operand === null) return value === null || (typeof value === "number" && Number.isNaN(value));
  if (value === null) return false;
  if (typeof value === "bigint") return typeof operand !== "boolean" && String(value) === String(operand);
  if (typeof value === typeof operand) return value === operand;
  if (typeof operand === "number" && typeof value === "string")
    return number.test(value.trim()) && Number(value) === operand;
  if (typeof operand === "boolean" && typeof value === "string")
    return value.trim().toLowerCase() === String(operand);
  if (typeof operand === "string" && (typeof value === "number" || typeof value === "boolean"))
    return String(value) === operand;
  return false;
}

/** A missing value is neither less nor more than a number. */
function isOrdered(
  operator: "<" | "<=" | ">" | ">=",
  value: unknown,
  bound: number,
  column: string,
  row: Row,
) {
  if (value === null || value === "") return false;
  const isNumber =
    typeof value === "number" ||
    typeof value === "bigint" ||
    (typeof value === "string" && number.test(value.trim()));
  if (!isNumber)
    throw new WorkbenchError(
      "invalid-input",
      `data.where compares the column "${column}" with a number, but ${row.where} holds ${formatValue(value)}. ` +
        "Compare it with == or !=, or name another column.",
    );
  const left = Number(value);
  switch (operator) {
    case "<":
      return left < bound;
    case "<=":
      return left <= bound;
    case ">":
      return left > bound;
    case ">=":
      return left >= bound;
  }
}

function refuse(text: string, what: string): WorkbenchError {
  return new WorkbenchError(
    "invalid-input",
    `data.where ${JSON.stringify(text)} is not a condition: ${what}. Write for example label != -1 and lang == "en"; ` +
      `operators are ${operators.join(", ")}.`,
    { allowed: operators },
  );
}

function formatValue(value: unknown): string {
  return typeof value === "string" || typeof value === "boolean"
    ? JSON.stringify(value.toString().slice(0, 40))
    : "a list or an object";
}
