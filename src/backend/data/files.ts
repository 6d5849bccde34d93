/** Which files a pattern means, what format each has, and a hash of what is in them. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";
import { glob, isDynamicPattern } from "tinyglobby";
import type { DataOptions } from "../../schema/experiment";
import { toWorkbenchError, WorkbenchError } from "../../protocol/errors";
import { refuseLfsPointer } from "./lfsPointer";

export type FileFormat = Exclude<DataOptions["format"], "auto">;

export interface DataFile {
  readonly path: string;
  readonly format: FileFormat;
  readonly gzip: boolean;
  readonly bytes: number;
  readonly modified: number;
}

/** Folders that nobody means by `**`; a pattern that names one reads it all the same. */
const skippedFolders = ["node_modules", ".git", ".lathe"];

/** Files in the order of their paths, so that the same folder gives the same data on every machine. */
export async function findFiles(
  patterns: readonly string[],
  baseFolder: string,
  format: DataOptions["format"],
): Promise<DataFile[]> {
  const found = new Map<string, DataFile>();
  for (const pattern of patterns) {
    for (const file of await matches(pattern, baseFolder)) {
      refuseLfsPointer(file);
      const { size, mtimeMs } = await stat(file);
      found.set(file, { path: file, ...formatOf(file, format), bytes: size, modified: mtimeMs });
    }
  }
  const order = (file: DataFile): string => path.relative(baseFolder, file.path).replaceAll(path.sep, "/");
  return [...found.values()].sort((a, b) => (order(a) < order(b) ? -1 : 1));
}

async function matches(pattern: string, baseFolder: string): Promise<string[]> {
  const literal = path.resolve(baseFolder, pattern);
  const entry = await stat(literal).catch((thrown: unknown) => {
    // What is no file is taken as a pattern; one that may not be looked at is an error.
    if (["EACCES", "EPERM", "ELOOP"].includes(String((thrown as { code?: unknown }).code)))
      throw toWorkbenchError(thrown);
    return undefined;
  });
  if (entry?.isFile() === true) return [literal];
  if (entry?.isDirectory() === true)
    throw new WorkbenchError(
      "invalid-input",
      `${literal} is a folder. Write which files in it are meant, for example "${pattern.replace(/[\\/]$/, "")}/**/*.txt".`,
    );
  if (!isDynamicPattern(pattern)) return [];
  const files = await glob(pattern, {
    cwd: baseFolder,
    absolute: true,
    onlyFiles: true,
    expandDirectories: false,
    ignore: skippedFolders.filter((folder) => !pattern.includes(folder)).map((folder) => `**/${folder}/**`),
  });
  return files.map((file) => path.normalize(file));
}

function formatOf(file: string, format: DataOptions["format"]): { format: FileFormat; gzip: boolean } {
  const name = path.basename(file).toLowerCase();
  const gzip = name.endsWith(".gz");
  if (format !== "auto") return { format, gzip };
  switch (path.extname(gzip ? name.slice(0, -3) : name)) {
    case ".jsonl":
    case ".ndjson":
      return { format: "jsonl", gzip };
    case ".json":
      return { format: "json", gzip };
    case ".csv":
      return { format: "csv", gzip };
    case ".tsv":
      return { format: "tsv", gzip };
    case ".parquet":
      return { format: "parquet", gzip };
    default:
      return { format: "text", gzip };
  }
}

/** SHA-256 of the first `limit` bytes. */
export async function hashFile(file: string, limit: number, signal?: AbortSignal): Promise<string> {
  const digest = createHash("sha256");
  try {
    const stream = createReadStream(file, {
      highWaterMark: 1 << 20,
      ...(limit === Infinity ? {} : { end: Math.max(0, limit - 1) }),
    });
    for await (const chunk of stream) {
      throwIfCancelled(signal);
      digest.update(chunk as Buffer);
    }
  } catch (thrown) {
    throw toWorkbenchError(thrown);
  }
  return digest.digest("hex");
}

/** Tokens are filed under the hash taken before reading, so a file must not change in between. */
export async function assertUnchanged(files: readonly DataFile[]): Promise<void> {
  for (const file of files) {
    const now = await stat(file.path).catch((thrown: unknown) => {
      throw toWorkbenchError(thrown);
    });
    if (now.size !== file.bytes || now.mtimeMs !== file.modified)
      throw new WorkbenchError(
        "io",
        `${file.path} changed while it was read. Run again when nothing writes to it any more.`,
      );
  }
}

export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new WorkbenchError("cancelled", "Stopped while preparing the data.");
}
