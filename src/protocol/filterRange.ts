/**
 * The part of a filter that is a range of one field, `train.learning_rate>=0.001 train.learning_rate<=0.01`, or a choice of
 * its values, `variant=dense,grouped`: what a brush on an axis reads and writes, so that the text remains its only state.
 */
import type { RunField } from "./runFields";
import { findFields, parseNumber, termPattern } from "./runFilter";

export interface FieldRange {
  readonly from?: number;
  readonly to?: number;
  /** Of a field without an order. */
  readonly values?: readonly string[];
}

/** The name of a field in a filter. */
export function getFilterKey(
  { id, title }: Pick<RunField, "id" | "title">,
  fields: readonly RunField[],
): string {
  const keys = [id.replace(/^\w+:/, ""), title, id].filter((key) => /^[\p{L}_][^\s:<>=!"]*$/u.test(key));
  const key = keys.find((each) => findFields(each, fields)[0]?.id === id) ?? keys[0] ?? id;
  return key.replace(/\.last$/, "");
}

export function readRange(text: string, field: RunField, fields: readonly RunField[]): FieldRange {
  let [from, to] = [-Infinity, Infinity];
  let values: readonly string[] | undefined;
  for (const { operator, operand } of listTerms(text, field, fields)) {
    if (operator === "=") values = splitOperand(operand);
    const limit = parseNumber(operand.toLowerCase());
    if (limit === undefined) continue;
    if (operator.startsWith(">")) from = Math.max(from, limit);
    if (operator.startsWith("<")) to = Math.min(to, limit);
  }
  return {
    ...(from > -Infinity ? { from } : {}),
    ...(to < Infinity ? { to } : {}),
    ...(values === undefined ? {} : { values }),
  };
}

/** The filter with this range of the field in the place of what it had. */
export function replaceRange(
  text: string,
  field: RunField,
  { from, to, values }: FieldRange,
  fields: readonly RunField[],
): string {
  const key = getFilterKey(field, fields);
  const terms = [
    ...(from === undefined ? [] : [`${key}>=${from}`]),
    ...(to === undefined ? [] : [`${key}<=${to}`]),
    ...(values === undefined ? [] : [`${key}=${values.map(quoteValue).join(",")}`]),
  ];
  return [removeRanges(text, [field], fields), ...terms].filter((part) => part !== "").join(" ");
}

/** The filter without ranges and choices of these fields. */
export function removeRanges(
  text: string,
  removed: readonly RunField[],
  fields: readonly RunField[],
): string {
  const ranges = removed.flatMap((field) => listTerms(text, field, fields)).sort((a, b) => b.start - a.start);
  let rest = text;
  for (const { start, length } of ranges) rest = `${rest.slice(0, start)}${rest.slice(start + length)}`;
  return ranges.length === 0 ? text.trim() : rest.replace(/ {2,}/g, " ").trim();
}

interface RangeTerm {
  readonly start: number;
  readonly length: number;
  readonly operator: string;
  readonly operand: string;
}

function listTerms(text: string, { id }: RunField, fields: readonly RunField[]): RangeTerm[] {
  const terms: RangeTerm[] = [];
  for (const match of text.matchAll(termPattern)) {
    const [whole, minus, key, operator, operand] = match;
    if (key === undefined || minus !== "" || !/^[<>]?=$|^[<>]$/.test(operator!)) continue;
    if (findFields(key, fields)[0]?.id === id)
      terms.push({ start: match.index, length: whole.length, operator: operator!, operand: operand! });
  }
  return terms;
}

function splitOperand(operand: string): string[] {
  return [...operand.matchAll(/"([^"]*)"?|[^,"]+/g)].map(([plain, quoted]) => quoted ?? plain);
}

function quoteValue(value: string): string {
  const plain = value.replaceAll('"', "");
  return /[\s,]/.test(plain) ? `"${plain}"` : plain;
}
