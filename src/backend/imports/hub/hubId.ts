/** How a model of the Hugging Face hub is named (`owner/name`, `owner/name@revision`), and what the environment says about the hub. */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

export interface HubId {
  readonly repository: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

const part = "[A-Za-z0-9](?:[\\w.-]*[\\w])?";
const pattern = new RegExp(`^(${part}/${part})(?:@([A-Za-z0-9][\\w./-]*))?$`);

/** The id that a name is, where it is one and nothing of that name lies in the folder. */
export function hubIdOf(name: string, baseFolder: string): HubId | undefined {
  if (existsSync(resolve(baseFolder, name))) return undefined;
  const [, repository, revision = "main"] = pattern.exec(name) ?? [];
  if (repository === undefined || /--|\.\./.test(`${repository} ${revision}`)) return undefined;
  return { repository, revision };
}

export interface HubSettings {
  readonly endpoint: string;
  /** Where models of the hub lie, in the layout of huggingface_hub. */
  readonly cache: string;
  readonly offline: boolean;
  readonly token: string | undefined;
}

/** The variables are those of huggingface_hub; one that is empty counts as not set. */
export function hubSettings(environment: NodeJS.ProcessEnv = process.env): HubSettings {
  const set = (name: string) => {
    const value = environment[name];
    return value === undefined || value.trim() === "" ? undefined : value.trim();
  };
  const isOn = (name: string) => /^(1|true|yes|on)$/i.test(set(name) ?? "");
  const home = set("HF_HOME") ?? join(set("XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "huggingface");
  const tokenFile = set("HF_TOKEN_PATH") ?? join(home, "token");
  return {
    endpoint: (set("HF_ENDPOINT") ?? "https://huggingface.co").replace(/\/+$/, ""),
    cache: set("HF_HUB_CACHE") ?? join(home, "hub"),
    offline: isOn("HF_HUB_OFFLINE") || isOn("TRANSFORMERS_OFFLINE"),
    token: set("HF_TOKEN") ?? (existsSync(tokenFile) ? readFileSync(tokenFile, "utf8").trim() : undefined),
  };
}
