/** Data that is short enough to read before a run begins, or whose tokens an earlier run has cached. */
import type { DataOptions } from "../../../schema/experiment";
import { getDefaultCacheFolder } from "../../data/cacheFolder";
import { type DataSet, openData } from "../../data/dataSet";
import { findFiles } from "../../data/files";
import { countDrawnBytes } from "./textSize";

/** Files up to this total size are read before the run; their tokens are cached, so nothing is read twice. */
const shortBytes = 4 * 2 ** 20;

export async function readIfShort(options: DataOptions, baseFolder: string): Promise<DataSet | undefined> {
  if (options.dataset !== undefined) return undefined; // A named data set may have to be downloaded.
  const named = [options.text, options.validation_text, options.test_text].flat();
  const patterns = named.filter((pattern) => pattern !== undefined);
  const files = await findFiles(patterns, baseFolder, options.format);
  const drawn = options.grammar ?? options.passkeys;
  const bytes = files.reduce(
    (sum, file) => sum + file.bytes,
    drawn === undefined ? 0 : countDrawnBytes(options),
  );
  if (Math.min(bytes, options.max_bytes ?? Infinity) > shortBytes) return undefined;
  return openData(options, { baseFolder, cacheFolder: getDefaultCacheFolder() });
}

/** Also accepts text of any length whose tokens are cached; it is read once to hash it. */
export async function readIfCached(options: DataOptions, baseFolder: string): Promise<DataSet | undefined> {
  const short = await readIfShort(options, baseFolder);
  if (short !== undefined || options.dataset !== undefined || options.tokenizer === "characters")
    return short;
  return openData(options, { baseFolder, cacheFolder: getDefaultCacheFolder(), onlyKept: true });
}
