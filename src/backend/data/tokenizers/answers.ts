/** Writes conversations with a chat template and finds the answers of the assistant in the text. */
import { WorkbenchError } from "../../../protocol/errors";
import type { Chat, TemplateInput } from "./chatTemplate";
import type { Tokenizer } from "./tokenizer";

export interface RenderedConversation {
  readonly text: string;
  /** Start and end of each answer, in UTF-16 units. */
  readonly answers: readonly (readonly [number, number])[];
}

export interface Message {
  readonly role: string;
}

export function getChat({ id, chat }: Pick<Tokenizer, "id" | "chat">): Chat {
  if (chat !== undefined) return chat;
  throw new WorkbenchError(
    "invalid-input",
    `The tokenizer ${id} has no chat template, neither chat_template.jinja nor chat_template in its tokenizer_config.json. ` +
      "Put one of them beside the tokenizer, use the tokenizer of a chat model, or write the conversation as text.",
  );
}

/** `findsAnswers: false` leaves the answers out. */
export function writeConversation(
  chat: Chat,
  messages: readonly Message[],
  findsAnswers: boolean,
): RenderedConversation {
  const whole: TemplateInput = { messages, opensAnswer: false };
  if (!findsAnswers) return { text: chat.write([whole])[0]!, answers: [] };
  return chat.marksAnswers ? writeMarked(chat, whole) : writePrefixes(chat, whole, messages);
}

/** Code points that are never text, two of which the conversation does not contain. */
const noncharacters = Array.from({ length: 32 }, (_, i) => String.fromCharCode(0xfdd0 + i));

function writeMarked(chat: Chat, whole: TemplateInput): RenderedConversation {
  const content = JSON.stringify(whole.messages);
  const [start, end] = noncharacters.filter((each) => !content.includes(each) && !chat.includes(each));
  if (start === undefined || end === undefined)
    throw new WorkbenchError(
      "invalid-input",
      "It contains the code points U+FDD0 to U+FDEF, which are not characters. Remove them.",
    );
  const [text, marked] = chat.write([whole, { ...whole, marks: [start, end] }]);
  const cut = "a {% generation %} block is cut, or inside another one";
  const answers: [number, number][] = [];
  let [plain, open] = ["", -1];
  for (const part of marked!.split(new RegExp(`(${start}|${end})`))) {
    const isMisplaced = (part === start && open >= 0) || (part === end && open < 0);
    if (isMisplaced) throw notFoundError(cut);
    if (part === start) open = plain.length;
    else if (part === end) {
      answers.push([open, plain.length]);
      open = -1;
    } else plain += part;
  }
  if (open >= 0) throw notFoundError(cut);
  if (plain !== text) throw notFoundError("it changes the text of a {% generation %} block after the block");
  return { text, answers };
}

/**
 * An answer begins where the conversation before it ends, once the template has opened the answer, and ends where the
 * conversation up to it ends.
 */
function writePrefixes(chat: Chat, whole: TemplateInput, messages: readonly Message[]): RenderedConversation {
  const places = messages.flatMap(({ role }, i) => (role === "assistant" ? [i] : []));
  const [text, ...prefixes] = chat.write([
    whole,
    ...places.flatMap((i) => [
      { messages: messages.slice(0, i), opensAnswer: true },
      { messages: messages.slice(0, i + 1), opensAnswer: false },
    ]),
  ]);
  const answers = places.map((place, i): [number, number] => {
    const [before, after] = [prefixes[2 * i]!, prefixes[2 * i + 1]!];
    if (!text!.startsWith(before) || !text!.startsWith(after) || before.length > after.length)
      throw notFoundError(
        `the text of the first ${place + (text!.startsWith(before) ? 1 : 0)} messages does not begin the text of all ${messages.length}`,
      );
    return [before.length, after.length];
  });
  return { text: text!, answers };
}

function notFoundError(reason: string): WorkbenchError {
  return new WorkbenchError(
    "invalid-input",
    `The chat template does not show where the answers are: ${reason}. ` +
      "Mark them in the template with {% generation %} and {% endgeneration %}, or set data.train_on_inputs: true to train on everything.",
  );
}
