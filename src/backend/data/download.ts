/**
 * Downloads a file with progress, resumes interrupted attempts, verifies the checksum and renames the complete file. A lock
 * lets one process at a time download a file; the others wait and use the result.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as wait } from "node:timers/promises";
import { lock } from "proper-lockfile";
import { toWorkbenchError, WorkbenchError } from "../../protocol/errors";
import { throwIfCancelled } from "./files";

export interface DownloadContext {
  readonly signal: AbortSignal | undefined;
  progress(done: number, total: number, what: string): void;
}

export type Remote = {
  readonly url: string;
  readonly bytes: number;
  readonly headers?: Readonly<Record<string, string>>;
} & Digest;

/** What a file has to hash to: by itself, or as git names it, `blob` and its length before it. */
export type Digest = { readonly sha256: string } | { readonly gitSha1: string };

/** For the message when it fails. */
export interface DownloadPurpose {
  readonly what: string;
  readonly remedy: string;
}

const ATTEMPTS = 4;
const SILENCE_MILLISECONDS = 30_000;

/** Why one attempt ended without the whole file; `again` when another may do better. */
class InterruptedError extends Error {
  constructor(
    message: string,
    readonly again: boolean,
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}

export async function download(
  remote: Remote,
  target: string,
  context: DownloadContext,
  purpose: DownloadPurpose,
): Promise<void> {
  try {
    await mkdir(path.dirname(target), { recursive: true });
    const release = await acquireLock(target, context);
    try {
      // The previous holder of the lock may have downloaded the file.
      if ((await getFileSize(target)) === undefined) await fetchWhole(remote, target, context, purpose);
    } finally {
      await release();
    }
  } catch (thrown) {
    throw toWorkbenchError(thrown);
  }
}

async function acquireLock(target: string, context: DownloadContext): Promise<() => Promise<void>> {
  for (;;) {
    throwIfCancelled(context.signal);
    try {
      return await lock(target, { realpath: false, stale: 20_000, lockfilePath: `${target}.lock` });
    } catch (thrown) {
      if ((thrown as { code?: string }).code !== "ELOCKED") throw thrown;
      context.progress(0, 1, `waiting for another process to download ${path.basename(target)}`);
      await wait(250);
    }
  }
}

async function fetchWhole(
  remote: Remote,
  target: string,
  context: DownloadContext,
  purpose: DownloadPurpose,
): Promise<void> {
  // The checksum in the name keeps parts of an older version apart.
  const [expectedHash, digest] =
    "sha256" in remote ? [remote.sha256, "SHA-256"] : [remote.gitSha1, "git hash"];
  const partial = `${target}.${expectedHash.slice(0, 8)}.part`;
  const fail = (why: string, cause?: unknown): WorkbenchError =>
    new WorkbenchError(
      "network",
      `Could not download ${purpose.what} from ${remote.url}: ${why}. ${purpose.remedy}`,
      { url: remote.url },
      { cause },
    );
  for (let attempt = 1; ; attempt++) {
    try {
      await fetchRest(remote, partial, context);
      if ((await hashFile(partial, remote)) === expectedHash) break;
      await rm(partial, { force: true });
      throw new InterruptedError(
        `its ${digest} is not ${expectedHash}, so it is another file or was damaged`,
        true,
      );
    } catch (thrown) {
      throwIfCancelled(context.signal);
      if (!(thrown instanceof InterruptedError)) throw thrown;
      if (!thrown.again || attempt === ATTEMPTS) throw fail(thrown.message, thrown);
      await wait(100 * 2 ** attempt);
    }
  }
  await rename(partial, target);
}

/** Appends to the partial file what it lacks. */
async function fetchRest(remote: Remote, partial: string, context: DownloadContext): Promise<void> {
  let have = (await getFileSize(partial)) ?? 0;
  if (have > remote.bytes) {
    await rm(partial, { force: true });
    have = 0;
  }
  if (have === remote.bytes) return;
  const idleTimeout = new AbortController();
  const name = path.basename(new URL(remote.url).pathname);
  const timer = setTimeout(() => idleTimeout.abort(), SILENCE_MILLISECONDS);
  const signals = [idleTimeout.signal, ...(context.signal === undefined ? [] : [context.signal])];
  const response = await fetch(remote.url, {
    // A compressed transfer could not be continued at a byte of the file.
    headers: {
      ...remote.headers,
      "accept-encoding": "identity",
      ...(have > 0 ? { range: `bytes=${have}-` } : {}),
    },
    signal: AbortSignal.any(signals),
  }).catch((cause: unknown) => {
    clearTimeout(timer);
    throw new InterruptedError(describeCause(cause), false, cause);
  });
  try {
    if (response.status !== 200 && response.status !== 206) {
      await response.body?.cancel();
      if (response.status === 416) await rm(partial, { force: true });
      throw new InterruptedError(
        `the server answered ${response.status} ${response.statusText}`.trim(),
        response.status === 416 || response.status >= 500,
      );
    }
    if (response.status === 200) have = 0;
    const output = await open(partial, have > 0 ? "a" : "w");
    try {
      for await (const chunk of readBody(response)) {
        timer.refresh();
        if (have + chunk.length > remote.bytes)
          throw new InterruptedError(
            `it is longer than the ${remote.bytes} bytes that it should have`,
            false,
          );
        await output.writeFile(chunk);
        have += chunk.length;
        context.progress(have, remote.bytes, `downloading ${name}`);
      }
    } finally {
      await output.close();
    }
    if (have < remote.bytes)
      throw new InterruptedError(`it ended after ${have} of ${remote.bytes} bytes`, true);
  } finally {
    clearTimeout(timer);
  }
}

/** Body of an answer; what fails here is the connection, not the disk. */
async function* readBody(response: Response): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  while (reader !== undefined) {
    const part: { done: boolean; value?: Uint8Array } = await reader.read().catch((cause: unknown) => {
      throw new InterruptedError("the connection was cut", true, cause);
    });
    if (part.done) return;
    if (part.value !== undefined) yield part.value;
  }
}

function describeCause(cause: unknown): string {
  const inner = (cause as { cause?: { code?: unknown; message?: unknown } }).cause;
  if (typeof inner?.code === "string") return `the server cannot be reached (${inner.code})`;
  return cause instanceof Error ? cause.message : String(cause);
}

async function getFileSize(file: string): Promise<number | undefined> {
  return stat(file).then(
    (stats) => stats.size,
    () => undefined,
  );
}

/** In the algorithm of a digest, as hexadecimal digits. */
export async function hashFile(file: string, algorithm: Digest): Promise<string> {
  const digest = createHash("sha256" in algorithm ? "sha256" : "sha1");
  if ("gitSha1" in algorithm) digest.update(`blob ${await getFileSize(file)}\0`);
  await pipeline(createReadStream(file), digest);
  return digest.digest("hex");
}
