/** Parses the id of a model on the Hugging Face hub (`owner/name`, `owner/name@revision`). */
import { existsSync } from "node:fs";
import { resolve } from "node:path";

export interface HubId {
  readonly repository: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

const part = "[A-Za-z0-9](?:[\\w.-]*[\\w])?";
const pattern = new RegExp(`^(${part}/${part})(?:@([A-Za-z0-9][\\w./-]*))?$`);

/** Parses a hub id. Returns undefined if `name` is not one, or if the folder contains a file of that name. */
export function parseHubId(name: string, baseFolder: string): HubId | undefined {
  if (existsSync(resolve(baseFolder, name))) return undefined;
  const [, repository, revision = "main"] = pattern.exec(name) ?? [];
  if (repository === undefined || /--|\.\./.test(`${repository} ${revision}`)) return undefined;
  return { repository, revision };
}
