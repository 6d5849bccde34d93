/** Follows a search by successive halving on the terminal, rung by rung, until it is finished or stopped. */
import { join } from "node:path";
import { readMetrics } from "../backend/runs/metrics/metricsReader";
import { resumeRun, startRun, type StartedRun, type StartOptions } from "../backend/runs/process/startRun";
import { type Bracket, decideBracket, listBracketRuns, openBracket } from "../backend/runs/halving/bracket";
import { type Candidate, type Decision, getRungValue } from "../backend/runs/halving/decide";
import { countSearchSteps } from "../backend/runs/halving/searchSteps";
import { nameMetric } from "../protocol/pruning";
import { formatAligned, formatCount, formatNumber, pluralize } from "../protocol/quantities";
import { isActive, type HalvingPlan, type RunPlan, type RunRecord } from "../protocol/run";
import { attachRun, startAndAttach, type AttachResult } from "./attachRun";
import { RunHistory } from "./runHistory";
import { reportEnd } from "./runOutcome";
import { HalvingProgress } from "./halvingProgress";
import { labelRuns } from "./sweepProgress";
import { toPlainLine, type Terminal } from "./terminal";

export interface HalvingResult {
  readonly runs: readonly AttachResult[];
  /** Undefined where it did not end. */
  readonly text: string;
  readonly document: object;
  readonly isFinished: boolean;
}

export interface HalvingOptions extends StartOptions {
  readonly runsFolder: string;
  readonly fresh?: boolean | undefined;
}

export async function followHalving(
  plans: readonly RunPlan[],
  options: HalvingOptions,
  terminal: Terminal,
): Promise<HalvingResult> {
  const { fresh, runsFolder, ...launch } = options;
  const bracket = await openBracket(plans, runsFolder, { fresh });
  const progress = new HalvingProgress(bracket.plan, await listBracketRuns(bracket));
  terminal.log(toPlainLine(`${describeRungs(bracket.plan)} in ${runsFolder}`));
  if (progress.begun > 0)
    terminal.log(
      toPlainLine(`Continuing the search that has begun, with ${pluralize(progress.begun, "run")}.`),
    );
  const labels = labelRuns(bracket.plans);
  const attempted = new Set<string>();
  let decision: Decision;
  let isStopped = false;
  for (;;) {
    decision = await decideBracket(bracket, (made) => terminal.log(describeDecision(bracket.plan, made)));
    const next = chooseNext(bracket, decision, attempted);
    if (next === undefined) break;
    const { candidate, start } = next;
    attempted.add(`${candidate} ${decision.rung}`);
    progress.begin(candidate, decision.rung);
    const shown = { label: labels[candidate]!, sweep: progress };
    const run =
      typeof start === "string"
        ? await attachRun(start, bracket.plans[candidate]!.name, terminal, shown)
        : await startAndAttach(() => start(launch), terminal, shown);
    reportEnd(run, terminal, shown);
    progress.finish(run.record);
    if (!run.detached && run.record.state !== "stopped") continue;
    isStopped = true;
    break;
  }
  const runs = await Promise.all((await listBracketRuns(bracket)).map(readResult));
  if (!decision.isFinished || isStopped)
    terminal.log("The search has not ended. Run the experiment again to continue it.");
  return {
    runs,
    ...summarizeSearch(
      bracket.plan,
      runs.map(({ record }) => record),
    ),
    isFinished: decision.isFinished && !isStopped,
  };
}

interface Next {
  readonly candidate: number;
  /** How its process is started, or the folder of a run that is active already. */
  readonly start: string | ((options: StartOptions) => Promise<StartedRun>);
}

