/** The state of each run of a cell: one line per run, with its actions. */
import { html, nothing, svg, type TemplateResult } from "lit";
import type { CellRun } from "../../src/protocol/cellOutput";
import type { PageCommand } from "../../src/protocol/page";
import type { RunSummary } from "../../src/protocol/service/runs";
import { reading } from "../kit/figures";
import { sample } from "../kit/sample";
import type { ChartTheme } from "../../src/pictures/theme";
import { count, duration, shortCount } from "../../src/protocol/quantities";
import { icons } from "../kit/icons";

export interface RunLinesGiven {
  readonly runs: readonly CellRun[];
  readonly names: ReadonlyMap<string, string>;
  readonly slots: ReadonlyMap<string, number>;
  readonly theme: ChartTheme;
  readonly trains: boolean;
  /** Undefined where nobody would hear it. */
  readonly onCommand: ((command: PageCommand, run: string) => void) | undefined;
}

interface Deed {
  readonly command: PageCommand;
  readonly label: string;
  readonly icon: TemplateResult;
}

const pauseIcon = html`<svg class="icon" width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
  ${svg`<path d="M4.5 3.5h2.4v9H4.5zM9.1 3.5h2.4v9H9.1z" fill="currentColor" />`}
</svg>`;
const stop: Deed = { command: "lathe.stopRun", label: "Stop", icon: icons.stop };
const pause: Deed = { command: "lathe.pauseRun", label: "Pause", icon: pauseIcon };
const goOn: Deed = { command: "lathe.continueRun", label: "Continue", icon: icons.resume };
const resume: Deed = { command: "lathe.resumeRun", label: "Resume", icon: icons.resume };

const deeds: Readonly<Record<RunSummary["state"], readonly Deed[]>> = {
  queued: [stop],
  running: [pause, stop],
  paused: [goOn, stop],
  stopped: [resume],
  failed: [resume],
  interrupted: [resume],
  done: [],
  unreadable: [],
};

export function runLines(given: RunLinesGiven): TemplateResult {
  const { runs, trains } = given;
  if (runs.length === 0) return html`<p class="note">No run has reached this cell yet.</p>`;
  return html`<table class="runs">
      <thead>
        <tr>
          <th scope="col">Run</th>
          <th scope="col">State</th>
          ${
            trains
              ? html`<th scope="col" class="number">Train loss</th>
                  <th scope="col" class="number">Eval loss</th>
                  <th scope="col" class="number">Best</th>
                  <th scope="col" class="number">Tokens/s</th>`
              : nothing
          }
          <th scope="col" class="wide">Progress</th>
          <th scope="col" class="number">Time</th>
          ${given.onCommand === undefined ? nothing : html`<th scope="col"><span class="unseen">Actions</span></th>`}
        </tr>
      </thead>
      <tbody>
        ${runs.map((run) => runLine(run, given))}
      </tbody>
    </table>
    ${remarks(runs.map(({ summary }) => summary))}`;
}

function runLine(
  { summary, stale }: CellRun,
  { names, slots, theme, trains, onCommand }: RunLinesGiven,
): TemplateResult {
  const { folder, state, metrics } = summary;
  const name = names.get(folder)!;
  const evaluated = metrics["eval/loss"];
  const trained = metrics["train/loss"];
  const speed = metrics["train/tokens_per_second"];
  const best = evaluated ?? trained;
  return html`<tr>
    <th scope="row" title=${summary.id}>
      <span class="run">${sample(slots.get(folder)!, 0, theme)}<span class="name">${name}</span></span>
    </th>
    <td>
      <span class="state ${state}">${state}</span
      >${stale ? html` <span class="stale">from an earlier version</span>` : nothing}
    </td>
    ${
      trains
        ? html`<td class="number">${trained === undefined ? "–" : reading(trained.last)}</td>
            <td class="number">${evaluated === undefined ? "–" : reading(evaluated.last)}</td>
            <td
              class="number"
              title=${evaluated === undefined ? "lowest training loss" : "lowest validation loss"}
            >
              ${best === undefined ? "–" : reading(best.min)}
            </td>
            <td class="number">${speed === undefined ? "–" : shortCount(speed.last)}</td>`
        : nothing
    }
    <td class="wide">${progress(summary, name)}</td>
    <td class="number">${time(summary)}</td>
    ${
      onCommand === undefined
        ? nothing
        : html`<td class="deeds">
            ${deeds[state].map(
              ({ command, label, icon }) =>
                html`<button
                  type="button"
                  class="deed"
                  title=${label}
                  aria-label="${label} ${name}"
                  @click=${() => onCommand(command, folder)}
                >
                  ${icon}
                </button>`,
            )}
          </td>`
    }
  </tr>`;
}

function progress({ state, progress: at, queuePosition }: RunSummary, name: string): TemplateResult | string {
  if (state === "queued")
    return queuePosition === undefined
      ? "waits"
      : `waits for ${queuePosition} other${queuePosition === 1 ? "" : "s"}`;
  if (at === undefined) return "";
  const share = at.steps === 0 ? 0 : Math.min(1, at.step / at.steps);
  const words = `${count(at.step)} of ${count(at.steps)}${at.action === "train" ? "" : `, ${at.action}`}`;
  return html`<span class="progress">
    <span
      class="track ${state}"
      role="progressbar"
      aria-label="Progress of ${name}"
      aria-valuemin="0"
      aria-valuemax="100"
      aria-valuenow=${Math.round(share * 100)}
      aria-valuetext=${words}
      ><span class="fill" style="width: ${(share * 100).toFixed(1)}%"></span
    ></span>
    <span class="words">${words}</span>
  </span>`;
}

function time({ state, progress: at, seconds }: RunSummary): string {
  if (state === "running" && at?.secondsLeft !== undefined) return `${duration(at.secondsLeft)} left`;
  return seconds === undefined ? "" : duration(seconds);
}

/** The errors of each run, then the notices; a notice of several runs is shown once. */
function remarks(runs: readonly RunSummary[]): TemplateResult[] {
  const noticed = new Map<string, string[]>();
  for (const { name, notices } of runs)
    for (const notice of notices) noticed.set(notice, [...(noticed.get(notice) ?? []), name]);
  const who = (names: readonly string[]) =>
    runs.length === 1 ? "" : names.length === 1 ? `${names[0]!}: ` : `${count(names.length)} runs: `;
  return [
    ...runs.flatMap(({ name, failure }) =>
      failure === undefined
        ? []
        : [html`<p class="note fault" role="alert">${who([name])}${failure.message}</p>`],
    ),
    ...[...noticed].map(
      ([notice, names]) => html`<p class="note" title=${names.join(", ")}>${who(names)}${notice}</p>`,
    ),
  ];
}
