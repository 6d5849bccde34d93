/**
 * Chat templates: the Jinja text beside a tokenizer that defines how a conversation is written for its model. A template
 * comes from others, so it sees the conversation and nothing of the machine, no file and no clock, and is stopped when it
 * takes too long.
 */
import { createContext, type Context, Script } from "node:vm";
import { Environment, Interpreter, Template } from "@huggingface/jinja";
import { WorkbenchError } from "../../../protocol/errors";

export const chatRoles = ["system", "user", "assistant"] as const;

export interface ChatMessage {
  readonly role: (typeof chatRoles)[number];
  readonly content: string;
}

/** One text to write from a conversation. */
export interface TemplateInput {
  /** With the role and content of each, and whatever else the template reads. */
  readonly messages: readonly object[];
  /** Whether the text continues up to where the next answer begins. */
  readonly opensAnswer: boolean;
  /** Texts to write in place of `{% generation %}` and `{% endgeneration %}`; none when left out. */
  readonly marks?: readonly [string, string];
}

export interface Chat {
  /** The conversation as the model's text, up to where its next answer begins. Special tokens are part of the text. */
  apply(messages: readonly ChatMessage[]): string;
  /** All texts, in order. */
  write(writings: readonly TemplateInput[]): string[];
  /** Whether the template marks answers with `{% generation %}`. */
  readonly marksAnswers: boolean;
  /** Whether the text of the template contains another text. */
  includes(text: string): boolean;
}

/** Tokens by the names that templates know them by, such as `bos_token`. */
export type NamedTokens = Readonly<Record<string, string>>;

const maxTemplateLength = 2 ** 18;
/** A thousand times what any template needs. */
const timeoutMilliseconds = 10_000;
const maxRangeLength = 10_000;

const generationTag = /\{%([-+]?)\s*(end)?generation\s*(-?)%\}/g;
const markNames = ["lathe_answer_start", "lathe_answer_end"] as const;

/** The template is parsed when it is first needed, so that a broken one does not keep anybody from training on text. */
export function createChat(
  tokenizer: string,
  source: string,
  tokens: NamedTokens,
  milliseconds = timeoutMilliseconds,
): Chat {
  let template: Template | undefined;
  let sandbox: Context | undefined;
  let writings: readonly TemplateInput[] = [];
  const writeAll = (): string[] => {
    template ??= new Template(replaceGenerationTags(source));
    const { parsed } = template;
    return writings.map(
      (each) => new Interpreter(createEnvironment(each, tokens)).run(parsed).value as string,
    );
  };
  const write = (inputs: readonly TemplateInput[]): string[] => {
    try {
      if (source.length > maxTemplateLength)
        throw new Error(`it has ${source.length} letters, and at most ${maxTemplateLength} are read`);
      writings = inputs;
      sandbox ??= createContext({ writeAll });
      // Only what a script started can be stopped from outside.
      return call.runInContext(sandbox, { timeout: milliseconds }) as string[];
    } catch (thrown) {
      const reason = (thrown instanceof Error ? thrown.message : String(thrown)).slice(0, 300);
      throw new WorkbenchError(
        "invalid-input",
        `The chat template of ${tokenizer} refuses this conversation (${reason.replace(/\.$/, "")}). ` +
          "Change the messages, or write the prompt as text in the form that the model knows.",
        {},
        { cause: thrown },
      );
    }
  };
  return {
    apply: (messages) => write([{ messages, opensAnswer: true }])[0]!,
    write,
    marksAnswers: /\{%-?\s*generation\s*-?%\}/.test(source),
    includes: (text) => source.includes(text),
  };
}

const call = new Script("writeAll()");

/** The library drops `generation` tags. A variable inside a block takes their place, with the same control of white space. */
function replaceGenerationTags(source: string): string {
  return source.replace(
    generationTag,
    (_, before: string, end: string | undefined, after: string) =>
      `{%${before} if true %}{{ ${markNames[end === undefined ? 0 : 1]} }}{% endif ${after}%}`,
  );
}

/** As in `apply_chat_template` of transformers, without the date, which would give another text every day. */
function createEnvironment(
  { messages, opensAnswer, marks = ["", ""] }: TemplateInput,
  tokens: NamedTokens,
): Environment {
  const environment = new Environment();
  const names = {
    true: true,
    True: true,
    false: false,
    False: false,
    none: null,
    None: null,
    range,
    raise_exception: (message: string) => {
      throw new Error(message);
    },
    tools: null,
    documents: null,
    ...tokens,
    messages,
    add_generation_prompt: opensAnswer,
    [markNames[0]]: marks[0],
    [markNames[1]]: marks[1],
  };
  for (const [name, value] of Object.entries(names)) environment.set(name, value);
  return environment;
}

function range(first: number, second?: number, step = 1): number[] {
  const [start, end] = typeof second === "number" ? [first, second] : [0, first];
  const count = Math.max(0, Math.ceil((end - start) / step));
  if (!(count <= maxRangeLength)) throw new Error(`range of ${count} numbers`);
  return Array.from({ length: count }, (_, i) => start + i * step);
}
