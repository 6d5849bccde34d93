/** A preference pair as tokens: the prompt with the chosen answer, then the prompt with the rejected one. */
import { WorkbenchError } from "../../protocol/errors";
import { type Entry, computeSizes, type Truncation } from "./entries";
import type { PreferencePair, PreferenceTexts } from "./preferenceTexts";
import { getChat } from "./tokenizers/answers";
import type { Tokenizer } from "./tokenizers/tokenizer";

/** The prompt alone, and with each answer, as one text each. */
interface WholeTexts extends PreferenceTexts<string> {
  /** Whether a chat template wrote them, with the tokens that open and close a text. */
  readonly isChat: boolean;
}

/**
 * The ids of an answer begin where those of the prompt and of the prompt with an answer first differ, in either answer
 * (TRL 1.16, `DPOTrainer`). Texts close with the end of text, unless they do already. With its last label, a text has at
 * most one token more than a sequence; a pair whose prompt leaves no room for an answer is left out.
 */
export function createPreferenceEntry(
  preference: PreferencePair,
  tokenizer: Tokenizer,
  { length, from }: Truncation,
): Entry {
  const { prompt, chosen, rejected, isChat } = writeTexts(preference, tokenizer);
  const { bos, endOfText } = tokenizer;
  const before = isChat || bos === undefined || bos === endOfText ? [] : [bos];
  const close = (ids: Int32Array) =>
    isChat || endOfText === undefined || ids.at(-1) === endOfText ? ids : Int32Array.of(...ids, endOfText);
  return {
    texts: [prompt, chosen, rejected],
    rows([promptIds, chosenIds, rejectedIds]) {
      const shared = Math.min(countShared(promptIds!, chosenIds!), countShared(promptIds!, rejectedIds!));
      const start = before.length + shared;
      const sides = [
        { side: "chosen" as const, text: chosen, ids: Int32Array.of(...before, ...close(chosenIds!)) },
        { side: "rejected" as const, text: rejected, ids: Int32Array.of(...before, ...close(rejectedIds!)) },
      ];
      const most = length + 1;
      const isCut = sides.some(({ ids }) => ids.length > most);
      if (isCut && from === "none")
        throw new WorkbenchError(
          "invalid-input",
          `A prompt and its answer in ${preference.where} have ${Math.max(...sides.map(({ ids }) => ids.length))} tokens, and a sequence has ${length} and its last label: ${JSON.stringify(prompt.slice(0, 60))}…. ` +
            "Raise data.sequence_len, or choose with data.truncation the side from which texts are cut.",
        );
      const rows = sides.map(({ side, text, ids }, i) => {
        const cut = from === "left" ? Math.max(0, ids.length - most) : 0;
        const answer = Math.max(0, start - cut);
        const kept = ids.subarray(cut, cut + most);
        const isLast = i === sides.length - 1;
        const shownPrompt = text.slice(0, countSharedUnits(prompt, text));
        return {
          // The first token of a sequence has nothing before it to be predicted from.
          labels: kept.length - Math.max(1, answer),
          rows: [
            ...(answer === 0
              ? []
              : [
                  {
                    ids: [kept.subarray(0, answer)],
                    row: { ...computeSizes(shownPrompt), endsDocument: false, masked: true, side },
                  },
                ]),
            {
              ids: [kept.subarray(answer)],
              row: {
                ...computeSizes(text.slice(shownPrompt.length), shownPrompt),
                endsDocument: isLast,
                masked: false,
                side,
              },
            },
          ],
        };
      });
      return rows.some(({ labels }) => labels < 1)
        ? { rows: [], isDropped: true }
        : { rows: rows.flatMap((each) => each.rows), isCut };
    },
  };
}

function writeTexts({ pair, where }: PreferencePair, tokenizer: Tokenizer): WholeTexts {
  const { prompt, chosen, rejected } = pair;
  if (typeof prompt === "string")
    return {
      prompt,
      chosen: prompt + (chosen as string),
      rejected: prompt + (rejected as string),
      isChat: false,
    };
  const messages = prompt as readonly object[];
  const chat = getChat(tokenizer);
  try {
    const [opened, first, second] = chat.write([
      { messages, opensAnswer: true },
      { messages: [...messages, ...(chosen as readonly object[])], opensAnswer: false },
      { messages: [...messages, ...(rejected as readonly object[])], opensAnswer: false },
    ]);
    return { prompt: opened!, chosen: first!, rejected: second!, isChat: true };
  } catch (thrown) {
    if (!(thrown instanceof WorkbenchError)) throw thrown;
    throw new WorkbenchError(
      thrown.code,
      `The preference pair of ${where} cannot be written for ${tokenizer.id}. ${thrown.message}`,
      {},
      { cause: thrown },
    );
  }
}

function countShared(a: Int32Array, b: Int32Array): number {
  let shared = 0;
  while (shared < a.length && a[shared] === b[shared]) shared++;
  return shared;
}

function countSharedUnits(a: string, b: string): number {
  let shared = 0;
  while (shared < a.length && a[shared] === b[shared]) shared++;
  return shared;
}
