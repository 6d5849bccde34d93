/** Runs in groups: by variant, by the seeds of one plan, by tag, by any setting that a sweep assigns. */
import { getFileName, removeExperimentEnding } from "../../src/protocol/fileName";
import { shortenName } from "../../src/protocol/runName";
import type { RunSummary } from "../../src/protocol/service/runs";

export interface RunGroup {
  readonly key: string;
  readonly name: string;
  /** In the order given. */
  readonly runs: readonly RunSummary[];
}

/** `variant`, `seeds`, `tag`, `experiment`, or `sweep:<setting>`. */
export type Grouping = string;

export function listGroupings(runs: Iterable<RunSummary>): (readonly [id: Grouping, title: string])[] {
  const settings = new Set<string>();
  for (const { sweep } of runs) for (const key in sweep) if (key !== "seed") settings.add(key);
  return [
    ["seeds", "Seeds"],
    ["variant", "Variant"],
    ["experiment", "Experiment"],
    ["tag", "Tags"],
    ...[...settings].sort().map((key) => [`sweep:${key}`, key] as const),
  ];
}

export function groupRuns(runs: readonly RunSummary[], grouping: Grouping): RunGroup[] {
  const groups = new Map<string, { readonly name: string; readonly runs: RunSummary[] }>();
  const hasSeveral = new Set(runs.map(({ experiment }) => experiment)).size > 1;
  for (const run of runs) {
    const name = getGroupName(run, grouping, hasSeveral);
    const key = `${grouping}\n${grouping === "seeds" ? getSeedsKey(run) : name}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { name, runs: [run] });
    else group.runs.push(run);
  }
  return [...groups].map(([key, group]) => ({ key, ...group }));
}

/** Runs with the same key differ in the seed alone. */
export function getSeedsKey({ experiment = "", variant, sweep, id }: RunSummary): string {
  // The id begins with the name that the plan gave; a person may have renamed the run.
  const plan = id.replace(/(-seed[\d.]+)?-\d{8}-\d{6}-\w+$/, "");
  const settings = Object.entries(sweep).filter(([key]) => key !== "seed");
  return JSON.stringify([experiment, variant, plan, settings]);
}

/** The run that lends a group its color and mark. */
export function findOldest(runs: readonly RunSummary[]): RunSummary {
  return runs.reduce((oldest, run) => (run.createdAt < oldest.createdAt ? run : oldest));
}

function getGroupName(run: RunSummary, grouping: Grouping, hasSeveral: boolean): string {
  const { experiment, variant, tags, sweep } = run;
  const title = experiment === undefined ? "" : removeExperimentEnding(getFileName(experiment));
  switch (grouping) {
    case "seeds": {
      const settings = Object.entries(sweep).filter(([key]) => key !== "seed");
      const values = settings.map(([key, value]) => `${key.split(".").at(-1)!} ${formatValue(value)}`);
      const parts = [...(hasSeveral ? [title] : []), ...(variant === "" ? [] : [variant]), ...values];
      return parts.filter((part) => part !== "").join(", ") || shortenName(run);
    }
    case "variant":
      return (
        [...(hasSeveral ? [title] : []), variant].filter((part) => part !== "").join(", ") || "no variant"
      );
    case "experiment":
      return title || "no experiment";
    case "tag":
      return tags.length === 0 ? "no tag" : tags.map((tag) => `#${tag}`).join(" ");
    default: {
      const key = grouping.slice("sweep:".length);
      const value = sweep[key];
      return value === undefined ? `no ${key}` : `${key.split(".").at(-1)!} ${formatValue(value)}`;
    }
  }
}

function formatValue(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : JSON.stringify(value);
}
