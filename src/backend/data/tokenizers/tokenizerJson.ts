/** A tokenizer from a Hugging Face `tokenizer.json` and the files beside it, encoded by the native library. */
import { createHash } from "node:crypto";
import * as z from "zod";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import { createBytesTokenizer, createByteLevelAlphabet } from "./bytes";
import { createCharactersTokenizer } from "./characters";
import { checkTokenizerFile } from "./checkTokenizerFile";
import { createChat } from "./chatTemplate";
import {
  type CoreTokenizer,
  decodeWith,
  encodeBatch,
  encodeInParts,
  encodeWithOffsets,
  openCore,
} from "./core";
import { findCutRule } from "./findCutRule";
import { findDocumentTokens, readSettings, type ReadSettings, type TokenizerSettings } from "./specialTokens";
import { rememberWords } from "./rememberWords";
import { findFrames } from "./textFrame";
import type { Tokenizer } from "./tokenizer";

/** The parts that Lathe reads; the library reads all of them. */
const fileSchema = z.looseObject({
  model: z.looseObject({
    type: z.string().optional(),
    // Ids by token, or for Unigram a list of tokens with their scores.
    vocab: z.union([z.record(z.string(), z.int().min(0)), z.array(z.unknown()).min(1)]),
    merges: z.array(z.unknown()).optional(),
    dropout: z.number().nullish(),
    unk_token: z.string().nullish(),
    byte_fallback: z.boolean().nullish(),
    continuing_subword_prefix: z.string().nullish(),
    end_of_word_suffix: z.string().nullish(),
  }),
  normalizer: z.unknown().default(null),
  pre_tokenizer: z.unknown().default(null),
  post_processor: z.unknown().default(null),
  added_tokens: z
    .array(
      z.looseObject({
        id: z.int().min(0),
        content: z.string(),
        normalized: z.boolean().optional(),
        special: z.boolean().optional(),
      }),
    )
    .default([]),
});
type TokenizerFile = z.infer<typeof fileSchema>;

export async function createTokenizerFromJson(
  id: string,
  text: string,
  tokenizerSettings: TokenizerSettings = {},
): Promise<Tokenizer> {
  let file: TokenizerFile;
  let settings: ReadSettings;
  let core: CoreTokenizer | undefined;
  let simple: Tokenizer | undefined;
  try {
    file = fileSchema.parse(JSON.parse(text));
    settings = readSettings(tokenizerSettings);
    // What Lathe encodes itself knows no special tokens inside a text, which is how a template writes them.
    simple = settings.template === undefined ? recognize(file) : undefined;
    if (simple === undefined) checkTokenizerFile(file);
    // Sequences are cut and padded by Lathe, whatever the file was saved with.
    core = simple === undefined ? await openCore({ ...file, truncation: null, padding: null }) : undefined;
  } catch (cause) {
    if (cause instanceof WorkbenchError) throw cause;
    throw new WorkbenchError(
      "invalid-input",
      `${id}: the tokenizer cannot be read (${describeCause(cause)}). ` +
        "Use an intact Hugging Face tokenizer.json, or the tokenizer `bytes`.",
      {},
      { cause },
    );
  }
  if ((file.model.dropout ?? 0) > 0)
    throw new WorkbenchError(
      "unsupported",
      `${id} has model.dropout ${file.model.dropout}, which encodes a text differently each time. Set it to null.`,
    );
  const parts = simple ?? (await openParts(id, file, core!));
  const opening = core === undefined ? undefined : await findOpening(core);
  const frames = core === undefined ? undefined : await findFrames(core);
  const { bos, endOfText, notices } = findDocumentTokens(id, settings, {
    idOf: (token) => core?.tokenToId(token) ?? findId(file, token),
    nameOf: parts.nameOf,
    opening,
    closing: frames?.single.after.at(-1),
  });
  // A setting beside the file can switch the opening token on or off.
  const before = bos === opening ? frames?.single.before : bos === undefined ? [] : [bos];
  const chat =
    settings.template === undefined ? undefined : createChat(id, settings.template, settings.names);
  return {
    ...parts,
    id: simple?.id ?? id,
    bos,
    endOfText,
    frames: frames && { ...frames, single: { before: before!, after: frames.single.after } },
    notices: simple === undefined ? notices : [],
    ...(chat === undefined ? {} : { chat }),
    hash:
      simple !== undefined && endOfText === simple.endOfText && bos === simple.bos
        ? simple.hash
        : createHash("sha256")
            .update(JSON.stringify([text, bos ?? null, endOfText ?? null, ...createTemplateKey(settings)]))
            .digest("hex"),
    files: {
      "tokenizer.json": text,
      ...createCompanionFiles(tokenizerSettings, settings, endOfText, parts.nameOf),
    },
  };
}

