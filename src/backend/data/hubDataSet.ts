/**
 * Parquet files of a data set on the Hugging Face hub: found in `LATHE_DATA`, in the caches of Hugging Face and of Lathe,
 * else downloaded. The hub itself names the files with their sizes and SHA-256, and the list is kept beside them.
 */
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import * as z from "zod";
import { toWorkbenchError, WorkbenchError } from "../../protocol/errors";
import { type Digest, download, hashFile } from "./download";
import { readHubSettings } from "./hubSettings";
import type { HubDataSet } from "./namedDataSet";
import type { NamedFileContext } from "./namedFile";

const listSchema = z.object({
  commit: z.string().regex(/^[0-9a-f]{40}$/),
  files: z
    .array(
      z.object({
        // Becomes a path below the cache.
        name: z.string().regex(/^(?!.*\.\.)\w[\w./-]{0,200}$/),
        bytes: z.int().positive(),
        // Of a large file itself; git names a small one.
        digest: z.union([
          z.strictObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
          z.strictObject({ gitSha1: z.string().regex(/^[0-9a-f]{40}$/) }),
        ]),
      }),
    )
    .min(1),
});
type FileList = z.infer<typeof listSchema>;

/** What the hub answers about a revision, as far as it is looked at. */
const revisionSchema = z.object({
  sha: z.string(),
  siblings: z.array(
    z.object({
      rfilename: z.string(),
      size: z.number().nullish(),
      blobId: z.string().nullish(),
      lfs: z.object({ sha256: z.string(), size: z.number() }).nullish(),
    }),
  ),
});

const ANSWER_MILLISECONDS = 30_000;

/** Paths of all files of the split, in order; of that which is trained on unless another is named. */
export async function locateHubFiles(
  id: string,
  entry: HubDataSet,
  context: NamedFileContext,
  environment: NodeJS.ProcessEnv = process.env,
  split = entry.hub.split,
): Promise<string[]> {
  const { dataFolder } = context;
  if (dataFolder !== undefined && dataFolder !== "") {
    const localFolder = path.join(dataFolder, entry.folder);
    const { files, lacking } = await findParquetFiles(localFolder, split);
    if (lacking !== undefined)
      throw new WorkbenchError(
        "invalid-input",
        `${localFolder} does not hold the whole data set "${id}": ${lacking}. Place the missing files there, or take the ` +
          "others away to have all of them downloaded.",
      );
    if (files.length > 0) return files;
  }
  for (const snapshot of await listSnapshots(entry.hub.id, environment)) {
    const { files, lacking } = await findParquetFiles(path.join(snapshot, entry.hub.config ?? ""), split);
    if (files.length > 0 && lacking === undefined) return files;
  }
  return downloadFiles(id, entry, split, context, environment);
}

/** Finds the files of a split, and the missing ones if the file names contain the number of files. */
async function findParquetFiles(
  folder: string,
  split: string,
): Promise<{ files: string[]; lacking?: string | undefined }> {
  const names = await readdir(folder, { recursive: true }).catch(() => []); // No such folder: no files.
  const files = selectSplit(
    names.filter((name) => name.endsWith(".parquet")),
    split,
  );
  return { files: files.sort().map((name) => path.join(folder, name)), lacking: describeMissing(files) };
}

/** Those that name the split. Files that name no split at all are training data, as on the hub. */
function selectSplit(names: readonly string[], split: string): string[] {
  const namesSplit = (text: string) => new RegExp(`(?:^|[^A-Za-z])(?:${text})(?:[^A-Za-z]|$)`);
  const matching = names.filter((name) => namesSplit(split).test(name));
  const isUnnamed = !names.some((name) =>
    namesSplit("train|training|valid(?:ation)?|val|dev|eval|test").test(name),
  );
  return matching.length === 0 && split === "train" && isUnnamed ? [...names] : matching;
}

function describeMissing(names: readonly string[]): string | undefined {
  const present = new Set<number>();
  let count = 0;
  for (const name of names) {
    const [, number, of] = /-(\d{5})-of-(\d{5})/.exec(name) ?? [];
    if (number === undefined || of === undefined) continue;
    present.add(Number(number));
    count = Number(of);
  }
  const missing = Array.from({ length: count }, (_, i) => i).filter((number) => !present.has(number));
  return missing.length === 0 ? undefined : `of ${count} files ${missing.length} are missing`;
}

/** Folders of Hugging Face's own cache that may hold the data set; the present main revision first. */
async function listSnapshots(hubId: string, environment: NodeJS.ProcessEnv): Promise<string[]> {
  const folder = path.join(readHubSettings(environment).cache, `datasets--${hubId.replace("/", "--")}`);
  const commits = await readdir(path.join(folder, "snapshots")).catch(() => []); // Nothing of it is cached.
  const main = await readFile(path.join(folder, "refs", "main"), "utf8").catch(() => "");
  const order = (commit: string): number => (commit === main.trim() ? 0 : 1);
  return commits
    .sort((a, b) => order(a) - order(b) || a.localeCompare(b))
    .map((commit) => path.join(folder, "snapshots", commit));
}

