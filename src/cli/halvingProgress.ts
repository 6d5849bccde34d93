/** How far a search by successive halving has come, and how long the rest will take, by steps of training. */
import { countSearchSteps } from "../backend/runs/halving/searchSteps";
import type { Candidate } from "../backend/runs/halving/decide";
import type { HalvingPlan, RunRecord } from "../protocol/run";
import { formatOverall, type OverallProgress } from "./sweepProgress";
import type { Terminal } from "./terminal";

interface Work {
  readonly steps: number;
  readonly seconds: number;
}

export class HalvingProgress implements OverallProgress {
  /** Runs that had begun before. */
  readonly begun: number;
  /** By candidate. */
  private readonly work = new Map<number, Work>();
  /** Candidates that have begun a rung, by rung. */
  private readonly counts = new Map<number, number>();
  private current = { candidate: 0, rung: 0 };

  constructor(
    private readonly plan: HalvingPlan,
    runs: readonly Candidate[],
  ) {
    this.begun = runs.length;
    for (const { record } of runs) {
      this.work.set(record.plan.halving!.candidate, toWork(record));
      for (const rung of (record.halving?.values ?? []).keys()) this.count(rung);
    }
  }

  begin(candidate: number, rung: number): void {
    this.count(rung);
    this.current = { candidate, rung };
  }

  finish(record: RunRecord): void {
    this.work.set(this.current.candidate, toWork(record));
  }

  /** `rung 2/4 3/9` */
  get position(): string {
    const { rung } = this.current;
    return `rung ${rung + 1}/${this.plan.rungs.length} ${this.counts.get(rung) ?? 0}/${this.plan.rungs[rung]!.runs}`;
  }

  formatLine(record: RunRecord, terminal: Pick<Terminal, "noticeColors" | "noticeWidth">): string {
    const { candidate, rung } = this.current;
    const { rungs } = this.plan;
    const all = [...new Map([...this.work, [candidate, toWork(record)]]).values()];
    const [steps, seconds] = [sum(all.map((each) => each.steps)), sum(all.map((each) => each.seconds))];
    const { planned } = countSearchSteps(rungs);
    const left = steps === 0 ? undefined : (seconds / steps) * Math.max(0, planned - steps);
    const start = `rung ${rung + 1} of ${rungs.length}, run ${this.counts.get(rung) ?? 0} of ${rungs[rung]!.runs}`;
    return formatOverall(start, Math.min(1, steps / planned), left, terminal);
  }

  private count(rung: number): void {
    this.counts.set(rung, (this.counts.get(rung) ?? 0) + 1);
  }
}

function toWork({ progress, seconds = 0 }: RunRecord): Work {
  return { steps: progress?.step ?? 0, seconds };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, each) => total + each, 0);
}