/** What decides how conversations are written. */
function createTemplateKey({ template, names }: ReadSettings): unknown[] {
  return template === undefined ? [""] : [template, names];
}

function describeCause(cause: unknown): string {
  if (cause instanceof z.ZodError) {
    const [issue] = cause.issues;
    return `${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`;
  }
  return cause instanceof Error ? cause.message.slice(0, 300) : String(cause);
}

function findId({ model: { vocab }, added_tokens }: TokenizerFile, token: string): number | undefined {
  const added = added_tokens.find(({ content }) => content === token)?.id;
  return added ?? (!Array.isArray(vocab) && Object.hasOwn(vocab, token) ? vocab[token] : undefined);
}

/** Where only a model's configuration names the end of a document, a copy without it needs the name as well. */
function createCompanionFiles(
  { config, specialTokens, template }: TokenizerSettings,
  { names, models }: ReadSettings,
  endOfText: number | undefined,
  nameOf: Tokenizer["nameOf"],
): Record<string, string> {
  const end = endOfText === undefined ? undefined : nameOf(endOfText);
  const isNamed = names.eos_token === end || models.every(({ eos }) => eos !== endOfText);
  const configWithEnd = isNamed
    ? config
    : JSON.stringify({ ...(JSON.parse(config ?? "{}") as object), eos_token: end }, undefined, 2);
  return {
    ...(configWithEnd === undefined ? {} : { "tokenizer_config.json": configWithEnd }),
    ...(specialTokens === undefined ? {} : { "special_tokens_map.json": specialTokens }),
    ...(template === undefined ? {} : { "chat_template.jinja": template }),
  };
}

type Parts = Pick<
  Tokenizer,
  "vocabSize" | "cuts" | "encode" | "encodeAll" | "encodeWithOffsets" | "encodeInParts" | "decode" | "nameOf"
>;

async function openParts(id: string, file: TokenizerFile, core: CoreTokenizer): Promise<Parts> {
  const vocabulary = core.getVocab(true);
  const normalizer = core.getNormalizer();
  const refuseUnknown = createUnknownCharacterCheck(id, file, core);
  const guarded = async <T>(texts: readonly string[], encode: () => Promise<T>): Promise<T> => {
    await refuseUnknown?.(texts);
    try {
      return await encode();
    } catch (cause) {
      throw new WorkbenchError(
        "invalid-input",
        `${id} cannot encode ${JSON.stringify((texts[0] ?? "").slice(0, 60))} (${toWorkbenchError(cause).message}). ` +
          "Leave such text out, or use another tokenizer.",
        {},
        { cause },
      );
    }
  };
  const cuts = findCutRule({
    normalizer: file.normalizer,
    preTokenizer: file.pre_tokenizer,
    model: { ...file.model, type: file.model.type ?? "" },
    tokens: Object.keys(vocabulary),
    addedTokens: file.added_tokens,
    normalize: (text) => normalizer?.normalizeString(text) ?? text,
  });
  const encodeNew = (texts: readonly string[]) => guarded(texts, () => encodeBatch(core, texts));
  const encodeAll = cuts === undefined ? encodeNew : rememberWords(cuts, encodeNew);
  return {
    vocabSize: Object.values(vocabulary).reduce((most, each) => Math.max(most, each), -1) + 1,
    cuts,
    encode: async (text) => (await encodeAll([text]))[0]!,
    encodeAll,
    encodeWithOffsets: (texts) => guarded(texts, () => encodeWithOffsets(core, texts)),
    encodeInParts: (text, target) => guarded([text], () => encodeInParts(core, text, target)),
    decode: decodeWith(
      core,
      new Set(file.added_tokens.flatMap(({ content, special }) => (special === true ? [content] : []))),
    ),
    nameOf: (token) => core.idToToken(token) ?? undefined,
  };
}

