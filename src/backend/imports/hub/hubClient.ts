/** Requests the file list of a hub repository and the hashes of its files. Each kind of failure is one clear error. */
import * as z from "zod";
import { WorkbenchError } from "../../../protocol/errors";
import type { Digest } from "../../data/download";
import type { HubSettings } from "../../data/hubSettings";
import type { HubId } from "./hubId";

export interface Repository {
  readonly commit: string;
  /** Names of its top-level files. Files in subfolders are not used. */
  readonly files: readonly string[];
}

export interface HubFile {
  readonly url: string;
  /** The name of the file in the `blobs` of a cache. */
  readonly hash: string;
  readonly digest: Digest;
  readonly bytes: number;
}

const answerSchema = z.object({
  sha: z.string().regex(/^[0-9a-f]{40}$/),
  siblings: z.array(z.object({ rfilename: z.string() })).max(100_000),
});

const timeoutMilliseconds = 30_000;
const maxRedirects = 5;

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
    const response = await this.request(url, "GET");
    if (!response.ok) throw this.createRefusal(response);
    const answer = answerSchema.safeParse(await response.json().catch(() => undefined));
    if (!answer.success)
      throw this.unreachable(`its response is not a list of files (${z.prettifyError(answer.error)})`);
    const names = answer.data.siblings.map(({ rfilename }) => rfilename);
    return { commit: answer.data.sha, files: names.filter((name) => /^[\w][\w.-]*$/.test(name)) };
  }

  async file(commit: string, name: string): Promise<HubFile> {
    const url = `${this.settings.endpoint}/${this.id.repository}/resolve/${commit}/${name}`;
    const response = await this.request(url, "HEAD");
    if (response.status >= 400) throw this.createRefusal(response, name);
    const header = (...keys: string[]) =>
      keys.map((key) => response.headers.get(key)).find((each) => each != null);
    const hash = header("x-linked-etag", "etag")?.replace(/^W\//, "").replaceAll('"', "") ?? "";
    const bytes = Number(header("x-linked-size", "content-length") ?? NaN);
    // Large files are identified by their SHA-256, others by their git hash.
    const digest = /^[0-9a-f]{64}$/.test(hash)
      ? { sha256: hash }
      : /^[0-9a-f]{40}$/.test(hash)
        ? { gitSha1: hash }
        : undefined;
    if (digest === undefined || !Number.isSafeInteger(bytes))
      throw this.unreachable(`its response has no checksum or no size for ${name}`);
    return { url, hash, digest, bytes };
  }

  /** Follows redirects within the hub only. A response that redirects to storage for large files includes the checksum. */
  private async request(url: string, method: "GET" | "HEAD"): Promise<Response> {
    for (let hop = 0; ; hop++) {
      const signals = [AbortSignal.timeout(timeoutMilliseconds), ...(this.signal ? [this.signal] : [])];
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
      if (response.status >= 500) throw this.unreachable(`it responded with status ${response.status}`);
      const to = response.headers.get("location");
      if (response.status < 300 || response.status >= 400 || to === null) return response;
      const next = new URL(to, url);
      if (response.headers.has("x-linked-etag") || next.origin !== new URL(url).origin) return response;
      if (hop === maxRedirects) throw this.unreachable("it redirects too often");
      url = next.href;
    }
  }

  private createRefusal({ status, headers }: Response, file?: string): WorkbenchError {
    const { repository, revision } = this.id;
    const page = `${this.settings.endpoint}/${repository}`;
    const code = headers.get("x-error-code");
    if (status === 403 || code === "GatedRepo")
      return new WorkbenchError(
        "network",
        `${repository} is a gated repository. Request access at ${page}, and set HF_TOKEN to a token of that account.`,
      );
    if (status === 401 || (status === 404 && code !== "RevisionNotFound" && file === undefined)) {
      const token =
        this.settings.token === undefined
          ? "If it is private, set HF_TOKEN to a token with read access."
          : "The token in HF_TOKEN or in the token file has expired or has no read access.";
      return new WorkbenchError(
        "not-found",
        `There is no folder ${repository} here, and no such model at ${this.settings.endpoint}. Check the spelling. ${token}`,
      );
    }
    if (status === 404)
      return new WorkbenchError(
        "not-found",
        file === undefined
          ? `${repository} has no revision ${revision}. Use a branch, a tag or a commit.`
          : `${repository} lists ${file} but does not contain it. Try again later, or use another revision.`,
      );
    return this.unreachable(`it responded with status ${status}`);
  }

  private unreachable(why: string, cause?: unknown): WorkbenchError {
    return new WorkbenchError(
      "network",
      `The request for ${this.id.repository} to ${this.settings.endpoint} failed: ${why}.`,
      {},
      { cause },
    );
  }
}