/** In the order of the plan. A run that ended before its rung in this command is not tried again. */
function chooseNext(
  { plans, runsFolder }: Bracket,
  { start, resume, proceed, active, rung }: Decision,
  attempted: ReadonlySet<string>,
): Next | undefined {
  const position = ({ record }: Candidate) => record.plan.halving!.candidate;
  const list: Next[] = [
    ...active.map((run) => ({ candidate: position(run), start: run.folder })),
    ...[...proceed, ...resume].map((run) => ({
      candidate: position(run),
      start: (options: StartOptions) => resumeRun(run.folder, options),
    })),
    ...start.map((candidate) => ({
      candidate,
      start: (options: StartOptions) => startRun(plans[candidate]!, { ...options, runsFolder }),
    })),
  ];
  return list
    .filter(({ candidate }) => !attempted.has(`${candidate} ${rung}`))
    .sort((a, b) => a.candidate - b.candidate)[0];
}

async function readResult({ folder, record }: Candidate): Promise<AttachResult> {
  const history = new RunHistory();
  history.add((await readMetrics(join(folder, "metrics.jsonl"))).lines);
  return { folder, record, history, detached: isActive(record) };
}

/** `Successive halving: 27 runs to step 30, 9 to 90, 3 to 270, 1 to 810` */
export function describeRungs({ rungs }: Pick<HalvingPlan, "rungs">): string {
  const parts = rungs.map(({ runs, steps }, rung) =>
    rung === 0 ? `${pluralize(runs, "run")} to step ${steps}` : `${runs} to ${steps}`,
  );
  const { planned, full } = countSearchSteps(rungs);
  return `Successive halving: ${parts.join(", ")}; ${formatShare(planned, full)}`;
}

/** `2,430 of the 21,870 steps of all runs in full (11 %)` */
function formatShare(steps: number, full: number): string {
  return `${formatCount(steps)} of the ${formatCount(full)} steps of all runs in full (${((100 * steps) / full).toFixed(0)} %)`;
}

function describeDecision({ metric, rungs }: HalvingPlan, { rung, promote, prune }: Decision): string {
  const name = nameMetric(metric);
  const values = promote.map(({ run }) => run.record.halving?.values[rung] ?? null);
  const limit = Math.max(...values.map((value) => value ?? Infinity));
  const condition = Number.isFinite(limit) ? ` with ${name} ≤ ${formatNumber(limit)}` : "";
  return `Rung ${rung + 1} of ${rungs.length}, step ${rungs[rung]!.steps}: ${pluralize(promote.length, "run")} of ${promote.length + prune.length} continue${promote.length === 1 ? "s" : ""}${condition}, ${prune.length} pruned.`;
}

/** What came of a search, and what it took. */
export function summarizeSearch(
  { metric, rungs }: HalvingPlan,
  records: readonly RunRecord[],
): { readonly text: string; readonly document: object } {
  const count = (state: RunRecord["state"]) => records.filter((record) => record.state === state).length;
  const steps = records.reduce((sum, { progress }) => sum + (progress?.step ?? 0), 0);
  const { full } = countSearchSteps(rungs);
  const best = records
    .filter(({ state, summary }) => state === "done" && Number.isFinite(summary[metric]?.last))
    .sort((a, b) => a.summary[metric]!.last - b.summary[metric]!.last)[0];
  const counts = (["done", "pruned", "failed", "stopped", "interrupted"] as const).flatMap((state) =>
    count(state) === 0 ? [] : [`${count(state)} ${state}`],
  );
  const name = nameMetric(metric);
  const winner =
    best === undefined
      ? ""
      : `\nBest: ${toPlainLine(best.name)}, ${name} ${formatAligned(best.summary[metric]!.last)}.`;
  return {
    text: `Successive halving: ${pluralize(records.length, "run")}, ${counts.join(", ")}; ${formatShare(steps, full)}.${winner}`,
    document: {
      metric,
      rungs: rungs.map(({ runs, steps: to }, rung) => ({
        runs,
        steps: to,
        values: Object.fromEntries(
          records
            .filter(({ halving }) => (halving?.rung ?? 0) >= rung)
            .map((record) => [record.id, getRungValue({ metric }, record, rung)]),
        ),
      })),
      steps: { spent: steps, full },
      ...(best === undefined ? {} : { best: best.id }),
    },
  };
}
