/** A model of the Hugging Face hub as a folder: from the cache where it is whole, else downloaded into it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import { download, type DownloadContext } from "../../data/download";
import { hubSettings, type HubSettings } from "../../data/hubSettings";
import { listed, readModelFolder, shardNames } from "../huggingFaceFolder";
import { HubCache } from "./hubCache";
import { HubClient, type Repository } from "./hubClient";
import type { HubId } from "./hubId";

export interface FetchContext extends DownloadContext {
  /** Everything, or all but the weights: enough to know what the model is. */
  readonly wanted: "everything" | "outline";
  /** False where nobody has asked for a download: what is in the cache has to do. */
  readonly network: boolean;
  /** Keys that replace those of the model's own configuration. */
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
  const settings = context.settings ?? hubSettings();
  const cache = new HubCache(settings.cache, id);
  const known = cache.knownCommit();
  const cached = known === undefined ? undefined : cache.snapshot(known);
  const usable = cached !== undefined && isWhole(cached, context.wanted) ? cached : undefined;
  // A commit never changes; a branch may have moved on.
  if (usable !== undefined && (known === id.revision || settings.offline || !context.network)) return usable;
  if (settings.offline || !context.network) throw notCached(id, settings, cache, !context.network);
  const client = new HubClient(id, settings, context.signal);
  try {
    const repository = await client.repository();
    refuseOther(id, repository, context.wanted);
    return await bring(id, repository, cache, client, context);
  } catch (thrown) {
    const failure = toWorkbenchError(thrown);
    if (failure.code !== "network") throw failure;
    if (usable !== undefined) {
      context.progress(1, 1, `${failure.message} The copy in the cache is used;`);
      return usable;
    }
    throw new WorkbenchError("network", `${failure.message} ${remedy(id, cache)}`, {}, { cause: failure });
  }
}

async function bring(
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
      remedy: "What has come so far is kept, and the next try goes on from there.",
    });
    cache.link(commit, name, hash);
  };
  for (const name of outline) if (files.includes(name)) await get(name);
  // What cannot be read is refused before gigabytes of it are fetched.
  readModelFolder(folder, context.config);
  if (context.wanted === "everything") {
    if (files.includes(single)) await get(single);
    else {
      await get(index);
      const shards = missingShards(folder);
      const absent = shards.filter((name) => !files.includes(name));
      if (absent.length > 0)
        throw new WorkbenchError(
          "corrupt",
          `${id.repository} lacks ${listed(absent)}, which its ${index} names. Name another revision of it.`,
        );
      for (const name of shards) await get(name);
    }
  }
  cache.remember(commit);
  return folder;
}

/** The files that an index names and that are not in the folder. */
function missingShards(folder: string): readonly string[] {
  return shardNames(folder).filter((name) => !existsSync(join(folder, name)));
}

function isWhole(folder: string, wanted: FetchContext["wanted"]): boolean {
  if (!existsSync(join(folder, "config.json"))) return false;
  if (wanted === "outline" || existsSync(join(folder, single))) return true;
  return existsSync(join(folder, index)) && missingShards(folder).length === 0;
}

function refuseOther({ repository }: HubId, { files }: Repository, wanted: FetchContext["wanted"]): void {
  const refuse = (why: string) => new WorkbenchError("unsupported", `${repository} ${why}`);
  if (!files.includes("config.json"))
    throw refuse(
      files.includes("adapter_config.json")
        ? "is an adapter for another model, which is not read. Merge it into its base model first."
        : "has no config.json, so it holds no model that is read here.",
    );
  if (wanted === "outline" || files.includes(single) || files.includes(index)) return;
  const pickle = files.find((name) => /\.(bin|pt|pth|ckpt|h5|msgpack|gguf)(\.index\.json)?$/.test(name));
  throw refuse(
    pickle === undefined
      ? "has no model.safetensors, and no other weights are read."
      : `has its weights only as ${pickle}, and only safetensors are read. Convert it, or name a revision that has them.`,
  );
}

function remedy({ repository }: HubId, cache: HubCache): string {
  return (
    `Without a network, put config.json, ${single} (or ${index} with the files that it names) and the tokenizer's files ` +
    `of ${repository} into a folder and name that folder; or copy ${cache.folder} from a machine that has it.`
  );
}

function notCached(
  id: HubId,
  { cache: folder }: HubSettings,
  cache: HubCache,
  waits: boolean,
): WorkbenchError {
  const where = `${id.repository}@${id.revision} is not, or not whole, in the cache ${folder}`;
  return waits
    ? new WorkbenchError(
        "not-found",
        `${where}. A run downloads it, and so does \`lathe inspect ${id.repository}\`.`,
      )
    : new WorkbenchError(
        "not-found",
        `${where}, and HF_HUB_OFFLINE forbids to download it. ${remedy(id, cache)} Or take HF_HUB_OFFLINE away.`,
      );
}
