/** Files that Lathe knows by name and checksum, and the search for them. */
import { createReadStream } from "node:fs";
import { createHash } from "node:crypto";
import { rm, stat } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { toWorkbenchError, WorkbenchError } from "../../protocol/errors";
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

/** What a file belongs to. */
export interface FileOwner {
  /** In messages: `the data set "cola" (none stated)`. */
  readonly what: string;
  /** Folder below `LATHE_DATA` and below `cache`. */
  readonly folder: string;
  /** Folder below the cache folder. */
  readonly cache: "datasets" | "models";
}

/** Where a file is looked for. */
export interface NamedFileContext extends DownloadContext {
  readonly cacheFolder: string;
  readonly dataFolder: string | undefined;
}

/** Looks in `LATHE_DATA`, then in the cache, then downloads; what is returned has the right content. */
export async function locateFile(
  { what, folder, cache }: FileOwner,
  file: NamedFile,
  context: NamedFileContext,
): Promise<string> {
  if (context.dataFolder !== undefined && context.dataFolder !== "") {
    for (const name of [file.name, `${file.name}.gz`]) {
      const localFile = path.join(context.dataFolder, folder, name);
      if (!(await isFile(localFile))) continue;
      if ((await hashContent(localFile)) === file.sha256) return localFile;
      throw new WorkbenchError(
        "invalid-input",
        `${localFile} is not the file of ${what}: its SHA-256 is not ${file.sha256}. ` +
          (file.url === undefined
            ? `It has to be the one of ${file.page!}.`
            : `Replace it with ${file.url}, or take it away to have it downloaded.`),
      );
    }
  }
  const cached = path.join(context.cacheFolder, cache, folder, file.name);
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
      `${file.name} of ${what} cannot be downloaded as the file that it is. Take it from ${file.page!} and place it at ${places.join(" or at ")}.`,
    );
  await download({ ...file, url: file.url }, cached, context, {
    what,
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
