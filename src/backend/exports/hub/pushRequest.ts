/** What a push needs before any work: the repository, and the token that the hub would accept. */
import { WorkbenchError } from "../../../protocol/errors";
import { pushFields, pushSchema } from "../../../schema/push";
import { type HubSettings, readHubSettings } from "../../data/hubSettings";

export interface PushRequest {
  /** `owner/name`. */
  readonly repository: string;
  /** The visibility of a repository that does not exist yet. */
  readonly isPrivate: boolean;
  readonly license?: string | undefined;
}

export interface PushSettings {
  readonly endpoint: string;
  readonly token: string;
}

/** Separates the options of a push from those of a format. `push` is undefined for an export that is not published. */
export function splitPushOptions(options: Readonly<Record<string, unknown>>): {
  readonly push: PushRequest | undefined;
  readonly rest: Readonly<Record<string, unknown>>;
} {
  const isPush = ([key]: readonly [string, unknown]) => Object.hasOwn(pushFields, key);
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  const rest = Object.fromEntries(entries.filter((entry) => !isPush(entry)));
  const {
    push_to: repository,
    private: isPrivate,
    license,
  } = pushSchema.parse(Object.fromEntries(entries.filter(isPush)));
  if (repository !== undefined) return { push: { repository, isPrivate: isPrivate ?? true, license }, rest };
  const [unused] = entries.find(isPush) ?? [];
  if (unused !== undefined)
    throw new WorkbenchError(
      "invalid-input",
      `${unused} has no effect without push_to. Name a repository with push_to: owner/name, or remove ${unused}.`,
    );
  return { push: undefined, rest };
}

/** The token and the address of the hub; throws if nothing can be pushed from here. Asks no server. */
export function requirePushSettings(
  { repository }: Pick<PushRequest, "repository">,
  { endpoint, token, offline }: HubSettings = readHubSettings(),
): PushSettings {
  const refuse = (why: string) =>
    new WorkbenchError("invalid-input", `Nothing can be pushed to ${repository}: ${why}`);
  if (offline) throw refuse("HF_HUB_OFFLINE is set. Unset it, or export without --push.");
  const remedy = `Create one with write access at ${endpoint}/settings/tokens and set HF_TOKEN.`;
  if (token === undefined || token === "")
    throw refuse(`there is no token of the hub in HF_TOKEN or in the token file. ${remedy}`);
  if (!token.startsWith("hf_"))
    throw refuse(`the token in HF_TOKEN or in the token file does not begin with hf_. ${remedy}`);
  return { endpoint, token };
}

/** The place and the visibility, for a line that the user reads. */
export function describeTarget({
  repository,
  isPrivate,
}: Pick<PushRequest, "repository" | "isPrivate">): string {
  return `${repository} (${isPrivate ? "private" : "public"} if it is new)`;
}

/** The command that sends a prepared folder. */
export function formatPushCommand(
  folder: string,
  { repository, isPrivate }: Pick<PushRequest, "repository" | "isPrivate">,
): string {
  return `lathe export ${folder} --push-to ${repository}${isPrivate ? "" : " --private false"} --push`;
}
