/** Finds the tokenizer that an experiment or a checkpoint folder names. Whatever file it is in, a tokenizer.json is made of it. */
import { existsSync, readdirSync } from "node:fs";
import { open, readFile, stat } from "node:fs/promises";
import path from "node:path";
import * as z from "zod";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import { refuseLfsPointer } from "../lfsPointer";
import { type AddedToken, readAddedTokens } from "./addedTokens";
import { createByteLevelTokenizerJson, readMerges } from "./byteLevelBpe";
import { createBytesTokenizer } from "./bytes";
import { maxMetadataBytes } from "../ggufMetadata";
import { readGgufVocabulary } from "./gguf";
import { createLlama2cTokenizer } from "./llama2c";
import { createPieceTokenizerJson, type PieceVocabulary } from "./pieceVocabulary";
import { readSentencePiece } from "./sentencePiece";
import type { Tokenizer } from "./tokenizer";
import type { TokenizerSettings } from "./specialTokens";
import { createTokenizerFromJson } from "./tokenizerJson";

/** `characters` is made from the training text, so it comes from the data set and not from here. */
export const namedTokenizers = ["bytes", "characters"] as const;
const MAX_FILE_BYTES = 256 * 2 ** 20;

/** Files that hold a tokenizer, the best to read first. Of two, the second has the merges. */
const fileSets = [
  ["tokenizer.json"],
  ["vocab.json", "merges.txt"],
  ["encoder.json", "vocab.bpe"],
  ["tokenizer.model"],
  ["tokenizer.bin"],
] as const;

/** The files in a folder that its tokenizer is read from; none where it has no tokenizer. */
export function listTokenizerFiles(folder: string): readonly string[] {
  const has = (name: string) => existsSync(path.join(folder, name));
  const names = fileSets.find((set) => set.every(has)) ?? findOnlyLlama2cTokenizer(folder);
  return names.map((name) => path.join(folder, name));
}

/** llama2.c names tokenizers of its own training by their size, such as `tok512.bin`; of several it is unknown which is meant. */
function findOnlyLlama2cTokenizer(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => /^tok\d+\.bin$/.test(name));
  return names.length === 1 ? names : [];
}

/** Of text for which no tokenizer is named, and whose model has none. */
export const defaultTokenizer = "bytes";

/** `name` is `bytes`, a tokenizer file of any kind that is read, or a folder with one in it. */
export async function openTokenizer(name: string = defaultTokenizer, baseFolder: string): Promise<Tokenizer> {
  if (name === "bytes") return createBytesTokenizer();
  const file = await locate(name, path.resolve(baseFolder, name));
  switch (path.extname(file)) {
    case ".bin":
      return createLlama2cTokenizer(path.basename(file), await readBounded(file));
    case ".model":
      return openSentencePiece(file);
    case ".gguf":
      return openGguf(file);
  }
  const merges = fileSets.find(([first, second]) => second !== undefined && first === path.basename(file));
  if (merges !== undefined) return openByteLevelBpe(file, path.join(path.dirname(file), merges[1]!));
  const text = (await readBounded(file)).toString("utf8");
  return createTokenizerFromJson(path.basename(file), text, await readSettingsBeside(file));
}

async function openSentencePiece(file: string): Promise<Tokenizer> {
  const id = path.basename(file);
  const content = await readBounded(file);
  const vocabulary = readSentencePiece(id, content);
  const { settings, added } = await readAddedBeside(file);
  const opens = vocabulary.bos !== undefined && (settings.add_bos_token ?? vocabulary.opens);
  const json = createPieceTokenizerJson({ ...vocabulary, opens }, added, settings.legacy !== false);
  const text = (token: number | undefined) =>
    token === undefined ? undefined : vocabulary.pieces[token]?.text;
  const { bos, eos, unknown } = vocabulary;
  const { config = createSettingsText(text(bos), text(eos), text(unknown)), ...others } =
    await readSettingsBeside(file);
  const tokenizer = await createTokenizerFromJson(id, JSON.stringify(json), { config, ...others });
  // Other programs that read the folder may know only this file.
  return { ...tokenizer, files: { ...tokenizer.files, "tokenizer.model": content } };
}

async function openByteLevelBpe(file: string, merges: string): Promise<Tokenizer> {
  const id = path.basename(file);
  if (!(await exists(merges)))
    throw new WorkbenchError("not-found", `${file} is half of a tokenizer: ${merges} is missing beside it.`);
  let vocab: Record<string, number>;
  try {
    vocab = z
      .record(z.string(), z.int().min(0))
      .parse(JSON.parse((await readBounded(file)).toString("utf8")));
  } catch (cause) {
    if (cause instanceof WorkbenchError) throw cause;
    throw new WorkbenchError(
      "invalid-input",
      `${file} is not a map of tokens to ids. Use another copy of the file.`,
    );
  }
  const { settings, added } = await readAddedBeside(file);
  const end = "<|endoftext|>";
  const isEndKnown = added.some(({ content }) => content === end) || vocab[end] === undefined;
  const json = createByteLevelTokenizerJson({
    vocab,
    merges: readMerges((await readBounded(merges)).toString("utf8")),
    added: isEndKnown ? added : [{ id: vocab[end]!, content: end, special: true }, ...added],
    bos: settings.add_bos_token === true ? vocab[end] : undefined,
  });
  const { config = createSettingsText(end, end, end), ...others } = await readSettingsBeside(file);
  return createTokenizerFromJson(id, JSON.stringify(json), { config, ...others });
}

