/**
 * Chat templates: the Jinja text beside a tokenizer that says how a conversation is written down for its model. It comes
 * with files of others, so it sees the conversation and nothing of the machine, no file and no clock, and is ended when it
 * takes too long.
 */
import { runInNewContext } from "node:vm";
import { Environment, Interpreter, Template } from "@huggingface/jinja";
import { WorkbenchError } from "../../../protocol/errors";

export const chatRoles = ["system", "user", "assistant"] as const;

export interface ChatMessage {
  readonly role: (typeof chatRoles)[number];
  readonly content: string;
}

export interface Chat {
  /** The conversation as the model's text, up to where its next answer begins. Special tokens are part of the text. */
  apply(messages: readonly ChatMessage[]): string;
}

/** Tokens by the names that templates know them by, such as `bos_token`. */
export type NamedTokens = Readonly<Record<string, string>>;

const longestTemplate = 2 ** 18;
/** A thousand times what any template needs. */
const longestMilliseconds = 10_000;
const longestRange = 10_000;

/** The template is read when it is first needed: a broken one takes nothing from who only trains. */
export function chatTemplate(
  tokenizer: string,
  source: string,
  tokens: NamedTokens,
  milliseconds = longestMilliseconds,
): Chat {
  let template: Template | undefined;
  return {
    apply: (messages) => {
      try {
        if (source.length > longestTemplate)
          throw new Error(`it has ${source.length} letters, and at most ${longestTemplate} are read`);
        const write = () => {
          template ??= new Template(source);
          return new Interpreter(environmentOf(messages, tokens)).run(template.parsed).value as string;
        };
        // Only what a script has begun can be ended from outside.
        return runInNewContext("write()", { write }, { timeout: milliseconds }) as string;
      } catch (thrown) {
        const said = (thrown instanceof Error ? thrown.message : String(thrown)).slice(0, 300);
        throw new WorkbenchError(
          "invalid-input",
          `The chat template of ${tokenizer} refuses this conversation (${said.replace(/\.$/, "")}). ` +
            "Change the messages, or write the prompt as text in the form that the model knows.",
          {},
          { cause: thrown },
        );
      }
    },
  };
}

/** As in `apply_chat_template` of transformers, without the date, which would give another text every day. */
function environmentOf(messages: readonly ChatMessage[], tokens: NamedTokens): Environment {
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
    ...tokens,
    messages,
    add_generation_prompt: true,
  };
  for (const [name, value] of Object.entries(names)) environment.set(name, value);
  return environment;
}

function range(first: number, second?: number, step = 1): number[] {
  const [start, end] = typeof second === "number" ? [first, second] : [0, first];
  const count = Math.max(0, Math.ceil((end - start) / step));
  if (!(count <= longestRange)) throw new Error(`range of ${count} numbers`);
  return Array.from({ length: count }, (_, i) => start + i * step);
}
