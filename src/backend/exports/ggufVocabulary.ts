/**
 * The tokenizer of a model as metadata of a GGUF file. llama.cpp encodes text itself: byte-level BPE with one of its own
 * rules for cutting text, which the file names, or SentencePiece's BPE by the scores of pieces. A tokenizer that it would
 * encode differently is refused. Source: llama.cpp, `src/llama-vocab.cpp`.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { cuttingRules, findCuttingRule } from "../data/tokenizers/cuttingRules";
import { spacedWords } from "../data/tokenizers/findCutRule";
import { parseLlama2cVocabulary } from "../data/tokenizers/llama2c";
import { readSentencePiece } from "../data/tokenizers/sentencePiece";
import { readSettings } from "../data/tokenizers/specialTokens";
import type { Tokenizer } from "../data/tokenizers/tokenizer";
import type { GgufEntry } from "./ggufWriter";

/** Kinds of tokens by their numbers in the file. */
const kinds = { normal: 1, unknown: 2, control: 3, user: 4, unused: 5, byte: 6 } as const;

interface Token {
  readonly text: string;
  readonly kind: keyof typeof kinds;
  readonly score?: number;
}

interface Vocabulary {
  readonly model: "gpt2" | "llama";
  /** How text is cut into words before it is encoded. */
  readonly cutting: string;
  readonly tokens: readonly Token[];
  readonly merges?: readonly string[];
  readonly unknown?: number | undefined;
  /** Whether a space is put before the text. */
  readonly addsSpace?: boolean;
}

/** Metadata of the tokenizer; ids up to `size` that it does not use get tokens without a meaning. */
export function listGgufVocabulary(tokenizer: Tokenizer, size: number): GgufEntry[] {
  const { model, cutting, tokens, merges, unknown, addsSpace } = readVocabulary(tokenizer);
  if (tokens.length > size)
    throw refuse(tokenizer, `it has ${tokens.length} tokens, and the model has embeddings for ${size}`);
  const all = [
    ...tokens,
    ...Array.from({ length: size - tokens.length }, (_, i) => createUnused(tokens.length + i)),
  ];
  const key = (name: string) => `tokenizer.ggml.${name}`;
  const id = (name: string, value: number | undefined): GgufEntry[] =>
    value === undefined ? [] : [{ key: key(name), type: "uint32", value }];
  const template = readTemplate(tokenizer);
  return [
    { key: key("model"), type: "string", value: model },
    { key: key("pre"), type: "string", value: cutting },
    { key: key("tokens"), type: "strings", value: all.map(({ text }) => text) },
    ...(model === "llama"
      ? [{ key: key("scores"), type: "float32s", value: all.map(({ score = 0 }) => score) } as const]
      : []),
    { key: key("token_type"), type: "int32s", value: all.map(({ kind }) => kinds[kind]) },
    ...(merges === undefined ? [] : [{ key: key("merges"), type: "strings", value: merges } as const]),
    ...id("bos_token_id", tokenizer.bos),
    ...id("eos_token_id", tokenizer.endOfText),
    ...id("unknown_token_id", unknown),
    { key: key("add_bos_token"), type: "bool", value: tokenizer.bos !== undefined },
    { key: key("add_eos_token"), type: "bool", value: false },
    ...(addsSpace === undefined
      ? []
      : [{ key: key("add_space_prefix"), type: "bool", value: addsSpace } as const]),
    ...(template === undefined
      ? []
      : [{ key: "tokenizer.chat_template", type: "string", value: template } as const]),
  ];
}

const createUnused = (id: number): Token => ({ text: `[PAD${id}]`, kind: "unused" });

function readTemplate({ files }: Tokenizer): string | undefined {
  return readSettings({
    config: readText(files["tokenizer_config.json"]),
    specialTokens: readText(files["special_tokens_map.json"]),
    template: readText(files["chat_template.jinja"]),
  }).template;
}

const readText = (content: string | Uint8Array | undefined): string | undefined =>
  typeof content === "object" ? Buffer.from(content).toString("utf8") : content;

function refuse(tokenizer: Pick<Tokenizer, "id">, why: string): WorkbenchError {
  return new WorkbenchError(
    "unsupported",
    `The tokenizer ${tokenizer.id} cannot be written into a GGUF file: ${why}. Set vocabulary: none to write the model without it.`,
  );
}

