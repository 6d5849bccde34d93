/** Asks the hub what a repository holds and what its files hash to; every way in which it refuses is one clear error. */
import * as z from "zod";
import { WorkbenchError } from "../../../protocol/errors";
import type { Digest } from "../../data/download";
import type { HubSettings } from "../../data/hubSettings";
import type { HubId } from "./hubId";

export interface Repository {
  readonly commit: string;
  /** Names of files at its top; those in folders are no part of a model here. */
  readonly files: readonly string[];
}

export interface HubFile {
  readonly url: string;
  /** The name of the file among the blobs of a cache. */
  readonly hash: string;
  readonly digest: Digest;
  readonly bytes: number;
}

const answerSchema = z.object({
  sha: z.string().regex(/^[0-9a-f]{40}$/),
  siblings: z.array(z.object({ rfilename: z.string() })).max(100_000),
});

const patienceMilliseconds = 30_000;
const mostRedirects = 5;

export class HubClient {
  readonly headers: Readonly<Record<string, string>>;
  constructor(
    private readonly id: HubId,
    private readonly settings: HubSettings,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.headers = settings.token === undefined ? {} : { authorization: `Bearer ${settings.token}` };
  }

  async repository(): Promise<Repository> {
    const { repository, revision } = this.id;
    const url = `${this.settings.endpoint}/api/models/${repository}/revision/${encodeURIComponent(revision)}`;
    const response = await this.ask(url, "GET");
    if (!response.ok) throw this.refusal(response);
    const answer = answerSchema.safeParse(await response.json().catch(() => undefined));
    if (!answer.success)
      throw this.unreachable(
        `it answered something else than a list of files (${z.prettifyError(answer.error)})`,
      );
    const names = answer.data.siblings.map(({ rfilename }) => rfilename);
    return { commit: answer.data.sha, files: names.filter((name) => /^[\w][\w.-]*$/.test(name)) };
  }

  async file(commit: string, name: string): Promise<HubFile> {
    const url = `${this.settings.endpoint}/${this.id.repository}/resolve/${commit}/${name}`;
    const response = await this.ask(url, "HEAD");
    if (response.status >= 400) throw this.refusal(response, name);
    const header = (...keys: string[]) =>
      keys.map((key) => response.headers.get(key)).find((each) => each != null);
    const hash = header("x-linked-etag", "etag")?.replace(/^W\//, "").replaceAll('"', "") ?? "";
    const bytes = Number(header("x-linked-size", "content-length") ?? NaN);
    // Large files are named by their SHA-256, others by their hash in git.
    const digest = /^[0-9a-f]{64}$/.test(hash)
      ? { sha256: hash }
      : /^[0-9a-f]{40}$/.test(hash)
        ? { gitSha1: hash }
        : undefined;
    if (digest === undefined || !Number.isSafeInteger(bytes))
      throw this.unreachable(`it says neither a checksum nor a size for ${name}`);
    return { url, hash, digest, bytes };
  }

  /** Follows redirects within the hub alone: what leads to a store of large files has said its checksum already. */
  private async ask(url: string, method: "GET" | "HEAD"): Promise<Response> {
    for (let hop = 0; ; hop++) {
      const signals = [AbortSignal.timeout(patienceMilliseconds), ...(this.signal ? [this.signal] : [])];
      const response = await fetch(url, {
        method,
        redirect: "manual",
        headers: { ...this.headers, "accept-encoding": "identity" },
        signal: AbortSignal.any(signals),
      }).catch((cause: unknown) => {
        if (this.signal?.aborted === true) throw new WorkbenchError("cancelled", "Stopped.", {}, { cause });
        const { code } = (cause as { cause?: { code?: unknown } }).cause ?? {};
        throw this.unreachable(
          `the server cannot be reached${typeof code === "string" ? ` (${code})` : ""}`,
          cause,
        );
      });
      if (response.status >= 500) throw this.unreachable(`it answered ${response.status}`);
      const to = response.headers.get("location");
      if (response.status < 300 || response.status >= 400 || to === null) return response;
      const next = new URL(to, url);
      if (response.headers.has("x-linked-etag") || next.origin !== new URL(url).origin) return response;
      if (hop === mostRedirects) throw this.unreachable("it redirects without end");
      url = next.href;
    }
  }

  private refusal({ status, headers }: Response, file?: string): WorkbenchError {
    const { repository, revision } = this.id;
    const page = `${this.settings.endpoint}/${repository}`;
    const code = headers.get("x-error-code");
    if (status === 403 || code === "GatedRepo")
      return new WorkbenchError(
        "network",
        `${repository} is open only to those whom its owner lets in. Ask for access at ${page}, and set HF_TOKEN to a token of that account.`,
      );
    if (status === 401 || (status === 404 && code !== "RevisionNotFound" && file === undefined)) {
      const token =
        this.settings.token === undefined
          ? "If it is a private one, set HF_TOKEN to a token that may read it."
          : "The token in HF_TOKEN or in the token file may not read it, or has expired.";
      return new WorkbenchError(
        "not-found",
        `There is no folder ${repository} here, and no model of that name at ${this.settings.endpoint}. Check the spelling. ${token}`,
      );
    }
    if (status === 404)
      return new WorkbenchError(
        "not-found",
        file === undefined
          ? `${repository} has no revision ${revision}. Name a branch, a tag or a commit of it.`
          : `${repository} names ${file}, but does not hold it. Try again later, or name another revision.`,
      );
    return this.unreachable(`it answered ${status}`);
  }

  private unreachable(why: string, cause?: unknown): WorkbenchError {
    return new WorkbenchError(
      "network",
      `The hub at ${this.settings.endpoint} was asked for ${this.id.repository}: ${why}.`,
      {},
      { cause },
    );
  }
}
