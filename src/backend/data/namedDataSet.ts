/** The definition of a named data set in `datasets/`, and the search for its files. */
import { createReadStream } from "node:fs";
import { createHash } from "node:crypto";
import { rm, stat } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { toWorkbenchError, WorkbenchError } from "../../protocol/errors";
import type { DataOptions } from "../../schema/experiment";
import { download, type DownloadContext } from "./download";

export interface NamedFile {
  readonly name: string;
  /** The download address of the file. Without one, the user has to download it from `page`. */
  readonly url?: string;
  readonly page?: string;
  /** Of the file itself; a copy in `LATHE_DATA` may be gzipped. */
  readonly sha256: string;
  readonly bytes: number;
}

interface DataSetInfo {
  readonly title: string;
  /** Folder below `LATHE_DATA` and below the cache. */
  readonly folder: string;
  readonly licence: string;
  /** What the data set is for, in one sentence. */
  readonly purpose: string;
  /** Default columns and formats for cells that do not set them. */
  readonly columns?: Readonly<
    Partial<
      Pick<
        DataOptions,
        | "instruction_column"
        | "response_column"
        | "text_column"
        | "text_pair_column"
        | "label_column"
        | "labels"
        | "label_names"
        | "header"
        | "format"
        | "quoting"
        | "no_label"
        | "drop_duplicates"
      >
    >
  >;
}

/** Files that are known one by one. */
export interface ListedDataSet extends DataSetInfo {
  readonly train: NamedFile;
  readonly validation?: NamedFile;
  readonly test?: NamedFile;
}

/** Parquet files of a data set on the Hugging Face hub, which provides their list. */
export interface HubDataSet extends DataSetInfo {
  readonly hub: {
    readonly id: string;
    /** The folder of one of several sets under an id. */
    readonly config?: string;
    /** Names of its splits; the first is trained on. */
    readonly split: string;
    readonly validation?: string;
    readonly test?: string;
  };
}

export type NamedDataSet = ListedDataSet | HubDataSet;

/** Where a named data set is looked for. */
export interface DataFolders extends DownloadContext {
  readonly cacheFolder: string;
  readonly dataFolder: string | undefined;
}

export function defineDataSet(entry: NamedDataSet): NamedDataSet {
  return entry;
}

/** Looks in `LATHE_DATA`, then in the cache, then downloads; what is returned has the right content. */
export async function locateFile(
  id: string,
  { folder, licence }: Pick<NamedDataSet, "folder" | "licence">,
  file: NamedFile,
  context: DataFolders,
): Promise<string> {
  if (context.dataFolder !== undefined && context.dataFolder !== "") {
    for (const name of [file.name, `${file.name}.gz`]) {
      const localFile = path.join(context.dataFolder, folder, name);
      if (!(await isFile(localFile))) continue;
      if ((await hashContent(localFile)) === file.sha256) return localFile;
      throw new WorkbenchError(
        "invalid-input",
        `${localFile} is not the file of the data set "${id}": its SHA-256 is not ${file.sha256}. ` +
          (file.url === undefined
            ? `It has to be the one of ${file.page!}.`
            : `Replace it with ${file.url}, or take it away to have it downloaded.`),
      );
    }
  }
  const cached = path.join(context.cacheFolder, "datasets", folder, file.name);
  if (await isFile(cached)) {
    if ((await hashContent(cached)) === file.sha256) return cached;
    await rm(cached, { force: true });
  }
  const places = [
    ...(context.dataFolder === undefined || context.dataFolder === ""
      ? [`${path.join(folder, file.name)} in a folder that the environment variable LATHE_DATA names`]
      : [path.join(context.dataFolder, folder, file.name)]),
    cached,
  ];
  if (file.url === undefined)
    throw new WorkbenchError(
      "not-found",
      `The data set "${id}" (${licence}) cannot be downloaded as the file that it is. Take it from ${file.page!} and place it at ${places.join(" or at ")}.`,
    );
  await download({ ...file, url: file.url }, cached, context, {
    what: `the data set "${id}" (${licence})`,
    remedy: `Without a network, place the file at ${places.join(" or at ")}.`,
  });
  return cached;
}

/** Of the content; a gzipped file is unzipped for it. */
export async function hashContent(file: string): Promise<string> {
  const digest = createHash("sha256");
  try {
    if (file.endsWith(".gz")) await pipeline(createReadStream(file), createGunzip(), digest);
    else await pipeline(createReadStream(file), digest);
  } catch (thrown) {
    const { code } = thrown as { code?: unknown };
    if (typeof code === "string" && code.startsWith("Z_")) return "not gzip";
    throw toWorkbenchError(thrown);
  }
  return digest.digest("hex");
}

async function isFile(file: string): Promise<boolean> {
  return stat(file).then(
    (stats) => stats.isFile(),
    () => false,
  );
}
