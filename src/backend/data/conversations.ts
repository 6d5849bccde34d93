/** Conversations in rows: lists of messages in OpenAI's form (`role`, `content`) or ShareGPT's (`from`, `value`). */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { Row } from "./formats/row";

export const messageRoles = ["system", "developer", "user", "assistant", "tool"] as const;
type MessageRole = (typeof messageRoles)[number];

const shareGptRoles: Readonly<Record<string, MessageRole>> = {
  system: "system",
  human: "user",
  user: "user",
  gpt: "assistant",
  assistant: "assistant",
  tool: "tool",
  observation: "tool",
};

/** Other keys, such as `tool_calls` and `name`, are passed to the template as they are. */
export interface ConversationMessage {
  readonly role: MessageRole;
  readonly [key: string]: unknown;
}

export interface Conversation {
  readonly messages: readonly ConversationMessage[];
  /** Whether the loss counts the answers of the assistant alone. */
  readonly answersOnly: boolean;
  /** File and row, for messages. */
  readonly where: string;
}

const contentSchema = z.union([z.string(), z.array(z.looseObject({ type: z.string() }))]);

/** Throws what is wrong with the first malformed message. An empty list, or none, is an empty text. */
export function readMessages(row: Row, column: string): readonly ConversationMessage[] {
  const list = row.values[column];
  if (list === null || list === undefined) return [];
  if (!Array.isArray(list))
    throw malformedRowError(
      row,
      `the column "${column}" holds ${typeof list === "object" ? "an object" : `a ${typeof list}`} in place of a list of messages`,
    );
  return list.map((message: unknown, i) =>
    readMessage(message, (what) => malformedRowError(row, `message ${i + 1} ${what}`)),
  );
}

/** The texts of all messages, each on lines of its own. */
export function joinMessages(messages: readonly ConversationMessage[]): string {
  return messages
    .map(({ content }) => (typeof content === "string" ? content : JSON.stringify(content ?? "")))
    .join("\n");
}

function readMessage(message: unknown, refuse: (what: string) => WorkbenchError): ConversationMessage {
  if (message === null || typeof message !== "object" || Array.isArray(message))
    throw refuse("is not an object with `role` and `content` (or `from` and `value`)");
  // As transformers does: null is an absent key, which is how Parquet and Arrow write one.
  const values = Object.fromEntries(
    Object.entries(message).flatMap(([key, value]) =>
      value === null || value === undefined ? [] : [[key, toPlainValue(value)]],
    ),
  );
  const isShareGpt = !("role" in values) && "from" in values;
  const { from, value, ...others } = values;
  const normalized = isShareGpt
    ? { ...others, role: from, ...(value === undefined ? {} : { content: value }) }
    : values;
  const roles: Readonly<Record<string, MessageRole>> = isShareGpt
    ? shareGptRoles
    : Object.fromEntries(messageRoles.map((role) => [role, role]));
  const keys = isShareGpt ? ["from", "value"] : ["role", "content"];
  const { role: sourceRole, content } = normalized as { role?: unknown; content?: unknown };
  const role =
    typeof sourceRole === "string" && Object.hasOwn(roles, sourceRole) ? roles[sourceRole] : undefined;
  if (role === undefined)
    throw refuse(
      `${sourceRole === undefined ? `has no \`${keys[0]}\`` : `has the ${keys[0]} ${JSON.stringify(sourceRole)}`}; ` +
        `allowed are ${Object.keys(roles).join(", ")}`,
    );
  if (content === undefined && !(role === "assistant" && Object.hasOwn(normalized, "tool_calls")))
    throw refuse(`has no \`${keys[1]}\``);
  if (content !== undefined && !contentSchema.safeParse(content).success)
    throw refuse(`has a \`${keys[1]}\` that is neither a text nor a list of parts with a \`type\``);
  if ("weight" in normalized && normalized["weight"] !== 1)
    throw refuse(
      `has the weight ${JSON.stringify(normalized["weight"])}, and every answer counts alike: remove the key or the row`,
    );
  return { ...normalized, role };
}

/** Integers of 64 bits, which Parquet and Arrow may have, become numbers, as templates know no others. */
function toPlainValue(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(toPlainValue);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toPlainValue(inner)]));
}

function malformedRowError({ where }: Row, what: string): WorkbenchError {
  return new WorkbenchError(
    "invalid-input",
    `The conversation of ${where} is malformed: ${what}. Fix the row; data.on_bad_rows: skip leaves such rows out.`,
  );
}
