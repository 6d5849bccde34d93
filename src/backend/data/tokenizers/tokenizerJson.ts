/** Any Hugging Face `tokenizer.json`, run by their own library, with the words of a text remembered for speed. */
import { createHash } from "node:crypto";
import { Tokenizer as Library } from "@huggingface/tokenizers";
import * as z from "zod";
import { WorkbenchError } from "../../../protocol/errors";
import { isSpace } from "../spaces";
import { byteLevelAlphabet, bytesTokenizer } from "./bytes";
import { charactersTokenizer } from "./characters";
import { chatTemplate, type NamedTokens } from "./chatTemplate";
import { IdList, type Seam, type Tokenizer, WordMemo } from "./tokenizer";

/** The part that is looked at here; the library reads the rest. */
const fileSchema = z.looseObject({
  model: z.looseObject({
    type: z.enum(["BPE", "WordPiece", "WordLevel", "Unigram"]).optional(),
    // Ids by token, or for Unigram a list of tokens with their scores.
    vocab: z.union([z.record(z.string(), z.int().min(0)), z.array(z.unknown()).min(1)]),
    merges: z.array(z.unknown()).optional(),
    byte_fallback: z.boolean().nullish(),
    unk_id: z.int().nullish(),
  }),
  normalizer: z.unknown().default(null),
  pre_tokenizer: z.unknown().default(null),
  added_tokens: z
    .array(
      z.looseObject({
        id: z.int().min(0),
        content: z.string(),
        lstrip: z.boolean().default(false),
        rstrip: z.boolean().default(false),
      }),
    )
    .default([]),
});
const tokenSchema = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();
const configSchema = z.looseObject({
  bos_token: tokenSchema,
  eos_token: tokenSchema,
  unk_token: tokenSchema,
  pad_token: tokenSchema,
  chat_template: z
    .union([z.string(), z.array(z.looseObject({ name: z.string(), template: z.string() }))])
    .nullish(),
});
type Settings = z.infer<typeof configSchema>;
const tokenNames = ["bos_token", "eos_token", "unk_token", "pad_token"] as const;

/** Names by which vocabularies call the token between documents, the plainest first. */
const endOfTextNames = ["<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>"];

function reasonOf(cause: unknown): string {
  if (cause instanceof z.ZodError) {
    const [issue] = cause.issues;
    return `${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`;
  }
  return cause instanceof Error ? cause.message.slice(0, 300) : String(cause);
}

/** The files beside a `tokenizer.json`, as texts. */
export interface TokenizerSettings {
  readonly config?: string | undefined;
  /** A `chat_template.jinja`, which stands for the template in `tokenizer_config.json`. */
  readonly template?: string | undefined;
}

