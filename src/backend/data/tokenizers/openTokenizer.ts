/** Finds the tokenizer that an experiment or a checkpoint folder names. */
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { WorkbenchError } from "../../../protocol/errors";
import { bytesTokenizer } from "./bytes";
import { llama2cTokenizer } from "./llama2c";
import type { Tokenizer } from "./tokenizer";
import { tokenizerFromJson } from "./tokenizerJson";

/** `characters` is made from the training text, so it comes from the data set and not from here. */
export const namedTokenizers = ["bytes", "characters"] as const;
const LARGEST_FILE = 256 * 2 ** 20;

/** `name` is `bytes`, a tokenizer.json, a llama2.c tokenizer `.bin`, or a folder with a tokenizer file in it. */
export async function openTokenizer(name: string, baseFolder: string): Promise<Tokenizer> {
  if (name === "bytes") return bytesTokenizer();
  const file = await locate(name, path.resolve(baseFolder, name));
  if ((await stat(file)).size > LARGEST_FILE)
    throw new WorkbenchError("invalid-input", `${file} is larger than any tokenizer file (256 MiB).`);
  if (file.endsWith(".bin")) return llama2cTokenizer(path.basename(file), await readFile(file));
  if (file.endsWith(".model"))
    throw new WorkbenchError(
      "unsupported",
      `${file} is a SentencePiece model, which is not read here. Give the tokenizer.json of the same model.`,
    );
  const beside = async (name: string) => {
    const other = path.join(path.dirname(file), name);
    return (await exists(other)) ? await readFile(other, "utf8") : undefined;
  };
  return tokenizerFromJson(path.basename(file), await readFile(file, "utf8"), {
    config: await beside("tokenizer_config.json"),
    template: await beside("chat_template.jinja"),
  });
}

async function locate(name: string, wanted: string): Promise<string> {
  const found = await stat(wanted).catch(missing);
  if (found?.isFile() === true) return wanted;
  if (found?.isDirectory() === true) {
    for (const inside of ["tokenizer.json", "tokenizer.bin"]) {
      const file = path.join(wanted, inside);
      if (await exists(file)) return file;
    }
    throw new WorkbenchError(
      "not-found",
      `The folder ${wanted} holds no tokenizer.json or tokenizer.bin. Name a folder or file that does.`,
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
