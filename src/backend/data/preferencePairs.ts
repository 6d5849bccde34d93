/** Rows as preference pairs: a prompt with a chosen and a rejected answer, as text or as messages of a conversation. */
import type { DataOptions } from "../../schema/experiment";
import { WorkbenchError } from "../../protocol/errors";
import { type ConversationMessage, joinMessages, readMessages } from "./conversations";
import type { OnBadRow, Row } from "./formats/row";
import type { Fragment } from "./pieces";
import type { Messages, PreferencePair, PreferenceTexts } from "./preferenceTexts";

type PairColumns = Pick<DataOptions, "chosen_column" | "rejected_column" | "prompt_column">;

export function hasPairs({ chosen_column, rejected_column, prompt_column }: PairColumns): boolean {
  return chosen_column !== undefined || rejected_column !== undefined || prompt_column !== undefined;
}

/** Options that write or count the text of other rows. */
const otherRowKeys = [
  "instruction_column",
  "input_column",
  "response_column",
  "conversation_column",
  "label_column",
  "template",
] as const;

export function createPreferenceReader(options: DataOptions) {
  const { prompt_column: prompt, chosen_column: chosen, rejected_column: rejected } = options;
  if (chosen === undefined || rejected === undefined)
    throw new WorkbenchError(
      "invalid-input",
      `Preference pairs need data.chosen_column and data.rejected_column; ${[
        ...(chosen === undefined ? ["chosen_column"] : []),
        ...(rejected === undefined ? ["rejected_column"] : []),
      ].join(" and ")} is missing.`,
    );
  const others = [
    ...otherRowKeys.filter((key) => options[key] !== undefined),
    ...(options.clean_rows === "none" ? [] : ["clean_rows"]),
    ...(options.truncate_prompt ? ["truncate_prompt (data.truncation: left cuts prompts)"] : []),
    ...(options.train_on_padding ? ["train_on_padding"] : []),
  ];
  if (others.length > 0)
    throw new WorkbenchError(
      "invalid-input",
      `data.chosen_column cannot be combined with ${others.map((key) => `data.${key}`).join(", ")}: rows are preference pairs or something else. Leave one out.`,
    );
  return {
    columns: [...(prompt === undefined ? [] : [prompt]), chosen, rejected],
    document: (row: Row, onBadRow: OnBadRow): Fragment | undefined => {
      try {
        return readPair(row, { prompt, chosen, rejected });
      } catch (thrown) {
        if (!(thrown instanceof WorkbenchError)) throw thrown;
        onBadRow(thrown);
        return undefined;
      }
    },
  };
}

function readPair(
  row: Row,
  columns: { readonly prompt: string | undefined; readonly chosen: string; readonly rejected: string },
): Fragment {
  const answers = { chosen: row.values[columns.chosen], rejected: row.values[columns.rejected] };
  const prompt = columns.prompt === undefined ? undefined : row.values[columns.prompt];
  for (const key of ["chosen", "rejected"] as const) {
    const kind = kindOf(answers[key]);
    if (kind === "nothing") throw malformed(row, `the ${key} answer (column "${columns[key]}") is empty`);
    if (kind === "other")
      throw malformed(row, `the column "${columns[key]}" is neither text nor a list of messages`);
  }
  if (kindOf(answers.chosen) !== kindOf(answers.rejected))
    throw malformed(row, "one answer is text and the other a list of messages");
  if (kindOf(answers.chosen) === "messages") {
    const read = (column: string) => readMessages(row, column);
    // A prompt that is text beside whole conversations repeats their first messages.
    const own = kindOf(prompt) === "messages" ? read(columns.prompt!) : undefined;
    const pair = splitPrompt(own, read(columns.chosen), read(columns.rejected), findSharedMessages);
    return finish(row, pair, joinMessages);
  }
  if (prompt !== null && prompt !== undefined && typeof prompt !== "string")
    throw malformed(row, `the column "${columns.prompt!}" is not text, as the answers are`);
  const own = columns.prompt === undefined ? undefined : (prompt ?? "");
  const pair = splitPrompt(own, answers.chosen as string, answers.rejected as string, findSharedText);
  return finish(row, pair, (text) => text);
}

function finish<T extends string | Messages>(
  row: Row,
  pair: PreferenceTexts<T>,
  toText: (part: T) => string,
): Fragment {
  for (const key of ["chosen", "rejected"] as const)
    if (toText(pair[key]) === "")
      throw malformed(row, `the ${key} answer is empty, or all of it is the start of the other one`);
  const text = [pair.prompt, pair.chosen, pair.rejected].map(toText).join("\n");
  return { text, preference: { pair, where: row.where } as PreferencePair, end: true };
}

function splitPrompt<T extends string | Messages>(
  prompt: T | undefined,
  chosen: T,
  rejected: T,
  findShared: (chosen: T, rejected: T) => number,
): PreferenceTexts<T> {
  if (prompt !== undefined) return { prompt, chosen, rejected };
  const shared = findShared(chosen, rejected);
  const part = (whole: T, from: number, to?: number) => whole.slice(from, to) as T;
  return { prompt: part(chosen, 0, shared), chosen: part(chosen, shared), rejected: part(rejected, shared) };
}

/** UTF-16 units that both begin with. As in TRL, a space before the first difference belongs to the answers. */
function findSharedText(chosen: string, rejected: string): number {
  let end = 0;
  while (end < chosen.length && chosen[end] === rejected[end]) end++;
  const isHighSurrogate = end > 0 && (chosen.charCodeAt(end - 1) & 0xfc00) === 0xd800;
  if (isHighSurrogate || chosen[end - 1] === " ") end--;
  return end;
}

function findSharedMessages(chosen: Messages, rejected: Messages): number {
  const differs = (message: ConversationMessage, i: number) =>
    JSON.stringify(message) !== JSON.stringify(rejected[i]);
  const first = chosen.findIndex(differs);
  return first < 0 ? chosen.length : first;
}

function kindOf(value: unknown): "nothing" | "text" | "messages" | "other" {
  if (value === null || value === undefined || value === "") return "nothing";
  if (typeof value === "string") return "text";
  if (!Array.isArray(value)) return "other";
  return value.length === 0 ? "nothing" : "messages";
}

function malformed({ where }: Row, what: string): WorkbenchError {
  return new WorkbenchError(
    "invalid-input",
    `The preference pair of ${where} cannot be used: ${what}. Fix the row; data.on_bad_rows: skip leaves such rows out.`,
  );
}
