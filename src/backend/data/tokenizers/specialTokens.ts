/** Which tokens open and close a document, from the files beside a tokenizer in the order in which transformers reads them. */
import * as z from "zod";

const tokenSchema = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();
const namesSchema = z.looseObject({
  bos_token: tokenSchema,
  eos_token: tokenSchema,
  unk_token: tokenSchema,
  pad_token: tokenSchema,
});
const settingsSchema = namesSchema.extend({
  add_bos_token: z.boolean().nullish(),
  added_tokens_decoder: z.record(z.string(), z.unknown()).optional(),
  chat_template: z
    .union([z.string(), z.array(z.looseObject({ name: z.string(), template: z.string() }))])
    .nullish(),
});
const idSchema = z.union([z.int().min(0), z.array(z.int().min(0))]).nullish();
const modelSchema = z.looseObject({ bos_token_id: idSchema, eos_token_id: idSchema });
export const tokenNames = ["bos_token", "eos_token", "unk_token", "pad_token"] as const;
export type TokenName = (typeof tokenNames)[number];

/** The files beside a tokenizer, as texts. */
export interface TokenizerSettings {
  /** `tokenizer_config.json` */
  readonly config?: string | undefined;
  /** `special_tokens_map.json` */
  readonly specialTokens?: string | undefined;
  /** `generation_config.json` and `config.json`, the first to count first. */
  readonly models?: readonly { readonly file: string; readonly text: string }[] | undefined;
  /** `chat_template.jinja`, which replaces the template in `tokenizer_config.json`. */
  readonly template?: string | undefined;
}

export interface ReadSettings {
  readonly names: Readonly<Partial<Record<TokenName, string>>>;
  readonly models: readonly { readonly file: string; readonly bos?: number; readonly eos?: number }[];
  readonly opens: boolean | undefined;
  readonly template: string | undefined;
}

export function readSettings({ config, specialTokens, models, template }: TokenizerSettings): ReadSettings {
  const settings = settingsSchema.parse(parse(config));
  const map = namesSchema.parse(parse(specialTokens));
  // Newer files repeat in tokenizer_config.json what the map contains; beside older ones the map counts.
  const sources = settings.added_tokens_decoder === undefined ? [map, settings] : [settings, map];
  const names: Partial<Record<TokenName, string>> = {};
  for (const name of tokenNames) {
    const token = sources.map((source) => source[name]).find((each) => each != null);
    if (token != null) names[name] = typeof token === "string" ? token : token.content;
  }
  return {
    names,
    models: (models ?? []).map(({ file, text }) => {
      const { bos_token_id: bos, eos_token_id: eos } = modelSchema.parse(JSON.parse(text));
      return { file, ...pickFirst("bos", bos), ...pickFirst("eos", eos) };
    }),
    opens: settings.add_bos_token ?? undefined,
    template: template ?? selectTemplate(settings.chat_template),
  };
}

function parse(text: string | undefined): unknown {
  return text === undefined ? {} : JSON.parse(text);
}

function pickFirst<K extends string>(key: K, ids: z.infer<typeof idSchema>): Partial<Record<K, number>> {
  const [id] = [ids ?? []].flat();
  return (id === undefined ? {} : { [key]: id }) as Partial<Record<K, number>>;
}

/** Of several templates the one for plain conversations. */
function selectTemplate(templates: z.infer<typeof settingsSchema>["chat_template"]): string | undefined {
  if (!Array.isArray(templates)) return templates ?? undefined;
  return templates.find(({ name }) => name === "default")?.template;
}

/** What the vocabulary knows. */
export interface Vocabulary {
  idOf(token: string): number | undefined;
  nameOf(id: number): string | undefined;
  /** The token that the rules of `tokenizer.json` put before a text. */
  readonly opening: number | undefined;
  /** The token that they put after it, such as `[SEP]`. */
  readonly closing: number | undefined;
}

export interface DocumentTokens {
  readonly bos: number | undefined;
  readonly endOfText: number | undefined;
  readonly notices: readonly string[];
}

/** Names of the token between documents, the most common first. */
const commonEnds = ["<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>"];

export function findDocumentTokens(
  id: string,
  settings: ReadSettings,
  vocabulary: Vocabulary,
): DocumentTokens {
  const notices: string[] = [];
  const { bos_token: bos, eos_token: eos } = settings.names;
  const findId = (key: string, token: string | undefined): number | undefined => {
    if (token === undefined) return undefined;
    const tokenId = vocabulary.idOf(token);
    if (tokenId === undefined)
      notices.push(`The ${key} ${token} of ${id} is not in its vocabulary and is not used.`);
    return tokenId;
  };
  const byModel = settings.models
    .map((model) => model.eos)
    .find((each) => each !== undefined && vocabulary.nameOf(each) !== undefined);
  let endOfText = findId("eos_token", eos) ?? byModel ?? vocabulary.closing;
  if (endOfText === undefined) {
    const guess = commonEnds.find((token) => vocabulary.idOf(token) !== undefined);
    endOfText = guess === undefined ? undefined : vocabulary.idOf(guess);
    if (guess !== undefined)
      notices.push(
        `No file beside ${id} specifies eos_token; documents end with ${guess} (id ${endOfText}), by its name. ` +
          "To choose another, write eos_token into a tokenizer_config.json beside it.",
      );
  }
  const opening =
    settings.opens === undefined ? vocabulary.opening : settings.opens ? findId("bos_token", bos) : undefined;
  return { bos: opening, endOfText, notices };
}
