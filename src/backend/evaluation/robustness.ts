/**
 * How much worse a model predicts a text with typos, dropped or swapped words, or words in the other case, at rising strength.
 * All models read the same changed text, so that a shrunk model can be compared with the whole one: what it loses beyond the
 * clean text is what shrinking costs where the text is not as in training.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { countText } from "../data/spaces";
import { getDocumentFrame } from "../data/tokenizers/tokenizer";
import { requireNextToken } from "../models/classifier";
import { type Corruption, corrupt, corruptions } from "./corruption";
import { defineMetric, type EvaluationLab, getSplit, getTokenizer, type Subject } from "./metric";
import { createStridedWindows, readPlainText } from "./perplexityText";
import { contextOption, resolveContext, scoreWindows } from "./scoreWindows";

const optionsSchema = z.strictObject({
  kinds: z
    .array(z.enum(corruptions))
    .min(1)
    .default([...corruptions])
    .describe(
      "What to change: letters (`typos`: replaced, left out, doubled or swapped), or words that are left out (`drop`), swapped with the next (`swap`) or written in the other case (`case`).",
    ),
  strengths: z
    .array(z.number().gt(0).max(1))
    .min(1)
    .default([0.05, 0.1, 0.2])
    .describe("Shares of the letters or words to change."),
  split: z.enum(["validation", "test", "train"]).default("validation").describe("Split to read."),
  max_tokens: z
    .int()
    .min(2)
    .default(16_384)
    .describe("Read only this many tokens, from the start of the split, before they are changed."),
  context: contextOption,
  seed: z.int().min(0).default(0).describe("Seed of the changes, the same for all runs that are compared."),
});
type Options = z.output<typeof optionsSchema>;

interface Robustness {
  /** Of the unchanged text. */
  readonly bits_per_byte: number;
  readonly changed: readonly {
    readonly kind: Corruption;
    readonly strength: number;
    /** Of the changed text. */
    readonly bits_per_byte: number;
    /** Tokens of the changed text. */
    readonly tokens: number;
  }[];
  readonly context: number;
  readonly seed: number;
}

export default defineMetric<Options, Robustness>({
  title: "Robustness",
  options: optionsSchema,
  needs: ["data", "tokenizer"],
  goals: { "robustness/bits_per_byte*": "minimize", "robustness/increase*": "minimize" },
  samples: [
    { max_tokens: 60, context: 8, strengths: [0.2] },
    { kinds: ["typos"], max_tokens: 40, context: 6 },
  ],
  checkModel: (shape) => requireNextToken(shape, "it has no loss of the next token"),
  check: ({ shape, data }, options) => {
    resolveContext("robustness", { shape, data }, options);
    getSplit(data, options.split);
  },
  evaluate: async (subject, options, lab) => {
    const details = await measure(subject, options, lab);
    const { bits_per_byte: clean, changed } = details;
    return {
      values: {
        "robustness/bits_per_byte": clean,
        ...Object.fromEntries(
          changed.flatMap(({ kind, strength, bits_per_byte: bits }) => [
            [`robustness/bits_per_byte_${kind}_${strength}`, bits],
            [`robustness/increase_${kind}_${strength}`, bits - clean],
          ]),
        ),
      },
      lines: [
        `${clean.toFixed(4)} bits per byte of the unchanged text`,
        ...options.kinds.map((kind) => {
          const own = changed.filter((each) => each.kind === kind);
          const numbers = own.map(
            ({ strength, bits_per_byte: bits }) =>
              `${percent(strength)}: ${bits.toFixed(4)} (${bits < clean ? "" : "+"}${(bits - clean).toFixed(4)})`,
          );
          return `${kind}: ${numbers.join(", ")}`;
        }),
        `${subject.data!.title}, ${options.split} split, up to ${options.max_tokens} tokens, context ${details.context}, seed ${options.seed}`,
      ],
      details,
    };
  },
});

const percent = (share: number): string => `${Number((100 * share).toFixed(1))} %`;

async function measure(subject: Subject, options: Options, lab: EvaluationLab): Promise<Robustness> {
  requireNextToken(subject.shape, "it has no loss of the next token");
  const tokenizer = getTokenizer(subject);
  const context = resolveContext("robustness", subject, options);
  const split = getSplit(subject.data, options.split);
  const texts = readPlainText(split, tokenizer, options.max_tokens).documents.map((ids) =>
    tokenizer.decode(ids),
  );
  const { before, after } = getDocumentFrame(tokenizer);
  const passes = 1 + options.kinds.length * options.strengths.length;
  let done = 0;
  const read = async (documents: readonly string[]) => {
    const encoded = await tokenizer.encodeAll(documents);
    const ids = Int32Array.from(encoded.flatMap((each) => [...before, ...each, ...after]));
    const bytes = documents.reduce((sum, text) => sum + countText(text).bytes, 0);
    if (ids.length < 2 || bytes === 0)
      throw new WorkbenchError(
        "invalid-input",
        `The changed text has ${ids.length} tokens, but scoring needs at least 2. Raise robustness.max_tokens, lower strengths, or provide more text.`,
      );
    const windows = createStridedWindows(ids, context, Math.ceil(context / 2));
    const { total, scored } = await scoreWindows(subject, windows, undefined, {
      ...lab,
      progress: (at, all) => lab.progress(done * all + at, passes * all, "windows"),
    });
    done++;
    // Extends the mean to the first token, which no window scores.
    return { bits_per_byte: ((total / scored) * ids.length) / bytes / Math.LN2, tokens: ids.length };
  };
  const clean = await read(texts);
  const changed: Robustness["changed"][number][] = [];
  for (const kind of options.kinds)
    for (const strength of options.strengths)
      changed.push({
        kind,
        strength,
        ...(await read(texts.map((text, i) => corrupt(text, kind, strength, options.seed + i)))),
      });
  return { bits_per_byte: clean.bits_per_byte, changed, context, seed: options.seed };
}
