/** The definition of a named model in `named/`, and the search for its files. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { WorkbenchError } from "../../protocol/errors";
import { getDefaultCacheFolder } from "../data/cacheFolder";
import type { DownloadContext } from "../data/download";
import { locateFile, type NamedFile } from "../data/namedFile";

export interface NamedModel {
  readonly title: string;
  /** Folder below `LATHE_DATA` and below the cache. */
  readonly folder: string;
  readonly licence: string;
  /** What the model is for, in one sentence. */
  readonly purpose: string;
  /** A llama2.c file. */
  readonly weights: NamedFile;
  readonly tokenizer: NamedFile;
}

export function defineNamedModel(model: NamedModel): NamedModel {
  return model;
}

/**
 * Returns the path of the weights, with the tokenizer in the same folder: below `LATHE_DATA` if it has both, otherwise in
 * the cache. Without `network`, throws `not-found` for a model that is in neither.
 */
export async function fetchNamedModel(
  id: string,
  { folder, licence, weights, tokenizer }: NamedModel,
  { network, ...context }: DownloadContext & { readonly network: boolean },
): Promise<string> {
  const cacheFolder = getDefaultCacheFolder();
  const files = [tokenizer, weights];
  const hasAll = (parent: string) => files.every(({ name }) => existsSync(join(parent, folder, name)));
  const given = process.env["LATHE_DATA"] ?? "";
  const dataFolder = given !== "" && hasAll(given) ? given : undefined;
  if (!network && dataFolder === undefined && !hasAll(join(cacheFolder, "models")))
    throw new WorkbenchError(
      "not-found",
      `The model ${id} (${licence}) is not in the cache ${cacheFolder}. A run downloads it. To download it now, run \`lathe inspect ${id}\`.`,
    );
  const paths = [];
  for (const file of files)
    paths.push(
      await locateFile({ what: `the model ${id} (${licence})`, folder, cache: "models" }, file, {
        ...context,
        cacheFolder,
        dataFolder,
      }),
    );
  const [tokenizerPath, weightsPath] = paths as [string, string];
  if (dirname(tokenizerPath) !== dirname(weightsPath))
    throw new Error(`${tokenizerPath} and ${weightsPath} have to be in one folder.`);
  return weightsPath;
}