export function tokenizerFromJson(
  id: string,
  text: string,
  { config, template }: TokenizerSettings = {},
): Tokenizer {
  const unreadable = (what: string, cause: unknown): WorkbenchError =>
    new WorkbenchError(
      "invalid-input",
      `${id}: ${what} (${reasonOf(cause)}). ` +
        "Give the path of an intact Hugging Face tokenizer.json, or use the tokenizer `bytes`.",
      {},
      { cause },
    );
  const besides = {
    ...(config === undefined ? {} : { "tokenizer_config.json": config }),
    ...(template === undefined ? {} : { "chat_template.jinja": template }),
  };
  const chatOf = (given: Settings): Pick<Tokenizer, "chat"> => {
    const source = template ?? templateOf(given);
    return source === undefined ? {} : { chat: chatTemplate(id, source, namedTokens(given)) };
  };
  let file: z.infer<typeof fileSchema>;
  let settings: Settings;
  let library: Library;
  try {
    const json: unknown = JSON.parse(text);
    file = fileSchema.parse(json);
    settings = configSchema.parse(config === undefined ? {} : JSON.parse(config));
    const plain = recognise(file);
    if (plain !== undefined) return { ...plain, ...chatOf(settings), files: { ...plain.files, ...besides } };
    library = new Library({ post_processor: null, decoder: null, ...file }, settings);
  } catch (cause) {
    throw unreadable("the tokenizer cannot be read", cause);
  }

  const { type, byte_fallback: fallsBack, unk_id: unknown } = file.model;
  const spellUnknown = type === "Unigram" && fallsBack === true ? byteSpeller(library, unknown) : undefined;
  const idsOf = (words: string): readonly (number | undefined)[] => {
    const { ids, tokens } = library.encode(words, { add_special_tokens: false });
    return spellUnknown === undefined ? ids : spellUnknown(ids, tokens);
  };
  const plainly = (words: string): Int32Array => {
    const ids = idsOf(words);
    if (ids.includes(undefined))
      throw new WorkbenchError(
        "invalid-input",
        `${id} has no token for a part of ${JSON.stringify(words.slice(0, 60))}, and none that stands for the ` +
          "unknown. Leave such text out, or use another tokenizer.",
      );
    return Int32Array.from(ids as readonly number[]);
  };
  const seams = seamsOf(idsOf);
  // Added tokens that hold or swallow spaces reach over the borders of words.
  const reaching = file.added_tokens.filter(
    (token) => token.lstrip || token.rstrip || /\s/.test(token.content),
  );
  const memo = new WordMemo(plainly);
  const encodeWords = seams.includes("space")
    ? bySpace(memo)
    : seams.includes("gap")
      ? byGap(memo)
      : undefined;

  const idOf = (token: string): number | undefined => library.token_to_id(token);
  const eos = namedTokens(settings).eos_token;
  const endOfAnswer = eos === undefined ? undefined : idOf(eos);
  const endOfText = [...endOfTextNames.map(idOf), endOfAnswer].find((token) => token !== undefined);
  let highest = -1;
  for (const token of library.get_vocab().values()) if (token > highest) highest = token;

  return {
    id,
    vocabSize: highest + 1,
    endOfText,
    bos: openingToken(library),
    endOfAnswer: endOfAnswer === endOfText ? undefined : endOfAnswer,
    ...chatOf(settings),
    hash: createHash("sha256")
      .update(JSON.stringify([text, config ?? "", ...(template === undefined ? [] : [template])]))
      .digest("hex"),
    seams,
    files: { "tokenizer.json": text, ...besides },
    encode(words) {
      if (words === "") return new Int32Array(0);
      if (encodeWords === undefined || reaching.some((token) => words.includes(token.content)))
        return plainly(words);
      return encodeWords(words);
    },
    decode(ids) {
      const known = Array.from(ids).filter((token) => library.id_to_token(token) !== undefined);
      if (known.length === 0) return "";
      return library.decode(known, { skip_special_tokens: true, clean_up_tokenization_spaces: false });
    },
  };
}

function namedTokens(settings: Settings): NamedTokens {
  const named = tokenNames.flatMap((name) => {
    const token = settings[name];
    return token == null ? [] : [[name, typeof token === "string" ? token : token.content] as const];
  });
  return Object.fromEntries(named);
}

/** Of several templates the one for plain conversations. */
function templateOf({ chat_template: given }: Settings): string | undefined {
  if (!Array.isArray(given)) return given ?? undefined;
  return given.find(({ name }) => name === "default")?.template;
}