async function downloadFiles(
  id: string,
  entry: HubDataSet,
  split: string,
  context: NamedFileContext,
  environment: NodeJS.ProcessEnv,
): Promise<string[]> {
  const { hub, folder } = entry;
  const { endpoint, token, offline: isOffline } = readHubSettings(environment);
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const cached = path.join(context.cacheFolder, "datasets", folder);
  const remedy =
    `Without a network, place its Parquet files (${hub.config === undefined ? "" : `${hub.config}/`}${split}-*.parquet of ${endpoint}/datasets/${hub.id}) ` +
    (context.dataFolder === undefined || context.dataFolder === ""
      ? `in ${folder} below a folder that the environment variable LATHE_DATA names.`
      : `in ${path.join(context.dataFolder, folder)}.`);
  const what = `the data set "${id}" (${entry.licence})`;
  const unreachable = (why: string, cause?: unknown) =>
    new WorkbenchError("network", `Could not download ${what}: ${why}. ${remedy}`, {}, { cause });

  const listFile = path.join(cached, split === hub.split ? "hub.json" : `hub-${split}.json`);
  let list = await readCachedList(listFile);
  if (list === undefined) {
    if (isOffline) throw unreachable("HF_HUB_OFFLINE is set");
    context.progress(0, 1, `asking the hub for ${hub.id}`);
    list = await queryHub({ ...hub, split }, endpoint, headers, context.signal, unreachable);
    await mkdir(cached, { recursive: true });
    await writeFile(listFile, `${JSON.stringify(list, undefined, 2)}\n`);
  }
  const files: string[] = [];
  for (const { name, bytes, digest } of list.files) {
    const file = path.join(cached, name);
    if (!(await isIntact(file, bytes, digest))) {
      if (isOffline) throw unreachable("HF_HUB_OFFLINE is set");
      await rm(file, { force: true });
      const url = `${endpoint}/datasets/${hub.id}/resolve/${list.commit}/${name}`;
      await download({ url, bytes, headers, ...digest }, file, context, { what, remedy });
    }
    files.push(file);
  }
  return files;
}

async function readCachedList(file: string): Promise<FileList | undefined> {
  const text = await readFile(file, "utf8").catch(() => undefined); // Not asked for yet.
  if (text === undefined) return undefined;
  try {
    return listSchema.parse(JSON.parse(text));
  } catch {
    return undefined; // A damaged list is asked for again.
  }
}

/** The split's Parquet files on the main branch, else those that the hub has made of the data set. */
async function queryHub(
  { id, config, split }: HubDataSet["hub"],
  endpoint: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
  fail: (why: string, cause?: unknown) => WorkbenchError,
): Promise<FileList> {
  for (const revision of ["main", "refs%2Fconvert%2Fparquet"]) {
    const url = `${endpoint}/api/datasets/${id}/revision/${revision}?blobs=true`;
    const limits = [AbortSignal.timeout(ANSWER_MILLISECONDS), ...(signal === undefined ? [] : [signal])];
    const response = await fetch(url, { headers, signal: AbortSignal.any(limits) }).catch(
      (cause: unknown) => {
        if (signal?.aborted === true)
          throw new WorkbenchError("cancelled", "Stopped while preparing the data.");
        throw fail(`${new URL(url).host} cannot be reached (${describeFailure(cause)})`, cause);
      },
    );
    if (response.status === 404 && revision !== "main") break;
    if (!response.ok) throw fail(`${url} was answered with ${response.status} ${response.statusText}`.trim());
    const answer = revisionSchema.safeParse(await response.json().catch(() => undefined));
    if (!answer.success) throw fail(`${url} was answered with something else than a list of files`);
    const { sha, siblings } = answer.data;
    const inside = config === undefined ? "" : `${config}/`;
    const names = siblings
      .map(({ rfilename }) => rfilename)
      .filter((name) => name.startsWith(inside) && name.endsWith(".parquet"))
      .map((name) => name.slice(inside.length));
    const selected = selectSplit(names, split);
    if (selected.length === 0) continue;
    if (selected.some((name) => /(?:^|\/)partial-/.test(name)))
      throw fail(`the hub has converted only a part of the split ${split} of ${id}`);
    const missing = describeMissing(selected);
    if (missing !== undefined) throw fail(`${missing} on the hub`);
    const byName = new Map(siblings.map((file) => [file.rfilename, file]));
    const files = selected.map((short) => {
      const { rfilename: name, lfs, size, blobId } = byName.get(`${inside}${short}`)!;
      return lfs == null
        ? { name, bytes: size, digest: { gitSha1: blobId } }
        : { name, bytes: lfs.size, digest: { sha256: lfs.sha256 } };
    });
    const list = listSchema.safeParse({
      commit: sha,
      files: files.sort((a, b) => (a.name < b.name ? -1 : 1)),
    });
    if (!list.success) throw fail(`${url} was answered with file names or checksums that are none`);
    return list.data;
  }
  const place = config === undefined ? id : `${config} of ${id}`;
  throw fail(`${place} has no Parquet file of the split ${split} on the hub`);
}

/** The error code of the cause of a failed request, or the message if there is none. */
function describeFailure(failure: unknown): string {
  const inner = (failure as { cause?: { code?: unknown } }).cause?.code;
  return typeof inner === "string" ? inner : failure instanceof Error ? failure.message : String(failure);
}

async function isIntact(file: string, bytes: number, digest: Digest): Promise<boolean> {
  const size = await stat(file).then(
    (stats) => stats.size,
    (thrown: unknown) => {
      const error = toWorkbenchError(thrown);
      if (error.code !== "not-found") throw error;
      return undefined;
    },
  );
  const expected = "sha256" in digest ? digest.sha256 : digest.gitSha1;
  return size === bytes && (await hashFile(file, digest)) === expected;
}