async function openGguf(file: string): Promise<Tokenizer> {
  const id = path.basename(file);
  refuseLfsPointer(file);
  const handle = await open(file);
  try {
    const length = Math.min((await handle.stat()).size, maxMetadataBytes);
    const { buffer } = await handle.read(Buffer.alloc(length), 0, length, 0);
    const { vocabulary, bos, eos, unknown, chatTemplate } = readGgufVocabulary(id, buffer);
    const json =
      vocabulary.algorithm === "byteLevel"
        ? createByteLevelTokenizerJson(vocabulary)
        : createPieceTokenizerJson(vocabulary, userTokens(vocabulary), true);
    const config = createSettingsText(bos, eos, unknown, chatTemplate);
    return await createTokenizerFromJson(id, JSON.stringify(json), { config });
  } finally {
    await handle.close();
  }
}

/** llama.cpp finds user-defined tokens in the text before it is normalized. */
function userTokens({ pieces }: PieceVocabulary): AddedToken[] {
  return pieces.flatMap(({ text, kind }, id) =>
    kind === "user" ? [{ id, content: text, special: false }] : [],
  );
}

async function readSettingsBeside(file: string): Promise<TokenizerSettings> {
  const models = await Promise.all(
    ["generation_config.json", "config.json"].map(async (name) => {
      const text = await readBeside(file, name);
      return text === undefined ? [] : [{ file: name, text }];
    }),
  );
  return {
    config: await readBeside(file, "tokenizer_config.json"),
    specialTokens: await readBeside(file, "special_tokens_map.json"),
    template: await readBeside(file, "chat_template.jinja"),
    models: models.flat(),
  };
}

/** A tokenizer_config.json for vocabularies that come without one. */
function createSettingsText(bos?: string, eos?: string, unknown?: string, chatTemplate?: string): string {
  const settings = {
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: bos,
    eos_token: eos,
    unk_token: unknown,
    chat_template: chatTemplate,
  };
  return `${JSON.stringify(settings, undefined, 2)}\n`;
}

async function readAddedBeside(file: string): Promise<ReturnType<typeof readAddedTokens>> {
  const settings = await readBeside(file, "tokenizer_config.json");
  const added = await readBeside(file, "added_tokens.json");
  try {
    return readAddedTokens({ settings, added });
  } catch (cause) {
    throw new WorkbenchError(
      "invalid-input",
      `The tokenizer_config.json or added_tokens.json in ${path.dirname(file)} cannot be read ` +
        `(${cause instanceof z.ZodError ? z.prettifyError(cause) : toWorkbenchError(cause).message}). Use another copy of it.`,
      {},
      { cause },
    );
  }
}

/** The text of a file in the same folder, where there is one. */
async function readBeside(file: string, name: string): Promise<string | undefined> {
  const other = path.join(path.dirname(file), name);
  return (await exists(other)) ? (await readBounded(other)).toString("utf8") : undefined;
}

async function readBounded(file: string): Promise<Buffer> {
  if ((await stat(file)).size > MAX_FILE_BYTES)
    throw new WorkbenchError("invalid-input", `${file} is larger than any tokenizer file (256 MiB).`);
  refuseLfsPointer(file);
  return readFile(file);
}

async function locate(name: string, target: string): Promise<string> {
  const stats = await stat(target).catch(ignoreMissing);
  if (stats?.isFile() === true) return target;
  if (stats?.isDirectory() === true) {
    const [file] = listTokenizerFiles(target);
    if (file !== undefined) return file;
    throw new WorkbenchError(
      "not-found",
      `The folder ${target} holds no ${fileSets.map((names) => names.join(" with ")).join(", ")}. Name a folder or file that does.`,
    );
  }
  throw new WorkbenchError(
    "not-found",
    `There is no tokenizer "${name}": it is not one of ${namedTokenizers.join(", ")}, and there is no file ${target}. ` +
      "Write one of these names, or the path of a tokenizer.json relative to the experiment.",
    { allowed: namedTokenizers },
  );
}

async function exists(file: string): Promise<boolean> {
  return (await stat(file).catch(ignoreMissing))?.isFile() === true;
}

function ignoreMissing(thrown: unknown): undefined {
  const { code } = thrown as { code?: string };
  if (code !== "ENOENT" && code !== "ENOTDIR") throw thrown;
}
