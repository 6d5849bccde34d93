/** Data that is short enough to be read before a run begins, or whose tokens an earlier run has left. */
import type { DataOptions } from "../../../schema/experiment";
import { defaultCacheFolder } from "../../data/cacheFolder";
import { type DataSet, openData } from "../../data/dataSet";
import { findFiles } from "../../data/files";

/** Files up to this size together are read before the run; their tokens are kept, so nothing is read twice. */
const shortBytes = 4 * 2 ** 20;

export async function readWhereShort(options: DataOptions, baseFolder: string): Promise<DataSet | undefined> {
  if (options.dataset !== undefined) return undefined; // It may have to be downloaded.
  const named = [options.text, options.validation_text, options.test_text].flat();
  const patterns = named.filter((pattern) => pattern !== undefined);
  const files = await findFiles(patterns, baseFolder, options.format);
  const bytes = files.reduce((sum, file) => sum + file.bytes, options.grammar?.length ?? 0);
  if (Math.min(bytes, options.max_bytes ?? Infinity) > shortBytes) return undefined;
  return openData(options, { baseFolder, cacheFolder: defaultCacheFolder() });
}

/** The same, and text of any length whose tokens are in the cache already; it is read once for its hash. */
export async function readWhereKept(options: DataOptions, baseFolder: string): Promise<DataSet | undefined> {
  const short = await readWhereShort(options, baseFolder);
  if (short !== undefined || options.dataset !== undefined || options.tokenizer === "characters")
    return short;
  return openData(options, { baseFolder, cacheFolder: defaultCacheFolder(), onlyKept: true });
}
