/** Shows the progress of a run on standard error: a bar if lines can be redrawn, otherwise a line every few seconds. */
import { SingleBar } from "cli-progress";
import type { RunRecord } from "../protocol/run";
import { formatDuration, formatNumber, formatShortCount } from "../protocol/quantities";
import type { RunHistory } from "./runHistory";
import { toPlainLine, type Terminal } from "./terminal";

export interface ProgressView {
  show(record: RunRecord, history: RunHistory): void;
  /** A line that stays. */
  say(text: string): void;
  end(): void;
}

const plainInterval = 5000;
const barWidth = 24;

export function createProgressView(terminal: Terminal, interval = plainInterval): ProgressView {
  return terminal.interactive ? createBarView(terminal) : createPlainView(terminal, interval);
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

function describeProgress(record: RunRecord, history: RunHistory): string {
  const { progress, state } = record;
  const [train, evaluation] = [history.train.at(-1), history.evaluation.at(-1)];
  const speed = history.tokensPerSecond;
  const secondsLeft = state === "running" ? progress?.secondsLeft : undefined;
  return [
    ...(train === undefined ? [] : [`loss ${formatNumber(train.value)}`]),
    ...(evaluation === undefined ? [] : [`eval ${formatNumber(evaluation.value)}`]),
    ...(speed === undefined ? [] : [`${formatShortCount(speed)} tok/s`]),
    ...(secondsLeft === undefined ? [] : [`${formatDuration(secondsLeft)} left`]),
  ].join("  ");
}

function createPlainView(terminal: Terminal, interval: number): ProgressView {
  let lastShownAt = -Infinity;
  let lastShown = "";
  let latest = "";
  const print = () => {
    if (latest !== lastShown && latest !== "") terminal.log(latest);
    [lastShown, lastShownAt] = [latest, performance.now()];
  };
  return {
    show(record, history) {
      const { step, steps: total } = getPosition(record, history);
      const steps = total === 0 ? "" : `  ${step}/${total}`;
      latest = `${describeActivity(record)}${steps}  ${describeProgress(record, history)}`.trimEnd();
      if (performance.now() - lastShownAt >= interval) print();
    },
    say: (text) => terminal.log(text),
    end: print,
  };
}

interface BarPayload {
  readonly activity: string;
  readonly facts: string;
}

const clearLine = "\r\u001b[K";

function createBarView(terminal: Terminal): ProgressView {
  const { cyan, dim } = terminal.noticeColors;
  let isStarted = false;
  const bar = new SingleBar({
    stream: terminal.notices,
    hideCursor: true,
    fps: 5,
    // Resizing, and lines longer than the terminal, must not leave copies of the bar behind.
    linewrap: false,
    format: (_options, { progress, value, total }, payload: BarPayload) => {
      const filled = Math.round(Math.min(1, progress) * barWidth);
      const barText = cyan("█".repeat(filled)) + dim("░".repeat(barWidth - filled));
      return `${payload.activity} ${barText} ${value}/${total}  ${payload.facts}`;
    },
  });
  return {
    show(record, history) {
      const { step, steps } = getPosition(record, history);
      const payload: BarPayload = {
        activity: describeActivity(record),
        facts: describeProgress(record, history),
      };
      if (!isStarted) bar.start(Math.max(1, steps), step, payload);
      isStarted = true;
      bar.setTotal(Math.max(1, steps));
      bar.update(step, payload);
    },
    say(text) {
      if (isStarted) terminal.notices.write(clearLine);
      terminal.log(text);
    },
    end() {
      if (isStarted) bar.stop();
    },
  };
}