function readVocabulary(tokenizer: Tokenizer): Vocabulary {
  const { files, id } = tokenizer;
  const pieces = files["tokenizer.bin"];
  if (pieces !== undefined) return readLlama2c(id, pieces as Uint8Array);
  const text = readText(files["tokenizer.json"]);
  if (text === undefined) throw refuse(tokenizer, "it has no tokenizer.json");
  const file = fileSchema.safeParse(JSON.parse(text));
  if (!file.success) throw refuse(tokenizer, "it is not a BPE, and llama.cpp has no other of its kind");
  const model = files["tokenizer.model"];
  if (file.data.model.byte_fallback === true)
    return readPieces(tokenizer, file.data, model === undefined ? undefined : (model as Uint8Array));
  return readByteLevel(tokenizer, file.data);
}

function readLlama2c(id: string, content: Uint8Array): Vocabulary {
  const { pieces, scores } = parseLlama2cVocabulary(id, content);
  // Ids 0 to 2 are the unknown token and the beginning and end of a text; 256 bytes follow.
  const tokens = pieces.map((text, i): Token => ({
    text: text.replaceAll(" ", "▁"),
    kind: i === 0 ? "unknown" : i < 3 ? "control" : i < 259 ? "byte" : "normal",
    score: scores[i]!,
  }));
  const names = ["<unk>", "<s>", "</s>"];
  return {
    model: "llama",
    cutting: "default",
    tokens: tokens.map((token, i) => (i < 3 ? { ...token, text: names[i]! } : token)),
    unknown: 0,
    addsSpace: true,
  };
}

type Step = Readonly<Record<string, unknown>> | null;
const stepSchema = z.record(z.string(), z.unknown()).nullish();
const fileSchema = z.looseObject({
  model: z.looseObject({
    type: z.literal("BPE"),
    vocab: z.record(z.string(), z.int().min(0)),
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
    byte_fallback: z.boolean().nullish(),
    ignore_merges: z.boolean().nullish(),
    unk_token: z.string().nullish(),
    continuing_subword_prefix: z.string().nullish(),
    end_of_word_suffix: z.string().nullish(),
  }),
  normalizer: stepSchema,
  pre_tokenizer: stepSchema,
  added_tokens: z
    .array(z.looseObject({ id: z.int().min(0), content: z.string(), special: z.boolean().nullish() }))
    .default([]),
});
type File = z.output<typeof fileSchema>;

/** Every id up to the highest, with the kind of added tokens. */
function listTokens(
  { model, added_tokens: added }: File,
  kindOf: (text: string) => Token["kind"] = () => "normal",
): Token[] {
  const tokens: Token[] = [];
  for (const [text, id] of Object.entries(model.vocab)) tokens[id] = { text, kind: kindOf(text) };
  for (const { id, content, special } of added)
    tokens[id] = {
      text: content,
      kind: content === model.unk_token ? "unknown" : special === true ? "control" : "user",
    };
  return Array.from(tokens, (token: Token | undefined, id) => token ?? createUnused(id));
}

const joinMerge = (merge: string | readonly [string, string]): string =>
  typeof merge === "string" ? merge : merge.join(" ");

/** The steps of a sequence, or the step alone. */
function listSteps(step: Step | undefined, key: string): readonly NonNullable<Step>[] {
  if (step == null) return [];
  return step["type"] === "Sequence" ? (step[key] as readonly NonNullable<Step>[]) : [step];
}

function readByteLevel(tokenizer: Tokenizer, file: File): Vocabulary {
  const { model, normalizer } = file;
  const steps = listSteps(file.pre_tokenizer, "pretokenizers");
  const last = steps.at(-1);
  if (last?.["type"] !== "ByteLevel" || last["add_prefix_space"] === true)
    throw refuse(tokenizer, "it neither encodes bytes nor falls back to them, or adds a space before words");
  const cutting = findCutting(steps, model.merges.length === 0);
  if (cutting === undefined)
    throw refuse(
      tokenizer,
      `llama.cpp does not know its rule for cutting text (${JSON.stringify(file.pre_tokenizer).slice(0, 120)})`,
    );
  if ((model.ignore_merges === true) !== cuttingRules[cutting]!.ignoresMerges)
    throw refuse(
      tokenizer,
      `its ignore_merges is ${String(model.ignore_merges ?? false)}, and llama.cpp has the opposite for this rule (${cutting})`,
    );
  const affixes = [model.continuing_subword_prefix, model.end_of_word_suffix];
  if (affixes.some((affix) => affix != null && affix !== ""))
    throw refuse(tokenizer, "its tokens have a prefix or suffix within words");
  // llama.cpp's own converter leaves out the normalization of Qwen2, which changes only decomposed characters.
  if (normalizer != null && !(normalizer["type"] === "NFC" && cutting === "qwen2"))
    throw refuse(tokenizer, `it normalizes text (${String(normalizer["type"])})`);
  return { model: "gpt2", cutting, tokens: listTokens(file), merges: model.merges.map(joinMerge) };
}

