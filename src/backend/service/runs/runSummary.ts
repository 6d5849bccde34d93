/** One row of a table of runs, from its record and a person's notes. Text of unbounded length is truncated. */
import { isAbsolute, join, relative, sep } from "node:path";
import type { FoundRun, RunNotes, RunRecord } from "../../../protocol/run";
import type { RunSummary } from "../../../protocol/service/runs";
import { findReferences } from "../../card/references";

const limits = { name: 200, message: 4000, notices: 20, metrics: 200 } as const;

/** `workspace` is the folder above `.lathe` as the window names it, so that paths match those of its editors. */
export function createRunSummary(run: FoundRun, notes: RunNotes, workspace: string): RunSummary {
  const { folder, id } = run;
  const personal = { tags: notes.tags ?? [], notes: notes.notes ?? "", star: notes.star ?? false };
  if (run.record === undefined) {
    const { code, message } = run.failure;
    return {
      folder,
      id,
      name: notes.name ?? id,
      variant: "",
      sweep: {},
      seed: 0,
      state: "unreadable",
      failure: { code, message: truncate(message, limits.message) },
      createdAt: "",
      metrics: {},
      notices: [],
      ...personal,
    };
  }
  const { record } = run;
  const { plan, state, createdAt, failure } = record;
  const experiment = resolveExperiment(plan.experiment, workspace);
  return {
    folder,
    id,
    name: notes.name ?? truncate(plan.name, limits.name),
    ...(experiment === undefined ? {} : { experiment }),
    variant: plan.variant,
    sweep: plan.sweep,
    seed: plan.seed,
    state,
    ...(failure === undefined
      ? {}
      : { failure: { ...failure, message: truncate(failure.message, limits.message) } }),
    ...(record.halving?.pruned === undefined ? {} : { pruned: record.halving.pruned }),
    createdAt,
    ...pickPresent(
      record,
      "startedAt",
      "endedAt",
      "seconds",
      "device",
      "progress",
      "queuePosition",
      "counts",
      "losses",
      "dataTitle",
    ),
    ...findReferences(plan),
    metrics: Object.fromEntries(Object.entries(record.summary).slice(0, limits.metrics)),
    notices: record.notices.slice(0, limits.notices).map((notice) => truncate(notice, limits.message)),
    ...personal,
  };
}

/** A plan names its file relative to the workspace; paths that leave the workspace are ignored. */
function resolveExperiment(file: string, workspace: string): string | undefined {
  if (file === "" || isAbsolute(file)) return undefined;
  const path = join(workspace, file);
  const way = relative(workspace, path);
  return way === ".." || way.startsWith(`..${sep}`) || isAbsolute(way) ? undefined : path;
}

function pickPresent<K extends keyof RunRecord>(
  record: RunRecord,
  ...keys: readonly K[]
): Pick<RunRecord, K> {
  return Object.fromEntries(
    keys.flatMap((key) => (record[key] === undefined ? [] : [[key, record[key]]])),
  ) as Pick<RunRecord, K>;
}

function truncate(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
