/** Writes the configuration and the tokenizer of an exported folder, under the names that other programs expect. */
import { copyFileSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { getDocumentFrame, type Tokenizer } from "../data/tokenizers/tokenizer";
import { refuseLfsPointer } from "../data/lfsPointer";
import { createExportedConfig } from "../models/huggingFace";
import { locatePublishedCode } from "../models/kphi3";
import { architectureOf, dimensionsOf, familyOf, type ModelShape } from "../models/model";
import type { StoredDtype } from "../checkpoints/halfPrecision";
import type { ExportSubject } from "./exporter";

export function writeConfig(
  subject: ExportSubject,
  folder: string,
  dtype: StoredDtype = "float32",
  extra: Readonly<Record<string, unknown>> = {},
): void {
  const { shape, generationConfig } = subject;
  const { torch_dtype: _old, dtype: _new, ...config } = createExportedConfig(shape);
  const architecture = architectureOf({ ...shape, family: String(config["model_type"]) });
  const written = {
    architectures: [architecture],
    ...(config["model_type"] === "kphi3" ? { auto_map: locatePublishedCode(architecture) } : {}),
    ...config,
    // If these are missing, transformers uses the ids of the published model, which a small vocabulary may not have.
    ...listSpecialIds(subject),
    torch_dtype: dtype,
    ...extra,
  };
  const { floatKeys = [] } = familyOf(shape.family);
  writeFileSync(join(folder, "config.json"), addDecimalPoints(formatJson(written), floatKeys));
  if (generationConfig !== undefined) writeJson(join(folder, "generation_config.json"), generationConfig);
}

/** The keys of the sizes of heads, also where they have their defaults, for programs that have none. */
export function listHeadSizes(shape: ModelShape): Record<string, number> {
  const keys = familyOf(shape.family).sizeKeys.heads;
  if (keys === undefined) return {};
  const { kvHeads, headDim } = dimensionsOf(shape);
  return { [keys.kvHeads]: kvHeads, [keys.headDim]: headDim };
}

/** Ids of special tokens, those of the configuration before those of the tokenizer; null if there is none. */
export function listSpecialIds({ shape: { config }, tokenizer }: Pick<ExportSubject, "shape" | "tokenizer">) {
  const ids = {
    bos_token_id: config["bos_token_id"] ?? (tokenizer && getDocumentFrame(tokenizer).before[0]) ?? null,
    eos_token_id: config["eos_token_id"] ?? tokenizer?.endOfText ?? null,
    pad_token_id: config["pad_token_id"] ?? null,
  };
  return ids as Readonly<Record<keyof typeof ids, number | readonly number[] | null>>;
}

/** Writes the tokenizer's files, with the settings that make Hugging Face's loader use them unchanged. */
export function writeTokenizer({ shape, tokenizer, tokenizerFolder }: ExportSubject, folder: string): void {
  if (tokenizer === undefined) return;
  if (tokenizerFolder !== undefined) copyOriginals(tokenizerFolder, folder);
  for (const [name, content] of Object.entries(tokenizer.files)) writeFileSync(join(folder, name), content);
  const settings = "tokenizer_config.json";
  if (!("tokenizer.json" in tokenizer.files) || settings in tokenizer.files) return;
  writeJson(join(folder, settings), {
    tokenizer_class: "PreTrainedTokenizerFast",
    model_max_length: dimensionsOf(shape).context,
    ...listSpecialTokenTexts(tokenizer),
  });
}

/** Tokenizer files that other converters require even if there is a `tokenizer.json`. */
const originals = [
  "tokenizer.model",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "merges.txt",
  "chat_template.jinja",
];

function copyOriginals(from: string, to: string): void {
  for (const name of originals) {
    const path = join(from, name);
    if (!existsSync(path)) continue;
    refuseLfsPointer(path);
    copyFileSync(path, join(to, name));
  }
}

/** The special tokens as text, under the keys of `tokenizer_config.json`. */
function listSpecialTokenTexts({ files, bos, endOfText }: Tokenizer): {
  bos_token?: string;
  eos_token?: string;
} {
  const { added_tokens: added = [] } = JSON.parse(Buffer.from(files["tokenizer.json"]!).toString()) as {
    added_tokens?: readonly { readonly id: number; readonly content: string }[];
  };
  const entry = (key: string, id: number | undefined) => {
    const content = added.find((each) => each.id === id)?.content;
    return content === undefined ? {} : { [key]: content };
  };
  return { ...entry("bos_token", bos), ...entry("eos_token", endOfText) };
}

const formatJson = (content: unknown): string => `${JSON.stringify(content, undefined, 2)}\n`;

export function writeJson(path: string, content: unknown): void {
  writeFileSync(path, formatJson(content));
}

/** Writes whole numbers of these keys at the top level of a formatted object as 30.0, not 30. */
function addDecimalPoints(json: string, keys: readonly string[]): string {
  return keys.reduce(
    (text, key) => text.replace(new RegExp(`^( {2}"${key}": -?\\d+)(,?)$`, "mu"), "$1.0$2"),
    json,
  );
}