/** Puts the bytes of a text in the place of the token that says only that it is unknown, which the library leaves there for Unigram. */
function byteSpeller(library: Library, unknown: number | null | undefined) {
  const bytes = Array.from({ length: 256 }, (_, byte) =>
    library.token_to_id(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`),
  );
  return (ids: readonly number[], tokens: readonly string[]): (number | undefined)[] =>
    ids.flatMap((id, i) =>
      id === unknown ? Array.from(Buffer.from(tokens[i]!), (byte) => bytes[byte]) : [id],
    );
}

/** The token that the file itself puts before a text, such as `<s>`. */
function openingToken(library: Library): number | undefined {
  const [first] = library.encode("a").ids;
  const [plain] = library.encode("a", { add_special_tokens: false }).ids;
  return first === plain ? undefined : first;
}

/** A BPE without merges is a tokenizer of bytes or characters, which need no library. */
function recognise(file: z.infer<typeof fileSchema>): Tokenizer | undefined {
  const { vocab, merges } = file.model;
  if (merges?.length !== 0 || file.normalizer !== null || Array.isArray(vocab)) return;
  const entries = Object.entries(vocab).sort(([, a], [, b]) => a - b);
  const tokens = entries.map(([token]) => token);
  if (entries.some(([, id], i) => id !== i)) return;
  const [added, ...others] = file.added_tokens;
  const ends = added?.content === "<|endoftext|>" && added.id === tokens.length && others.length === 0;
  const byteLevel = JSON.stringify(file.pre_tokenizer).includes('"use_regex":false');
  if (ends && byteLevel && tokens.join() === byteLevelAlphabet().join()) return bytesTokenizer();
  const single = tokens.every((token) => Array.from(token).length === 1);
  if (single && file.pre_tokenizer === null && (ends || added === undefined))
    return charactersTokenizer(tokens, ends);
  return;
}

/** Words with the space before them: exact wherever a token never runs from a word into a space. */
function bySpace(memo: WordMemo): (text: string) => Int32Array {
  return (text) => {
    const ids = new IdList(text.length >> 1);
    let start = 0;
    for (let at = text.indexOf(" ", 1); at >= 0; at = text.indexOf(" ", at + 1)) {
      if (isSpace(text.charCodeAt(at - 1))) continue;
      ids.append(memo.ids(text.slice(start, at)));
      start = at;
    }
    ids.append(memo.ids(text.slice(start)));
    return ids.take();
  };
}

/** Words without the space before them, for tokenizers that put one before every text. */
function byGap(memo: WordMemo): (text: string) => Int32Array {
  return (text) => {
    const ids = new IdList(text.length >> 1);
    let start = 0;
    for (let at = text.indexOf(" ", 1); at >= 0; at = text.indexOf(" ", at + 1)) {
      if (isSpace(text.charCodeAt(at - 1)) || at + 1 >= text.length || isSpace(text.charCodeAt(at + 1)))
        continue;
      ids.append(memo.ids(text.slice(start, at)));
      start = at + 1;
    }
    ids.append(memo.ids(text.slice(start)));
    return ids.take();
  };
}

/** The rules of a tokenizer.json are too many to reason about, so each kind of seam is tried out. */
function seamsOf(encode: (text: string) => readonly (number | undefined)[]): Seam[] {
  const same = (whole: string, parts: readonly string[]): boolean =>
    encode(whole).join() === parts.map((part) => encode(part).join()).join();
  const holds: Record<Seam, boolean> = {
    space: [
      ["alpha", " beta", " gamma"],
      ["x1", " =", " y22;", " //", " (no)"],
      ["don't,", " 3.14!", "  two", " Zürich", " 東京"],
      ["end.", "  \n  if", " {", " }\n\n"],
    ].every((parts) => same(parts.join(""), parts)),
    line: [
      ["alpha\n", "beta\n", "Gamma"],
      ["x = 1;\n", "// y\n", "}\n", "'s 3\n", "東京\n", "{"],
    ].every((parts) => same(parts.join(""), parts)),
    gap: [
      ["alpha", "beta", "gamma"],
      ["x1", "=", "y22;", "//", "(no)"],
      ["don't,", "3.14!  two", "Zürich", "東京"],
    ].every((parts) => same(parts.join(" "), parts)),
  };
  // Where the space can be kept there is no need to drop it.
  return (["space", "line", "gap"] as const).filter(
    (seam) => holds[seam] && !(seam === "gap" && holds.space),
  );
}
