/** Reads the settings of the Hugging Face hub from the environment variables of huggingface_hub. */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

export interface HubSettings {
  readonly endpoint: string;
  /** Where models and data sets of the hub lie, in the layout of huggingface_hub. */
  readonly cache: string;
  readonly offline: boolean;
  readonly token: string | undefined;
}

/** A variable that is empty counts as not set. */
export function readHubSettings(environment: NodeJS.ProcessEnv = process.env): HubSettings {
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
