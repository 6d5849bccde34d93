/** Reads the vocabulary out of the metadata of a GGUF file, the format of llama.cpp. */
import { WorkbenchError } from "../../../protocol/errors";
import { type GgufScalar, readGgufMetadata } from "../ggufMetadata";
import type { AddedToken } from "./addedTokens";
import type { ByteLevelVocabulary } from "./byteLevelBpe";
import { cuttingRules } from "./cuttingRules";
import { type Piece, pieceKinds, type PieceVocabulary } from "./pieceVocabulary";

export interface GgufVocabulary {
  readonly vocabulary: PieceVocabulary | (ByteLevelVocabulary & { readonly algorithm: "byteLevel" });
  readonly bos: string | undefined;
  readonly eos: string | undefined;
  readonly unknown: string | undefined;
  readonly chatTemplate: string | undefined;
}

/** `start` holds the beginning of the file, up to `maxMetadataBytes`. */
export function readGgufVocabulary(id: string, start: Uint8Array): GgufVocabulary {
  const { entries } = readGgufMetadata(id, start, (key) => key.startsWith("tokenizer."));
  const refuse = (why: string): WorkbenchError =>
    new WorkbenchError(
      "unsupported",
      `The vocabulary of ${id} is not read: ${why}. Give the tokenizer.json of the same model.`,
    );
  const list = <T extends GgufScalar>(key: string, type: "string" | "number"): readonly T[] => {
    const items: unknown = entries.get(`tokenizer.ggml.${key}`) ?? [];
    if (!Array.isArray(items) || items.some((each) => typeof each !== type))
      throw refuse(`tokenizer.ggml.${key} is not a list of ${type}s`);
    return items as readonly T[];
  };
  const readScalar = <T extends GgufScalar>(
    key: string,
    type: "string" | "number" | "boolean",
  ): T | undefined => {
    const value = entries.get(`tokenizer.${key}`);
    return typeof value === type ? (value as T) : undefined;
  };
  const tokens = list<string>("tokens", "string");
  const model = readScalar<string>("ggml.model", "string");
  if (tokens.length === 0 || model === undefined) throw refuse("the file holds none");
  const kinds = list<number>("token_type", "number");
  const idOf = (key: string) => {
    const tokenId = readScalar<number>(`ggml.${key}`, "number");
    return tokenId !== undefined && tokenId < tokens.length ? tokenId : undefined;
  };
  const [bos, eos, unknown] = [idOf("bos_token_id"), idOf("eos_token_id"), idOf("unknown_token_id")];
  const text = (token: number | undefined) => (token === undefined ? undefined : tokens[token]);
  const namedTokens = {
    bos: text(bos),
    eos: text(eos),
    unknown: text(unknown),
    chatTemplate: readScalar<string>("chat_template", "string"),
  };
  const opens = readScalar<boolean>("ggml.add_bos_token", "boolean");
  if (model === "llama") {
    const scores = list<number>("scores", "number");
    if (scores.length !== tokens.length || kinds.length !== tokens.length)
      throw refuse(`${tokens.length} tokens have ${scores.length} scores and ${kinds.length} types`);
    const pieces = tokens.map((each, i): Piece => {
      const kind = pieceKinds[kinds[i]!];
      if (kind === undefined) throw refuse(`token ${i} is of type ${kinds[i]}`);
      return { text: each, score: scores[i]!, kind };
    });
    return {
      ...namedTokens,
      vocabulary: {
        pieces,
        algorithm: "bpe",
        unknown: unknown ?? 0,
        bos: bos ?? 1,
        eos: eos ?? 2,
        opens: opens ?? true,
        dummyPrefix: readScalar<boolean>("ggml.add_space_prefix", "boolean") ?? true,
        removeExtraSpaces: readScalar<boolean>("ggml.remove_extra_whitespaces", "boolean") ?? false,
        byteFallback: true,
        charsmap: new Uint8Array(),
      },
    };
  }
  const cutting = readScalar<string>("ggml.pre", "string") ?? "gpt-2";
  const rule = Object.hasOwn(cuttingRules, cutting) ? cuttingRules[cutting] : undefined;
  if (model !== "gpt2" || rule === undefined)
    throw refuse(
      `it is of the kind ${model}/${cutting}, and read are llama and ${Object.keys(cuttingRules)
        .map((name) => `gpt2/${name}`)
        .join(", ")}`,
    );
  return {
    ...namedTokens,
    vocabulary: {
      algorithm: "byteLevel",
      vocab: Object.fromEntries(tokens.map((token, i) => [token, i])),
      merges: list<string>("merges", "string"),
      added: tokens.flatMap((content, i): AddedToken[] =>
        kinds[i] === 3 || kinds[i] === 4 ? [{ id: i, content, special: kinds[i] === 3 }] : [],
      ),
      bos: opens === true ? bos : undefined,
      rule,
    },
  };
}
