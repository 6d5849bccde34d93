/** Which part of a row is its document: a text column, or an instruction pair written out by a template. */
import type { DataOptions } from "../../schema/experiment";
import { WorkbenchError } from "../../protocol/errors";
import { readMessages, joinMessages } from "./conversations";
import type { OnBadRow, Row } from "./formats/row";
import type { Fragment } from "./pieces";
import { createPreferenceReader, hasPairs } from "./preferencePairs";

export const defaultTemplate =
  "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n{response}";

export interface RowReader {
  /** Columns to read. */
  readonly columns: readonly string[];
  /** Undefined for a row without text, and for a malformed one that `onBadRow` lets pass. */
  document(row: Row, onBadRow: OnBadRow): Fragment | undefined;
}

/** Of conversations the answers count, unless the options decide otherwise. */
export function trainsOnInputs({
  train_on_inputs: setting,
  conversation_column: column,
  passkeys,
}: DataOptions): boolean {
  return setting ?? (column === undefined && passkeys === undefined);
}

export function createRowReader(options: DataOptions): RowReader {
  if (hasPairs(options)) return createPreferenceReader(options);
  if (options.truncate_prompt && (trainsOnInputs(options) || options.response_column === undefined))
    throw new WorkbenchError(
      "invalid-input",
      "data.truncate_prompt shortens prompts that the loss does not count: set data.train_on_inputs to false and name the columns of instruction pairs, or leave it out.",
    );
  if (options.conversation_column !== undefined)
    return createConversationReader(options, options.conversation_column);
  const { instruction_column: instruction, input_column: input, response_column: response } = options;
  if (instruction === undefined && response === undefined && input === undefined) {
    if (options.template !== undefined || !trainsOnInputs(options))
      throw new WorkbenchError(
        "invalid-input",
        `data.${options.template === undefined ? "train_on_inputs" : "template"} is for instruction pairs: ` +
          "name data.instruction_column and data.response_column too (or data.conversation_column), or leave it out.",
      );
    return options.label_column === undefined
      ? {
          columns: [options.text_column],
          document: (row) => {
            const text = readCell(row, options.text_column);
            return text === "" ? undefined : { text, end: true };
          },
        }
      : createLabeledReader(options, options.label_column);
  }
  if (options.label_column !== undefined)
    throw new WorkbenchError(
      "invalid-input",
      "data.label_column and the columns of instruction pairs are both given: rows are one or the other. Leave one out.",
    );
  if (instruction === undefined || response === undefined)
    throw new WorkbenchError(
      "invalid-input",
      `Instruction pairs need data.instruction_column and data.response_column; ` +
        `${instruction === undefined ? "instruction_column" : "response_column"} is missing.`,
    );
  const write = createPairWriter(options.template ?? defaultTemplate);
  const columns = [instruction, response, ...(input === undefined ? [] : [input])];
  const document = (row: Row): Fragment | undefined => {
    const values = {
      instruction: readCell(row, instruction),
      input: input === undefined ? "" : readCell(row, input),
      response: readCell(row, response),
    };
    if (values.instruction === "" && values.response === "") return undefined;
    const { prompt, text } = write(values);
    return trainsOnInputs(options) ? { text: prompt + text, end: true } : { prompt, text, end: true };
  };
  return { columns, document };
}

function createConversationReader(options: DataOptions, column: string): RowReader {
  const others = [
    ...(
      ["instruction_column", "input_column", "response_column", "template", "label_column"] as const
    ).filter((key) => options[key] !== undefined),
    ...(options.clean_rows === "none" ? [] : ["clean_rows"]),
    ...(options.packing_strategy === "characters" ? ["packing_strategy: characters"] : []),
  ];
  if (others.length > 0)
    throw new WorkbenchError(
      "invalid-input",
      `data.conversation_column cannot be combined with ${others.map((key) => `data.${key}`).join(", ")}, because the chat template writes the text. Leave one out.`,
    );
  const answersOnly = !trainsOnInputs(options);
  return {
    columns: [column],
    document: (row, onBadRow) => {
      try {
        const messages = readMessages(row, column);
        if (messages.length === 0) return undefined;
        return {
          text: joinMessages(messages),
          conversation: { messages, answersOnly, where: row.where },
          end: true,
        };
      } catch (thrown) {
        if (!(thrown instanceof WorkbenchError)) throw thrown;
        onBadRow(thrown);
        return undefined;
      }
    },
  };
}

