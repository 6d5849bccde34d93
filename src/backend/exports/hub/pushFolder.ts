/**
 * Publishes the files of an exported folder as one commit of a repository of the Hugging Face hub. An interrupted push
 * commits nothing, and the next one sends only what the hub does not have.
 */
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { WorkbenchError } from "../../../protocol/errors";
import { pluralize } from "../../../protocol/quantities";
import type { DownloadContext } from "../../data/download";
import { FileBody } from "./fileBody";
import { createHubFetch, hasStatus, toPushError } from "./hubSession";
import type { PushRequest, PushSettings } from "./pushRequest";

export interface PushedFile {
  readonly name: string;
  readonly bytes: number;
}

export interface Pushed {
  readonly repository: string;
  readonly url: string;
  readonly commit: string;
  /** Whether the push created the repository. */
  readonly created: boolean;
  readonly private: boolean;
  /** Files of an existing repository that have another content or the same. */
  readonly replaced: readonly string[];
}

/** Folders of an export that are pushed as well. */
const subfolders = ["onnx"];

/** Every file that a push would send, by name. Refuses what is not a plain file. */
export function listPushedFiles(folder: string): PushedFile[] {
  return readdirSync(folder)
    .sort()
    .flatMap((name): PushedFile[] => {
      const found = lstatSync(join(folder, name));
      if (found.isFile()) return [{ name, bytes: found.size }];
      if (found.isDirectory() && subfolders.includes(name))
        return listPushedFiles(join(folder, name)).map((each) => ({ ...each, name: `${name}/${each.name}` }));
      const kind = found.isDirectory() ? "a folder" : found.isSymbolicLink() ? "a link" : "not a file";
      throw new WorkbenchError(
        "invalid-input",
        `${join(folder, name)} is ${kind}, and only plain files are pushed. Move it elsewhere, then push again.`,
      );
    });
}

/** Throws unless the hub knows the token and the token may write to the owner of the repository. Changes nothing. */
export async function verifyAccess(
  { repository }: Pick<PushRequest, "repository">,
  settings: PushSettings,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { endpoint, token } = settings;
  const { whoAmI } = await import("@huggingface/hub");
  const account = await whoAmI({
    hubUrl: endpoint,
    accessToken: token,
    fetch: createHubFetch(settings, { signal }),
  }).catch((thrown: unknown) => {
    throw toPushError(thrown, { endpoint, repository });
  });
  const refuse = (why: string) =>
    new WorkbenchError("invalid-input", `Nothing can be pushed to ${repository}: ${why}`);
  if (account.auth.accessToken?.role === "read")
    throw refuse(
      `the token in HF_TOKEN or in the token file may only read. Create one with write access at ${endpoint}/settings/tokens.`,
    );
  const owners = [account.name, ...("orgs" in account ? account.orgs.map(({ name }) => name) : [])];
  const [owner] = repository.split("/") as [string];
  if (!owners.some((each) => each.toLowerCase() === owner.toLowerCase()))
    throw refuse(
      `the token belongs to ${account.name}, who is not in an organization ${owner}. Push to ${owners.map((each) => `${each}/…`).join(" or ")}.`,
    );
}

export async function pushFolder(
  folder: string,
  request: PushRequest,
  settings: PushSettings,
  context: DownloadContext,
): Promise<Pushed> {
  const { repository, isPrivate } = request;
  const { endpoint, token } = settings;
  const { signal } = context;
  const files = listPushedFiles(folder);
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let sent = 0;
  const what = `sending ${pluralize(files.length, "file")} to ${repository}`;
  const hub = {
    hubUrl: endpoint,
    accessToken: token,
    fetch: createHubFetch(settings, {
      signal,
      onUpload: (bytes) => {
        sent += bytes;
        context.progress(sent, Math.max(total, sent, 1), what);
      },
    }),
  };
  try {
    const { commit } = await import("@huggingface/hub");
    const existing = (await readRepository(request, hub)) ?? (await createRepository(request, hub));
    if (isPrivate && !existing.private)
      throw new WorkbenchError(
        "invalid-input",
        `${repository} exists and is public. Set private: false (--private false) to publish to it, or choose another name.`,
      );
    context.progress(0, 1, what);
    const names = new Set(files.map(({ name }) => name));
    const written = await commit({
      ...hub,
      repo: { type: "model", name: repository },
      title: "Upload a model exported by Lathe",
      operations: files.map(({ name, bytes }) => ({
        operation: "addOrUpdate",
        path: name,
        content: new FileBody(join(folder, name), 0, bytes),
      })),
      useXet: false,
      ...(existing.commit === undefined ? {} : { parentCommit: existing.commit }),
      ...(signal === undefined ? {} : { abortSignal: signal }),
    });
    if (written === undefined) throw new Error("The hub reported no commit.");
    context.progress(1, 1, what);
    return {
      repository,
      url: `${endpoint}/${repository}`,
      commit: written.commit.oid,
      created: existing.created,
      private: existing.private,
      replaced: existing.files.filter((name) => names.has(name)),
    };
  } catch (thrown) {
    if (signal?.aborted === true) throw new WorkbenchError("cancelled", "Stopped.", {}, { cause: thrown });
    throw toPushError(thrown, { endpoint, repository });
  }
}

interface Existing {
  readonly created: boolean;
  readonly private: boolean;
  readonly files: readonly string[];
  /** The last commit, on which the push builds. */
  readonly commit: string | undefined;
}

type Hub = { readonly hubUrl: string; readonly accessToken: string; readonly fetch: typeof fetch };

/** The repository as it is; undefined if it does not exist. */
async function readRepository({ repository }: PushRequest, hub: Hub): Promise<Existing | undefined> {
  const { modelInfo } = await import("@huggingface/hub");
  try {
    const info = await modelInfo({ ...hub, name: repository, additionalFields: ["sha", "filePaths"] });
    return { created: false, private: info.private, files: info.filePaths, commit: info.sha };
  } catch (thrown) {
    if (hasStatus(thrown, 404)) return undefined;
    throw thrown;
  }
}

async function createRepository(request: PushRequest, hub: Hub): Promise<Existing> {
  const { repository, isPrivate } = request;
  const { createRepo } = await import("@huggingface/hub");
  try {
    await createRepo({
      ...hub,
      repo: { type: "model", name: repository },
      visibility: isPrivate ? "private" : "public",
    });
  } catch (thrown) {
    // Another push has created it in the meantime, or the token cannot see it.
    if (!hasStatus(thrown, 409)) throw thrown;
    const existing = await readRepository(request, hub);
    if (existing !== undefined) return existing;
    throw new WorkbenchError(
      "invalid-input",
      `${repository} exists, but the token in HF_TOKEN or in the token file cannot see it. Use a token with access to it, or choose another name.`,
      {},
      { cause: thrown },
    );
  }
  return { created: true, private: isPrivate, files: [], commit: undefined };
}
