/** Finds the tokenizer that an experiment or a checkpoint folder names. Whatever file it is in, a tokenizer.json is made of it. */
import { existsSync } from "node:fs";
import { open, readFile, stat } from "node:fs/promises";
import path from "node:path";
import * as z from "zod";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import { refuseLfsPointer } from "../lfsPointer";
import { type AddedToken, readAddedTokens } from "./addedTokens";
import { byteLevelTokenizerJson, readMerges } from "./byteLevelBpe";
import { bytesTokenizer } from "./bytes";
import { mostMetadataBytes, readGgufVocabulary } from "./gguf";
import { llama2cTokenizer } from "./llama2c";
import { pieceTokenizerJson, type PieceVocabulary } from "./pieceVocabulary";
import { readSentencePiece } from "./sentencePiece";
import type { Tokenizer } from "./tokenizer";
import type { TokenizerSettings } from "./specialTokens";
import { tokenizerFromJson } from "./tokenizerJson";

/** `characters` is made from the training text, so it comes from the data set and not from here. */
export const namedTokenizers = ["bytes", "characters"] as const;
const LARGEST_FILE = 256 * 2 ** 20;

/** Files that hold a tokenizer, the best to read first. Of two, the second has the merges. */
const fileSets = [
  ["tokenizer.json"],
  ["vocab.json", "merges.txt"],
  ["encoder.json", "vocab.bpe"],
  ["tokenizer.model"],
  ["tokenizer.bin"],
] as const;

/** The files in a folder that its tokenizer is read from; none where it has no tokenizer. */
export function tokenizerFiles(folder: string): readonly string[] {
  const has = (name: string) => existsSync(path.join(folder, name));
  return (fileSets.find((names) => names.every(has)) ?? []).map((name) => path.join(folder, name));
}

/** Of text for which no tokenizer is named, and whose model has none. */
export const defaultTokenizer = "bytes";

/** `name` is `bytes`, a tokenizer file of any kind that is read, or a folder with one in it. */
export async function openTokenizer(name: string = defaultTokenizer, baseFolder: string): Promise<Tokenizer> {
  if (name === "bytes") return bytesTokenizer();
  const file = await locate(name, path.resolve(baseFolder, name));
  switch (path.extname(file)) {
    case ".bin":
      return llama2cTokenizer(path.basename(file), await readBounded(file));
    case ".model":
      return openSentencePiece(file);
    case ".gguf":
      return openGguf(file);
  }
  const merges = fileSets.find(([first, second]) => second !== undefined && first === path.basename(file));
  if (merges !== undefined) return openByteLevelBpe(file, path.join(path.dirname(file), merges[1]!));
  const text = (await readBounded(file)).toString("utf8");
  return tokenizerFromJson(path.basename(file), text, await settingsBeside(file));
}

async function openSentencePiece(file: string): Promise<Tokenizer> {
  const id = path.basename(file);
  const content = await readBounded(file);
  const vocabulary = readSentencePiece(id, content);
  const { settings, added } = await addedBeside(file);
  const opens = vocabulary.bos !== undefined && (settings.add_bos_token ?? vocabulary.opens);
  const json = pieceTokenizerJson({ ...vocabulary, opens }, added, settings.legacy !== false);
  const text = (token: number | undefined) =>
    token === undefined ? undefined : vocabulary.pieces[token]?.text;
  const { bos, eos, unknown } = vocabulary;
  const { config = settingsText(text(bos), text(eos), text(unknown)), ...others } =
    await settingsBeside(file);
  const tokenizer = await tokenizerFromJson(id, JSON.stringify(json), { config, ...others });
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
  const { settings, added } = await addedBeside(file);
  const end = "<|endoftext|>";
  const known = added.some(({ content }) => content === end) || vocab[end] === undefined;
  const json = byteLevelTokenizerJson({
    vocab,
    merges: readMerges((await readBounded(merges)).toString("utf8")),
    added: known ? added : [{ id: vocab[end]!, content: end, special: true }, ...added],
    bos: settings.add_bos_token === true ? vocab[end] : undefined,
  });
  const { config = settingsText(end, end, end), ...others } = await settingsBeside(file);
  return tokenizerFromJson(id, JSON.stringify(json), { config, ...others });
}

async function openGguf(file: string): Promise<Tokenizer> {
  const id = path.basename(file);
  refuseLfsPointer(file);
  const handle = await open(file);
  try {
    const length = Math.min((await handle.stat()).size, mostMetadataBytes);
    const { buffer } = await handle.read(Buffer.alloc(length), 0, length, 0);
    const { vocabulary, bos, eos, unknown, chatTemplate } = readGgufVocabulary(id, buffer);
    const json =
      vocabulary.algorithm === "byteLevel"
        ? byteLevelTokenizerJson(vocabulary)
        : pieceTokenizerJson(vocabulary, userTokens(vocabulary), true);
    const config = settingsText(bos, eos, unknown, chatTemplate);
    return await tokenizerFromJson(id, JSON.stringify(json), { config });
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

async function settingsBeside(file: string): Promise<TokenizerSettings> {
  const models = await Promise.all(
    ["generation_config.json", "config.json"].map(async (name) => {
      const text = await beside(file, name);
      return text === undefined ? [] : [{ file: name, text }];
    }),
  );
  return {
    config: await beside(file, "tokenizer_config.json"),
    specialTokens: await beside(file, "special_tokens_map.json"),
    template: await beside(file, "chat_template.jinja"),
    models: models.flat(),
  };
}

/** A tokenizer_config.json for vocabularies that come without one. */
function settingsText(bos?: string, eos?: string, unknown?: string, chatTemplate?: string): string {
  const settings = {
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: bos,
    eos_token: eos,
    unk_token: unknown,
    chat_template: chatTemplate,
  };
  return `${JSON.stringify(settings, undefined, 2)}\n`;
}

async function addedBeside(file: string): Promise<ReturnType<typeof readAddedTokens>> {
  const settings = await beside(file, "tokenizer_config.json");
  const added = await beside(file, "added_tokens.json");
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
async function beside(file: string, name: string): Promise<string | undefined> {
  const other = path.join(path.dirname(file), name);
  return (await exists(other)) ? (await readBounded(other)).toString("utf8") : undefined;
}

async function readBounded(file: string): Promise<Buffer> {
  if ((await stat(file)).size > LARGEST_FILE)
    throw new WorkbenchError("invalid-input", `${file} is larger than any tokenizer file (256 MiB).`);
  refuseLfsPointer(file);
  return readFile(file);
}

async function locate(name: string, wanted: string): Promise<string> {
  const found = await stat(wanted).catch(missing);
  if (found?.isFile() === true) return wanted;
  if (found?.isDirectory() === true) {
    const [file] = tokenizerFiles(wanted);
    if (file !== undefined) return file;
    throw new WorkbenchError(
      "not-found",
      `The folder ${wanted} holds no ${fileSets.map((names) => names.join(" with ")).join(", ")}. Name a folder or file that does.`,
    );
  }
  throw new WorkbenchError(
    "not-found",
    `There is no tokenizer "${name}": it is not one of ${namedTokenizers.join(", ")}, and there is no file ${wanted}. ` +
      "Write one of these names, or the path of a tokenizer.json relative to the experiment.",
    { allowed: namedTokenizers },
  );
}

async function exists(file: string): Promise<boolean> {
  return (await stat(file).catch(missing))?.isFile() === true;
}

function missing(thrown: unknown): undefined {
  const { code } = thrown as { code?: string };
  if (code !== "ENOENT" && code !== "ENOTDIR") throw thrown;
}
