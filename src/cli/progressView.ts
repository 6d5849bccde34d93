/** Shows the progress of a run on standard error: live lines if they can be redrawn, otherwise a line every few seconds. */
import type { RunRecord } from "../protocol/run";
import { formatAligned, formatDuration, formatShortCount } from "../protocol/quantities";
import { drawBar } from "./progressBar";
import type { RunHistory } from "./runHistory";
import type { OverallProgress } from "./sweepProgress";
import { toPlainLine, type Terminal } from "./terminal";
import { getTextWidth, minNameWidth, shortenMiddle } from "./textWidth";

export interface ProgressView {
  show(record: RunRecord, history: RunHistory): void;
  end(): void;
}

export interface ShownRun {
  /** What distinguishes the run from the others of its command. */
  readonly label: string;
  /** Of a list of runs, whose overall progress is shown too. */
  readonly sweep?: OverallProgress | undefined;
}

const plainInterval = 5000;
const barWidth = 20;
export function createProgressView(
  terminal: Terminal,
  run: ShownRun,
  interval = plainInterval,
): ProgressView {
  return terminal.interactive ? createLiveView(terminal, run) : createPlainView(terminal, run, interval);
}

/** The current action, without its progress. */
function describeActivity({ state, progress, queuePosition }: RunRecord): string {
  if (state === "queued") {
    return queuePosition === undefined ? "starting" : `queued, ${queuePosition} ahead`;
  }
  if (state === "paused") return "paused";
  return toPlainLine(progress?.action ?? "preparing");
}

/** The history is a little ahead of the record, which is written now and then. */
function getPosition({ progress }: RunRecord, { train }: RunHistory): { step: number; steps: number } {
  if (progress === undefined) return { step: 0, steps: 0 };
  return {
    step: Math.min(progress.steps, Math.max(progress.step, train.at(-1)?.step ?? 0)),
    steps: progress.steps,
  };
}

/** The most important first: a narrow terminal has no room for the last ones. */
function listFacts(record: RunRecord, history: RunHistory): string[] {
  const { progress, state } = record;
  const [train, evaluation] = [history.train.at(-1), history.evaluation.at(-1)];
  const speed = history.tokensPerSecond;
  const secondsLeft = state === "running" ? progress?.secondsLeft : undefined;
  return [
    ...(evaluation === undefined ? [] : [`eval loss ${formatAligned(evaluation.value)}`]),
    ...(train === undefined ? [] : [`train loss ${formatAligned(train.value)}`]),
    ...(secondsLeft === undefined ? [] : [`${formatDuration(secondsLeft)} left`]),
    ...(speed === undefined ? [] : [`${formatShortCount(speed)} tok/s`]),
  ];
}

function createPlainView(terminal: Terminal, { label, sweep }: ShownRun, interval: number): ProgressView {
  // Following one run, the first line shows that it has begun; of many, each has a line when it has ended.
  let lastShownAt = sweep === undefined ? -Infinity : performance.now();
  let lastShown = "";
  return {
    show(record, history) {
      if (performance.now() - lastShownAt < interval) return;
      const { step, steps: total } = getPosition(record, history);
      const text = [
        sweep === undefined ? toPlainLine(label) : `${sweep.position} ${toPlainLine(label)}`,
        `${describeActivity(record)}${total === 0 ? "" : ` ${step}/${total}`}`,
        ...listFacts(record, history),
      ].join("  ");
      if (text !== lastShown) terminal.log(text);
      [lastShown, lastShownAt] = [text, performance.now()];
    },
    end: () => undefined,
  };
}

/** One line of at most `width` columns: the bar and the facts at the end give way before the name does. */
export function formatRunLine(
  label: string,
  record: RunRecord,
  history: RunHistory,
  { noticeColors: colors, noticeWidth }: Pick<Terminal, "noticeColors" | "noticeWidth">,
): string {
  const width = (Number.isFinite(noticeWidth) ? noticeWidth : 80) - 1;
  const { step, steps } = getPosition(record, history);
  const position = steps === 0 ? "" : `${step}/${steps}`;
  const activity = describeActivity(record);
  const facts = listFacts(record, history);
  const name = shortenMiddle(toPlainLine(label), Math.max(minNameWidth, Math.floor(width / 3)));
  const join = (size: number, count: number) =>
    [
      colors.bold(name),
      activity,
      ...(size === 0 || steps === 0 ? [] : [drawBar(step / steps, size, colors)]),
      ...(position === "" ? [] : [position]),
      ...facts.slice(0, count),
    ].join("  ");
  for (const size of [barWidth, barWidth / 2, 0])
    for (let count = facts.length; count >= Math.min(facts.length, size === 0 ? 0 : 2); count--) {
      const line = join(size, count);
      if (getTextWidth(line) <= width) return line;
    }
  return join(0, 0);
}

function createLiveView(terminal: Terminal, { label, sweep }: ShownRun): ProgressView {
  return {
    show(record, history) {
      const line = formatRunLine(label, record, history, terminal);
      const overall = sweep === undefined ? [] : [sweep.formatLine(record, terminal)];
      terminal.showLive([line, ...overall]);
    },
    end: () => terminal.showLive([]),
  };
}
