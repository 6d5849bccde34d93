/** The decisions of successive halving: which runs continue at each rung, and which are pruned. */
import { isActive, type HalvingPlan, type Pruning, type RunRecord } from "../../../protocol/run";

/** A candidate that has been started. */
export interface Candidate {
  readonly folder: string;
  readonly record: RunRecord;
}

export interface RankedRun {
  readonly candidate: number;
  /** Null: not finite, or the run failed. */
  readonly value: number | null;
}

/** The lowest loss first. Losses that are not finite come last; of equal ones, the candidate that is listed first. */
export function rankRuns<T extends RankedRun>(runs: readonly T[]): T[] {
  return [...runs].sort((a, b) => (a.value ?? Infinity) - (b.value ?? Infinity) || a.candidate - b.candidate);
}

/** What is to be done next. Equal run folders give equal decisions. */
export interface Decision {
  readonly prune: readonly { readonly run: Candidate; readonly pruned: Pruning }[];
  /** Runs that continue with this rung. */
  readonly promote: readonly { readonly run: Candidate; readonly rung: number }[];
  /** Candidates that have not been started. */
  readonly start: readonly number[];
  /** Runs that stopped, or were killed, before their rung. */
  readonly resume: readonly Candidate[];
  /** Runs that were promoted and have not been started since. */
  readonly proceed: readonly Candidate[];
  readonly active: readonly Candidate[];
  /** The rung that all of these are on. */
  readonly rung: number;
  readonly isFinished: boolean;
}

export function decide(plan: HalvingPlan, candidates: ReadonlyMap<number, Candidate>): Decision {
  const last = plan.rungs.length - 1;
  const rungOf = ({ record }: Candidate) => record.halving?.rung ?? 0;
  const highest = Math.max(0, ...[...candidates.values()].map(rungOf));
  const idle: Decision = {
    prune: [],
    promote: [],
    start: [],
    resume: [],
    proceed: [],
    active: [],
    rung: last,
    isFinished: false,
  };
  for (let rung = 0; rung <= last; rung++) {
    const members = [...candidates.values()].filter((each) => rungOf(each) >= rung);
    const isClosed = highest > rung;
    const missing = rung > 0 || isClosed ? [] : listMissing(plan, candidates);
    const pending = members.filter((each) => rungOf(each) === rung && !hasArrived(each, rung));
    if (missing.length > 0 || pending.length > 0) {
      const isHeld = ({ record }: Candidate) => record.state === "held";
      return {
        ...idle,
        rung,
        start: missing,
        active: pending.filter(({ record }) => isActive(record)),
        proceed: pending.filter(isHeld),
        resume: pending.filter((each) => !isActive(each.record) && !isHeld(each)),
      };
    }
    if (rung === last) break;
    const waiting = members.filter((each) => rungOf(each) === rung && each.record.state === "held");
    if (waiting.length > 0) return { ...idle, rung, ...chooseBest(plan, rung, members, waiting) };
  }
  return { ...idle, isFinished: true };
}

function listMissing({ candidates: count }: HalvingPlan, started: ReadonlyMap<number, Candidate>): number[] {
  return Array.from({ length: count }, (_, candidate) => candidate).filter((each) => !started.has(each));
}

/** Whether the run needs nothing more for its rung. A run that was killed may have a loss, but no checkpoint. */
function hasArrived({ record: { state, halving } }: Candidate, rung: number): boolean {
  if (state === "held") return (halving?.values.length ?? 0) > rung;
  return state === "done" || state === "failed" || state === "pruned";
}

function chooseBest(
  plan: HalvingPlan,
  rung: number,
  members: readonly Candidate[],
  waiting: readonly Candidate[],
): Pick<Decision, "prune" | "promote"> {
  const ranked = rankRuns(
    members.map((run) => ({
      run,
      candidate: run.record.plan.halving!.candidate,
      value: getRungValue(plan, run.record, rung),
    })),
  );
  const able = ranked.filter(({ run }) => run.record.state !== "failed");
  const best = able.slice(0, plan.rungs[rung + 1]!.runs);
  const needed = best.at(-1)?.value ?? null;
  const isBest = (run: Candidate) => best.some((each) => each.run === run);
  return {
    promote: waiting.filter(isBest).map((run) => ({ run, rung: rung + 1 })),
    prune: waiting
      .filter((run) => !isBest(run))
      .map((run) => ({
        run,
        pruned: {
          step: plan.rungs[rung]!.steps,
          steps: plan.rungs.at(-1)!.steps,
          metric: plan.metric,
          value: getRungValue(plan, run.record, rung),
          needed,
        },
      })),
  };
}

/** A run whose training ended by itself before the rung counts with its last loss, a failed one with none. */
export function getRungValue(
  { metric }: Pick<HalvingPlan, "metric">,
  { state, halving, summary }: RunRecord,
  rung: number,
): number | null {
  const value = halving?.values[rung];
  if (value !== undefined) return value;
  return state === "done" ? (summary[metric]?.last ?? null) : null;
}
