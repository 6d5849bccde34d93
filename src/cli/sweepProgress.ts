/** How far a list of runs has come, and how long all of them will take. */
import { basename } from "node:path";
import { removeExperimentEnding } from "../protocol/fileName";
import { formatDuration, formatProgress } from "../protocol/quantities";
import type { RunPlan, RunRecord } from "../protocol/run";
import { drawBar } from "./progressBar";
import type { Terminal } from "./terminal";

const barWidth = 24;

/** The part of `SweepProgress` that is shown; a search by halving counts by steps instead of by runs. */
export type OverallProgress = Pick<SweepProgress, "position" | "formatLine">;

export class SweepProgress {
  private readonly seconds: number[] = [];

  constructor(private readonly count: number) {}

  /** The number of the current run and of all, `7/30`. */
  get position(): string {
    return `${Math.min(this.count, this.seconds.length + 1)}/${this.count}`;
  }

  finish({ seconds = 0 }: Pick<RunRecord, "seconds">): void {
    this.seconds.push(seconds);
  }

  /** Seconds until the last run ends, if every run takes as long as the finished ones, or as the current one will. */
  estimateSecondsLeft({ state, seconds = 0, progress }: RunRecord): number | undefined {
    const left = state === "running" ? progress?.secondsLeft : undefined;
    const mean =
      this.seconds.length === 0
        ? undefined
        : this.seconds.reduce((sum, each) => sum + each, 0) / this.seconds.length;
    const each = mean ?? (left === undefined ? undefined : seconds + left);
    if (each === undefined) return undefined;
    const waiting = Math.max(0, this.count - this.seconds.length - 1);
    return (left ?? Math.max(0, each - seconds)) + waiting * each;
  }

  /** One line of fewer than `noticeWidth` columns, if that is possible. */
  formatLine(
    record: RunRecord,
    { noticeColors, noticeWidth }: Pick<Terminal, "noticeColors" | "noticeWidth">,
  ): string {
    const { step = 0, steps = 0 } = record.progress ?? {};
    const share = (this.seconds.length + (steps === 0 ? 0 : Math.min(1, step / steps))) / this.count;
    const start = `run ${this.position.replace("/", " of ")}`;
    return formatOverall(start, share, this.estimateSecondsLeft(record), { noticeColors, noticeWidth });
  }
}

/** `run 7 of 30  ━━━━━━  23 %  2 min left for all` */
export function formatOverall(
  start: string,
  share: number,
  secondsLeft: number | undefined,
  { noticeColors, noticeWidth }: Pick<Terminal, "noticeColors" | "noticeWidth">,
): string {
  const left = secondsLeft === undefined ? "" : `  ${formatDuration(secondsLeft)} left for all`;
  const end = `${formatProgress(share)}${left}`;
  const size = Math.min(barWidth, noticeWidth - start.length - end.length - 5);
  return `${start}  ${size < 4 ? "" : `${drawBar(share, size, noticeColors)}  `}${end}`;
}

/** Names of an experiment's runs without the experiment's own, which all of them begin with. */
export function labelRuns(plans: readonly Pick<RunPlan, "name" | "experiment" | "variant">[]): string[] {
  const names = plans.map(({ name }) => name);
  const [first] = names;
  if (names.length < 2 || first === undefined) return names;
  const stem = removeExperimentEnding(basename(plans[0]!.experiment));
  const prefixes = [`${stem}-`, findCommonStart(names, plans[0]!.variant)];
  const prefix = prefixes.find((each) => each !== "" && names.every((name) => isBeginning(each, name)));
  return prefix === undefined ? names : names.map((name) => name.slice(prefix.length));
}

const isBeginning = (prefix: string, name: string) => name.startsWith(prefix) && name.length > prefix.length;

/** What comes before the first run's variant, where the experiment has a name of its own. */
function findCommonStart([first]: readonly string[], variant: string): string {
  const end = variant === "" ? -1 : first!.indexOf(`-${variant}`);
  return end === -1 ? "" : first!.slice(0, end + 1);
}
