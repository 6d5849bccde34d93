/** Shows the progress of a run on standard error: a bar if lines can be redrawn, otherwise a line every few seconds. */
import { SingleBar } from "cli-progress";
import type { RunRecord } from "../protocol/run";
import { duration, figure, shortCount } from "../protocol/quantities";
import type { RunHistory } from "./runHistory";
import { plainLine, type Terminal } from "./terminal";

export interface ProgressView {
  show(record: RunRecord, history: RunHistory): void;
  /** A line that stays. */
  say(text: string): void;
  end(): void;
}

const plainMilliseconds = 5000;
const barWidth = 24;

export function progressView(terminal: Terminal, plainEvery = plainMilliseconds): ProgressView {
  return terminal.interactive ? barView(terminal) : plainView(terminal, plainEvery);
}

/** The current action, without its progress. */
function activity({ state, progress, queuePosition }: RunRecord): string {
  if (state === "queued") {
    return queuePosition === undefined ? "starting" : `queued, ${queuePosition} ahead`;
  }
  if (state === "paused") return "paused";
  return plainLine(progress?.action ?? "preparing");
}

/** The history is a little ahead of the record, which is written now and then. */
function positionOf({ progress }: RunRecord, { train }: RunHistory): { step: number; steps: number } {
  if (progress === undefined) return { step: 0, steps: 0 };
  return {
    step: Math.min(progress.steps, Math.max(progress.step, train.at(-1)?.step ?? 0)),
    steps: progress.steps,
  };
}

function facts(record: RunRecord, history: RunHistory): string {
  const { progress, state } = record;
  const [train, evaluation] = [history.train.at(-1), history.evaluation.at(-1)];
  const speed = history.tokensPerSecond;
  const left = state === "running" ? progress?.secondsLeft : undefined;
  return [
    ...(train === undefined ? [] : [`loss ${figure(train.value)}`]),
    ...(evaluation === undefined ? [] : [`eval ${figure(evaluation.value)}`]),
    ...(speed === undefined ? [] : [`${shortCount(speed)} tok/s`]),
    ...(left === undefined ? [] : [`${duration(left)} left`]),
  ].join("  ");
}

function plainView(terminal: Terminal, every: number): ProgressView {
  let shownAt = -Infinity;
  let shown = "";
  let latest = "";
  const print = () => {
    if (latest !== shown && latest !== "") terminal.say(latest);
    [shown, shownAt] = [latest, performance.now()];
  };
  return {
    show(record, history) {
      const { step, steps: all } = positionOf(record, history);
      const steps = all === 0 ? "" : `  ${step}/${all}`;
      latest = `${activity(record)}${steps}  ${facts(record, history)}`.trimEnd();
      if (performance.now() - shownAt >= every) print();
    },
    say: (text) => terminal.say(text),
    end: print,
  };
}

interface BarPayload {
  readonly activity: string;
  readonly facts: string;
}

const clearLine = "\r\u001b[K";

function barView(terminal: Terminal): ProgressView {
  const { cyan, dim } = terminal.noticeColors;
  let started = false;
  const bar = new SingleBar({
    stream: terminal.notices,
    hideCursor: true,
    fps: 5,
    // Resizing, and lines longer than the terminal, must not leave copies of the bar behind.
    linewrap: false,
    format: (_options, { progress, value, total }, payload: BarPayload) => {
      const filled = Math.round(Math.min(1, progress) * barWidth);
      const drawn = cyan("█".repeat(filled)) + dim("░".repeat(barWidth - filled));
      return `${payload.activity} ${drawn} ${value}/${total}  ${payload.facts}`;
    },
  });
  return {
    show(record, history) {
      const { step, steps } = positionOf(record, history);
      const payload: BarPayload = { activity: activity(record), facts: facts(record, history) };
      if (!started) bar.start(Math.max(1, steps), step, payload);
      started = true;
      bar.setTotal(Math.max(1, steps));
      bar.update(step, payload);
    },
    say(text) {
      if (started) terminal.notices.write(clearLine);
      terminal.say(text);
    },
    end() {
      if (started) bar.stop();
    },
  };
}
