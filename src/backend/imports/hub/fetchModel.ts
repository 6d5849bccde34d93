/** Provides a model of the Hugging Face hub as a folder, from the cache if it is complete, otherwise by downloading it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import { download, type DownloadContext } from "../../data/download";
import { readHubSettings, type HubSettings } from "../../data/hubSettings";
import { listNames, readModelFolder, listShardNames } from "../huggingFaceFolder";
import { HubCache } from "./hubCache";
import { HubClient, type Repository } from "./hubClient";
import type { HubId } from "./hubId";

export interface FetchContext extends DownloadContext {
  /** `outline` excludes the weights. */
  readonly wanted: "everything" | "outline";
  /** Whether files may be downloaded. If not, only the cache is used. */
  readonly network: boolean;
  /** Keys that override those of the model's configuration. */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
  readonly settings?: HubSettings;
}

const outline = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "tokenizer.model",
  "added_tokens.json",
  "special_tokens_map.json",
  "chat_template.jinja",
  "vocab.json",
  "merges.txt",
];
const [single, index] = ["model.safetensors", "model.safetensors.index.json"] as const;

export async function fetchModel(id: HubId, context: FetchContext): Promise<string> {
  const settings = context.settings ?? readHubSettings();
  const cache = new HubCache(settings.cache, id);
  const cachedCommit = cache.readCommit();
  const cached = cachedCommit === undefined ? undefined : cache.snapshot(cachedCommit);
  const usable = cached !== undefined && isComplete(cached, context.wanted) ? cached : undefined;
  // A commit never changes, but a branch may have moved.
  if (usable !== undefined && (cachedCommit === id.revision || settings.offline || !context.network))
    return usable;
  if (settings.offline || !context.network) throw notCachedError(id, settings, cache, !context.network);
  const client = new HubClient(id, settings, context.signal);
  try {
    const repository = await client.repository();
    refuseOther(id, repository, context.wanted);
    return await downloadFiles(id, repository, cache, client, context);
  } catch (thrown) {
    const failure = toWorkbenchError(thrown);
    if (failure.code !== "network") throw failure;
    if (usable !== undefined) {
      context.progress(1, 1, `${failure.message} Using the cached copy;`);
      return usable;
    }
    throw new WorkbenchError(
      "network",
      `${failure.message} ${describeRemedy(id, cache)}`,
      {},
      { cause: failure },
    );
  }
}

async function downloadFiles(
  id: HubId,
  { commit, files }: Repository,
  cache: HubCache,
  client: HubClient,
  context: FetchContext,
): Promise<string> {
  const folder = cache.snapshot(commit);
  const get = async (name: string) => {
    if (existsSync(join(folder, name))) return;
    const { url, hash, digest, bytes } = await client.file(commit, name);
    await download({ url, bytes, headers: client.headers, ...digest }, cache.blob(hash), context, {
      what: `${name} of ${id.repository}`,
      remedy: "The downloaded part is kept, and the next attempt continues from there.",
    });
    cache.link(commit, name, hash);
  };
  for (const name of outline) if (files.includes(name)) await get(name);
  // Refuses an unsupported model before downloading gigabytes of weights.
  readModelFolder(folder, context.config);
  if (context.wanted === "everything") {
    if (files.includes(single)) await get(single);
    else {
      await get(index);
      const shards = listMissingShards(folder);
      const absent = shards.filter((name) => !files.includes(name));
      if (absent.length > 0)
        throw new WorkbenchError(
          "corrupt",
          `${id.repository} lacks ${listNames(absent)}, although its ${index} lists them. Use another revision.`,
        );
      for (const name of shards) await get(name);
    }
  }
  cache.remember(commit);
  return folder;
}

/** The files that the index lists and the folder lacks. */
function listMissingShards(folder: string): readonly string[] {
  return listShardNames(folder).filter((name) => !existsSync(join(folder, name)));
}

function isComplete(folder: string, scope: FetchContext["wanted"]): boolean {
  if (!existsSync(join(folder, "config.json"))) return false;
  if (scope === "outline" || existsSync(join(folder, single))) return true;
  return existsSync(join(folder, index)) && listMissingShards(folder).length === 0;
}

function refuseOther({ repository }: HubId, { files }: Repository, scope: FetchContext["wanted"]): void {
  const refuse = (why: string) => new WorkbenchError("unsupported", `${repository} ${why}`);
  if (!files.includes("config.json"))
    throw refuse(
      files.includes("adapter_config.json")
        ? "is an adapter for another model. Download it into a folder and load it with its base model: base_model: {id: BASE_MODEL, adapter: FOLDER}."
        : "has no config.json, so it does not contain a supported model.",
    );
  if (scope === "outline" || files.includes(single) || files.includes(index)) return;
  const pickle = files.find((name) => /\.(bin|pt|pth|ckpt|h5|msgpack|gguf)(\.index\.json)?$/.test(name));
  throw refuse(
    pickle === undefined
      ? "has no model.safetensors, the only supported weight format."
      : `has its weights only as ${pickle}, but only safetensors is supported. Convert the model, or use a revision that has safetensors.`,
  );
}

function describeRemedy({ repository }: HubId, cache: HubCache): string {
  return (
    `To work offline, put config.json, ${single} (or ${index} with the files that it lists) and the tokenizer files ` +
    `of ${repository} into a folder and use its path, or copy ${cache.folder} from another machine.`
  );
}

function notCachedError(
  id: HubId,
  { cache: folder }: HubSettings,
  cache: HubCache,
  waits: boolean,
): WorkbenchError {
  const where = `${id.repository}@${id.revision} is missing or incomplete in the cache ${folder}`;
  return waits
    ? new WorkbenchError(
        "not-found",
        `${where}. A run downloads it. To download it now, run \`lathe inspect ${id.repository}\`.`,
      )
    : new WorkbenchError(
        "not-found",
        `${where}, and HF_HUB_OFFLINE prevents downloads. Unset HF_HUB_OFFLINE to download it. ${describeRemedy(id, cache)}`,
      );
}
