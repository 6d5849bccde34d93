/** Tokens that `added_tokens.json` and `tokenizer_config.json` add to a vocabulary. */
import * as z from "zod";

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Whether it has no text when ids are decoded. */
  readonly special: boolean;
  readonly lstrip?: boolean | undefined;
  readonly rstrip?: boolean | undefined;
  readonly single_word?: boolean | undefined;
  readonly normalized?: boolean | undefined;
}

const idsSchema = z.record(z.string(), z.int().min(0));
const token = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();
const settingsSchema = z.looseObject({
  legacy: z.boolean().nullish(),
  add_bos_token: z.boolean().nullish(),
  bos_token: token,
  added_tokens_decoder: z
    .record(
      z.string().regex(/^\d+$/),
      z.looseObject({
        content: z.string(),
        special: z.boolean().default(false),
        lstrip: z.boolean().optional(),
        rstrip: z.boolean().optional(),
        single_word: z.boolean().optional(),
        normalized: z.boolean().optional(),
      }),
    )
    .default({}),
});

export type TokenizerSettings = z.output<typeof settingsSchema>;

/** Texts of the files beside a vocabulary, where they are there. */
export interface CompanionFiles {
  readonly settings: string | undefined;
  readonly added: string | undefined;
}

/** Merges both files. `tokenizer_config.json`, which has more details, takes precedence for an id in both. */
export function readAddedTokens(files: CompanionFiles): { settings: TokenizerSettings; added: AddedToken[] } {
  const settings = settingsSchema.parse(files.settings === undefined ? {} : JSON.parse(files.settings));
  const ids = idsSchema.parse(files.added === undefined ? {} : JSON.parse(files.added));
  const byId = new Map<number, AddedToken>();
  for (const [content, id] of Object.entries(ids)) byId.set(id, { id, content, special: true });
  for (const [id, { content, special, lstrip, rstrip, single_word, normalized }] of Object.entries(
    settings.added_tokens_decoder,
  ))
    byId.set(Number(id), { id: Number(id), content, special, lstrip, rstrip, single_word, normalized });
  return { settings, added: [...byId.values()] };
}

/** An entry of `added_tokens` in a `tokenizer.json`. */
export function toAddedTokenJson({ id, content, special, ...flags }: AddedToken): object {
  const { single_word = false, lstrip = false, rstrip = false, normalized = false } = flags;
  return { id, content, special, single_word, lstrip, rstrip, normalized };
}

/** The rule of a `tokenizer.json` that puts a token before every text; none where there is no such token. */
export function createDocumentTemplate(
  bos: number | undefined,
  textOf: (id: number) => string,
): object | null {
  if (bos === undefined) return null;
  const content = textOf(bos);
  return {
    type: "TemplateProcessing",
    single: [{ SpecialToken: { id: content, type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
    pair: [
      { SpecialToken: { id: content, type_id: 0 } },
      { Sequence: { id: "A", type_id: 0 } },
      { Sequence: { id: "B", type_id: 1 } },
    ],
    special_tokens: { [content]: { id: content, ids: [bos], tokens: [content] } },
  };
}