/** The token that the rules of the file put before a text, such as `<s>`. */
async function findOpening(core: CoreTokenizer): Promise<number | undefined> {
  const [framed, plain] = await Promise.all(
    [true, false].map(async (addSpecialTokens) => {
      const encoding = await core.encode("a", null, { addSpecialTokens });
      return encoding.getIds();
    }),
  );
  return framed!.length > plain!.length && framed![0] !== plain![0] ? framed![0] : undefined;
}

/** A BPE without a token for the unknown drops characters that it lacks; a text that loses some is refused instead. */
function createUnknownCharacterCheck(
  id: string,
  { model, added_tokens: added }: TokenizerFile,
  core: CoreTokenizer,
): ((texts: readonly string[]) => Promise<void>) | undefined {
  const {
    unk_token: unknown,
    byte_fallback: fallsBack,
    continuing_subword_prefix,
    end_of_word_suffix,
  } = model;
  const hasAffix = [continuing_subword_prefix, end_of_word_suffix].some(
    (affix) => affix != null && affix !== "",
  );
  if (Array.isArray(model.vocab) || model.merges === undefined || hasAffix) return undefined;
  if (unknown != null || fallsBack === true) return undefined;
  const withoutTokens = (text: string) =>
    added.reduce((rest, { content }) => rest.replaceAll(content, ""), text);
  const isKnown = new Uint8Array(0x110000);
  return async (texts) => {
    const characters = new Set<string>();
    for (const text of texts)
      for (const character of text) if (isKnown[character.codePointAt(0)!] === 0) characters.add(character);
    if (characters.size === 0) return;
    const list = [...characters];
    const encoded = await encodeBatch(core, list);
    for (const [i, character] of list.entries()) {
      const isDropped = encoded[i]!.length === 0 && splitWords(core, character).some((word) => word !== "");
      if (isDropped && texts.some((text) => withoutTokens(text).includes(character)))
        throw new WorkbenchError(
          "invalid-input",
          `${id} has no token for the character ${JSON.stringify(character)} ` +
            `(U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}), and no unknown token. ` +
            "Leave it out, or use another tokenizer.",
        );
      if (!isDropped) isKnown[character.codePointAt(0)!] = 1;
    }
  };
}

/** What normalizer and pre-tokenizer leave of a text. */
function splitWords(core: CoreTokenizer, text: string): string[] {
  const normalized = core.getNormalizer()?.normalizeString(text) ?? text;
  return (
    core
      .getPreTokenizer()
      ?.preTokenizeString(normalized)
      .map(([word]) => word) ?? [normalized]
  );
}

/** The files that Lathe writes for `bytes` and `characters`, which need no library. */
function recognize({ model, normalizer, pre_tokenizer, added_tokens }: TokenizerFile): Tokenizer | undefined {
  const { vocab, merges, type, ...others } = model;
  if (
    type !== "BPE" ||
    merges?.length !== 0 ||
    Object.values(others).some((each) => each != null && each !== false)
  )
    return undefined;
  if (normalizer !== null || Array.isArray(vocab)) return undefined;
  const entries = Object.entries(vocab).sort(([, a], [, b]) => a - b);
  const tokens = entries.map(([token]) => token);
  if (entries.some(([, id], i) => id !== i)) return undefined;
  const [added, ...more] = added_tokens;
  const ends = added?.content === "<|endoftext|>" && added.id === tokens.length && more.length === 0;
  const byteLevel = JSON.stringify(pre_tokenizer).includes('"use_regex":false');
  if (ends && byteLevel && tokens.join() === createByteLevelAlphabet().join()) return createBytesTokenizer();
  const single = tokens.every((token) => Array.from(token).length === 1);
  if (single && pre_tokenizer === null && (ends || added === undefined))
    return createCharactersTokenizer(tokens, ends);
  return undefined;
}