/** Without merges every token is a byte, wherever text is cut. */
function findCutting(steps: readonly NonNullable<Step>[], isUncut: boolean): string | undefined {
  return isUncut && steps.length === 1 ? "gpt-2" : findCuttingRule(steps);
}

/** SentencePiece's BPE: pairs are joined by the score of the piece that they become. */
function readPieces(tokenizer: Tokenizer, file: File, content: Uint8Array | undefined): Vocabulary {
  const pieces = content === undefined ? undefined : readSentencePiece(tokenizer.id, content).pieces;
  const byText = new Map(pieces?.map((piece) => [piece.text, piece]));
  const tokens = listTokens(
    file,
    (text) => byText.get(text)?.kind ?? (/^<0x[0-9A-F]{2}>$/.test(text) ? "byte" : "normal"),
  );
  const ranks = pieces === undefined ? rankPieces(tokenizer, file) : undefined;
  const unknown = tokens.findIndex(({ kind }) => kind === "unknown");
  return {
    model: "llama",
    cutting: "default",
    tokens: tokens.map((token) => ({
      ...token,
      score: byText.get(token.text)?.score ?? ranks?.get(token.text) ?? 0,
    })),
    unknown: unknown < 0 ? undefined : unknown,
    addsSpace: findSpace(tokenizer, file, pieces?.some(({ kind }) => kind === "user") === true),
  };
}

/** The first merge that makes a piece determines its score. Every pair that makes it must be a merge, as any is joined. */
function rankPieces(tokenizer: Tokenizer, { model }: File): Map<string, number> {
  const scores = new Map<string, number>();
  const merges = new Set<string>();
  for (const [rank, merge] of model.merges.entries()) {
    const text = joinMerge(merge);
    merges.add(text);
    const piece = text.replace(" ", "");
    if (!scores.has(piece)) scores.set(piece, -rank);
  }
  for (const piece of scores.keys())
    for (let at = 1; at < piece.length; at++) {
      const [left, right] = [piece.slice(0, at), piece.slice(at)];
      if (!Object.hasOwn(model.vocab, left) || !Object.hasOwn(model.vocab, right)) continue;
      if (!merges.has(`${left} ${right}`))
        throw refuse(
          tokenizer,
          `${JSON.stringify(left)} and ${JSON.stringify(right)} are tokens that it does not merge, and llama.cpp would`,
        );
    }
  return scores;
}

/** Whether a space is put before a text; every other space must become ▁ and nothing else be changed. */
function findSpace(tokenizer: Tokenizer, file: File, hasUserPieces: boolean): boolean {
  const normalizers = listSteps(file.normalizer, "normalizers");
  const steps = listSteps(file.pre_tokenizer, "pretokenizers");
  let adds = false;
  for (const each of normalizers) {
    const { type, pattern, content, prepend } = each as Record<string, unknown> & {
      pattern?: { String?: string };
    };
    if (type === "Prepend" && prepend === "▁") adds = true;
    else if (type !== "Replace" || pattern?.String !== " " || content !== "▁")
      throw refuse(tokenizer, `it normalizes text (${String(type)})`);
  }
  for (const each of steps) {
    if (each["type"] === "Metaspace")
      adds ||= each["prepend_scheme"] !== "never" && each["add_prefix_space"] !== false;
    // Words are encoded apart only where no piece reaches over the beginning of one.
    else if (each["type"] === "Split" && hasUserPieces) continue;
    else if ((each["pattern"] as { Regex?: string } | undefined)?.Regex !== spacedWords)
      throw refuse(tokenizer, `it cuts text before encoding it (${String(each["type"])})`);
  }
  return adds;
}