/** Between the texts of a pair where neither an option nor the tokenizer has a separator. */
const defaultSeparator = "\n";

/** A text, or two with a separator between them, and its label. */
function createLabeledReader(options: DataOptions, label: string): RowReader {
  const { text_column: first, text_pair_column: second, pair_separator: separator } = options;
  const columns = [first, ...(second === undefined ? [] : [second])];
  return {
    columns: [...columns, label],
    document: (row) => ({
      text: columns.map((column) => readCell(row, column)).join(separator ?? defaultSeparator),
      ...(second === undefined || separator !== undefined
        ? {}
        : { pair: [readCell(row, first), readCell(row, second)] as const }),
      label: readLabelCell(row, label),
      end: true,
    }),
  };
}

/** Whether the number is what the file writes: JSON's whole numbers beyond 2^53 are rounded when they are parsed. */
function isExact(value: number): boolean {
  return !Number.isInteger(value) || Number.isSafeInteger(value);
}

/** A label is a word or a number. */
function readLabelCell(row: Row, column: string): string {
  const value = row.values[column];
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value.trim();
  if (typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (typeof value === "number" && Number.isFinite(value) && isExact(value)) return String(value);
  throw new WorkbenchError(
    "invalid-input",
    `The label column "${column}" of ${row.where} holds ${typeof value === "number" ? String(value) : Array.isArray(value) ? "a list" : `a ${typeof value}`}, and a label is a word or a finite number. ` +
      "Name a column of labels as data.label_column.",
  );
}

/** Checks that a file has the columns that are to be read, each once. */
export function assertColumns(columns: readonly string[], available: readonly string[], where: string): void {
  for (const column of columns) {
    const count = available.filter((name) => name === column).length;
    if (count === 0) throw missingColumnError(column, available, where);
    if (count > 1)
      throw new WorkbenchError(
        "invalid-input",
        `${where} has ${count} columns named "${column}", so it is not clear which one to read. Rename the others.`,
      );
  }
}

export function missingColumnError(
  column: string,
  available: readonly string[],
  where: string,
): WorkbenchError {
  const [only] = available;
  const separator = available.length === 1 ? /[,;|\t]/.exec(only!)?.[0] : undefined;
  const hint =
    separator === undefined
      ? ""
      : ` The file may be delimited by ${JSON.stringify(separator)}: set data.delimiter.`;
  const conversations = ["messages", "conversations"].find((name) => available.includes(name));
  const chatHint =
    conversations === undefined ? "" : ` For conversations set data.conversation_column: ${conversations}.`;
  return new WorkbenchError(
    "invalid-input",
    `There is no column "${column}" in ${where}; its columns are ${available.map((name) => JSON.stringify(name)).join(", ")}.${hint}${chatHint} ` +
      "Name one of them, as data.text_column or as the columns of instruction pairs.",
    { allowed: available },
  );
}

function readCell(row: Row, column: string): string {
  const value = row.values[column];
  if (value === null || value === undefined) return "";
  if (typeof value !== "string")
    throw new WorkbenchError(
      "invalid-input",
      `The column "${column}" of ${row.where} holds ${describe(value)}, ` +
        "not text. Name a column of text.",
    );
  return value;
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  return typeof value === "number" ? `a number (${value})` : `a ${typeof value}`;
}

interface Pair {
  readonly instruction: string;
  readonly input: string;
  readonly response: string;
}

/**
 * A paragraph of the template that is about `{input}` alone is left out where a row has none; in a template without
 * `{input}` it follows the instruction.
 */
function createPairWriter(template: string): (pair: Pair) => { prompt: string; text: string } {
  const parts = template.split("{response}");
  const [before, after] = parts;
  if (before === undefined || after === undefined || parts.length !== 2 || !before.includes("{instruction}"))
    throw new WorkbenchError(
      "invalid-input",
      "data.template needs {instruction}, and after it {response} exactly once; {input} is optional.",
    );
  const withoutInput = before
    .split("\n\n")
    .filter((paragraph) => !paragraph.includes("{input}") || paragraph.includes("{instruction}"))
    .join("\n\n");
  const hasPlace = before.includes("{input}");
  return ({ instruction, input, response }) => ({
    // One pass, so that braces inside a row's own text stay as they are.
    prompt: (input === "" ? withoutInput : before).replace(/\{(instruction|input)\}/g, (_, name) =>
      name === "input" ? input : hasPlace || input === "" ? instruction : `${instruction}\n\n${input}`,
    ),
    text: response + after,
  });
}
