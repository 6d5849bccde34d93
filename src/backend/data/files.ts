/** Which files a pattern means, what format each has, and a hash of what is in them. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import path from "node:path";
import { glob, isDynamicPattern } from "tinyglobby";
import type { DataOptions } from "../../schema/experiment";
import { toWorkbenchError, WorkbenchError } from "../../protocol/errors";
import { IgnoreRules } from "./gitIgnored";
import { refuseLfsPointer } from "./lfsPointer";

export type FileFormat = Exclude<DataOptions["format"], "auto">;

export type FileCompression = "gzip" | "zstd";

export interface DataFile {
  readonly path: string;
  readonly format: FileFormat;
  readonly compression: FileCompression | undefined;
  readonly bytes: number;
  readonly modified: number;
}

/** Folders that nobody means by `**`; a pattern that names one reads it all the same. */
const skippedFolders = ["node_modules", ".git"];
/** Folder of runs, whose files are results and never data. */
const runsFolder = ".lathe";
const experimentExtension = ".lathe.md";

/**
 * Files in the order of their paths, so that the same folder gives the same data on every machine. A file that several
 * patterns, links or names lead to is read once.
 */
export async function findFiles(
  patterns: readonly string[],
  baseFolder: string,
  format: DataOptions["format"],
): Promise<DataFile[]> {
  const paths = new Set<string>();
  for (const pattern of patterns)
    for (const file of (await findMatches(pattern, baseFolder)).read) paths.add(file);
  const orderOf = (file: string): string => path.relative(baseFolder, file).replaceAll(path.sep, "/");
  const ordered = [...paths].sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
  const byIdentity = new Map<string, DataFile>();
  for (const file of ordered) {
    const { dev, ino } = await stat(file, { bigint: true }); // Numbers of Windows do not fit into a double.
    const identity = `${dev}:${ino}`;
    // A file is named by its own path where a pattern matches it, otherwise by the first link.
    if (byIdentity.has(identity) && (await realpath(file)) !== file) continue;
    refuseLfsPointer(file);
    const { size, mtimeMs } = await stat(file);
    byIdentity.set(identity, { path: file, ...detectFormat(file, format), bytes: size, modified: mtimeMs });
  }
  const files = [...byIdentity.values()];
  return files.sort((a, b) => (orderOf(a.path) < orderOf(b.path) ? -1 : 1));
}

/** How many files match a pattern but are not read, because git ignores them. */
export async function countIgnored(patterns: readonly string[], baseFolder: string): Promise<number> {
  const ignored = new Set<string>();
  for (const pattern of patterns)
    for (const file of (await findMatches(pattern, baseFolder)).ignored) ignored.add(file);
  return ignored.size;
}

interface Matches {
  readonly read: readonly string[];
  /** Matches that git ignores. */
  readonly ignored: readonly string[];
}

async function findMatches(pattern: string, baseFolder: string): Promise<Matches> {
  const literal = path.resolve(baseFolder, pattern);
  const entry = await stat(literal).catch((thrown: unknown) => {
    // What is not a file is taken as a pattern; one that may not be looked at is an error.
    if (["EACCES", "EPERM", "ELOOP"].includes(String((thrown as { code?: unknown }).code)))
      throw toWorkbenchError(thrown);
    return undefined;
  });
  if (entry?.isFile() === true) {
    if (isLatheFile(literal, baseFolder))
      throw new WorkbenchError(
        "invalid-input",
        `${literal} is ${literal.endsWith(experimentExtension) ? "an experiment" : "part of a run"}, which is never read as data. Name another file.`,
      );
    return { read: [literal], ignored: [] };
  }
  if (entry?.isDirectory() === true)
    throw new WorkbenchError(
      "invalid-input",
      `${literal} is a folder. Write which files in it are meant, for example "${pattern.replace(/[\\/]$/, "")}/**/*.txt".`,
    );
  if (!isDynamicPattern(pattern)) return { read: [], ignored: [] };
  const files = await glob(pattern, {
    cwd: baseFolder,
    absolute: true,
    onlyFiles: true,
    expandDirectories: false,
    ignore: [
      `**/${runsFolder}/**`,
      ...skippedFolders.filter((folder) => !pattern.includes(folder)).map((folder) => `**/${folder}/**`),
    ],
  });
  const matches = files.map((file) => path.normalize(file)).filter((file) => !isLatheFile(file, baseFolder));
  const fixedFolder = path.resolve(baseFolder, getFixedPart(pattern));
  const rules = new IgnoreRules();
  // A pattern that names an ignored folder, such as `corpus/*.txt`, means its files.
  if (rules.ignoresFolder(fixedFolder)) return { read: matches, ignored: [] };
  const ignored = new Set(matches.filter((file) => rules.ignoresFile(file)));
  return { read: matches.filter((file) => !ignored.has(file)), ignored: [...ignored] };
}

/** The folders that a pattern names before its first wildcard. */
function getFixedPart(pattern: string): string {
  const parts = pattern.split("/");
  const wildcard = parts.findIndex((part) => isDynamicPattern(part));
  return parts.slice(0, wildcard < 0 ? -1 : wildcard).join("/") || (pattern.startsWith("/") ? "/" : ".");
}

/** Experiments and the files of runs below the experiment's folder. */
function isLatheFile(file: string, baseFolder: string): boolean {
  return (
    file.endsWith(experimentExtension) || path.relative(baseFolder, file).split(path.sep).includes(runsFolder)
  );
}

const compressions: Readonly<Record<string, FileCompression>> = { ".gz": "gzip", ".zst": "zstd" };

const formats: Readonly<Record<string, FileFormat>> = {
  ".jsonl": "jsonl",
  ".ndjson": "jsonl",
  ".json": "json",
  ".csv": "csv",
  ".tsv": "tsv",
  ".parquet": "parquet",
  ".arrow": "arrow",
};

function detectFormat(file: string, format: DataOptions["format"]): Pick<DataFile, "format" | "compression"> {
  const name = path.basename(file).toLowerCase();
  const compression = compressions[path.extname(name)];
  if (format !== "auto") return { format, compression };
  const plainName = compression === undefined ? name : name.slice(0, -path.extname(name).length);
  return { format: formats[path.extname(plainName)] ?? "text", compression };
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
    const stats = await stat(file.path).catch((thrown: unknown) => {
      throw toWorkbenchError(thrown);
    });
    if (stats.size !== file.bytes || stats.mtimeMs !== file.modified)
      throw new WorkbenchError(
        "io",
        `${file.path} changed while it was read. Run again when nothing writes to it any more.`,
      );
  }
}

export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new WorkbenchError("cancelled", "Stopped while preparing the data.");
}
