/** How a model of the Hugging Face hub is named (`owner/name`, `owner/name@revision`). */
import { existsSync } from "node:fs";
import { resolve } from "node:path";

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
