/** The name of a run where its experiment is named beside it. */
import { getFileName, removeExperimentEnding } from "./fileName";
import type { RunSummary } from "./service/runs";

/** `first-dense` of `first.lathe.md` → `dense`; a name that a person gave stays. */
export function shortenName({ name, experiment }: Pick<RunSummary, "name" | "experiment">): string {
  if (experiment === undefined) return name;
  const prefix = `${removeExperimentEnding(getFileName(experiment))}-`;
  return name.startsWith(prefix) && name.length > prefix.length ? name.slice(prefix.length) : name;
}
