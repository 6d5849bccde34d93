/** The state of each run of a cell: one line per run, with its actions. */
import { html, nothing, svg, type TemplateResult } from "lit";
import { listCardLoads } from "../../src/protocol/cardLoads";
import type { CellRun } from "../../src/protocol/cellOutput";
import type { PageCommand } from "../../src/protocol/page";
import type { ProtocolMarks } from "../../src/protocol/protocolMarks";
import { describePruning } from "../../src/protocol/pruning";
import type { RunSummary } from "../../src/protocol/service/runs";
import { formatReading } from "../kit/figures";
import { renderLongName } from "../kit/longName";
import { renderProtocolMark } from "../kit/protocolMark";
import { renderSample } from "../kit/sample";
import type { ChartTheme } from "../../src/pictures/theme";
import { formatCount, formatDuration, formatShortCount } from "../../src/protocol/quantities";
import { icons } from "../kit/icons";

export interface RunLinesOptions {
  readonly runs: readonly CellRun[];
  readonly names: ReadonlyMap<string, string>;
  readonly slots: ReadonlyMap<string, number>;
  readonly theme: ChartTheme;
  readonly trains: boolean;
  /** On losses that may not all be compared. */
  readonly marks: ProtocolMarks;
  /** Undefined where nobody would hear it. */
  readonly onCommand: ((command: PageCommand, run: string) => void) | undefined;
}

interface RunAction {
  readonly command: PageCommand;
  readonly label: string;
  readonly icon: TemplateResult;
}

const pauseIcon = html`<svg class="icon" width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
  ${svg`<path d="M4.5 3.5h2.4v9H4.5zM9.1 3.5h2.4v9H9.1z" fill="currentColor" />`}
</svg>`;
const stopAction: RunAction = { command: "lathe.stopRun", label: "Stop", icon: icons.stop };
const pauseAction: RunAction = { command: "lathe.pauseRun", label: "Pause", icon: pauseIcon };
const continueAction: RunAction = { command: "lathe.continueRun", label: "Continue", icon: icons.resume };
const resumeAction: RunAction = { command: "lathe.resumeRun", label: "Resume", icon: icons.resume };

const actionsByState: Readonly<Record<RunSummary["state"], readonly RunAction[]>> = {
  queued: [stopAction],
  running: [pauseAction, stopAction],
  paused: [continueAction, stopAction],
  stopped: [resumeAction],
  failed: [resumeAction],
  interrupted: [resumeAction],
  held: [],
  pruned: [],
  done: [],
  unreadable: [],
};

export function renderRunLines(options: RunLinesOptions): TemplateResult {
  const { runs, trains } = options;
  if (runs.length === 0) return html`<p class="note">No run has reached this cell yet.</p>`;
  const hasEval = runs.some(({ summary }) => summary.metrics["eval/loss"] !== undefined);
  const bestTitle = hasEval ? "Lowest eval loss" : "Lowest train loss";
  return html`<table class="runs">
      <thead>
        <tr>
          <th scope="col">Run</th>
          <th scope="col">State</th>
          ${
            trains
              ? html`<th scope="col" class="number">Eval loss</th>
                  <th scope="col" class="number">${bestTitle}</th>
                  <th scope="col" class="number">Train loss</th>
                  <th scope="col" class="number">Tokens/s</th>`
              : nothing
          }
          <th scope="col" class="wide">Progress</th>
          <th scope="col" class="number">Time</th>
          ${options.onCommand === undefined ? nothing : html`<th scope="col"><span class="unseen">Actions</span></th>`}
        </tr>
      </thead>
      <tbody>
        ${runs.map((run) => renderRunLine(run, options))}
      </tbody>
    </table>
    ${renderCardLoads(runs.map(({ summary }) => summary))}
    ${renderRemarks(runs.map(({ summary }) => summary))}`;
}

function renderRunLine(
  { summary, stale }: CellRun,
  { names, slots, theme, trains, marks, onCommand }: RunLinesOptions,
): TemplateResult {
  const { folder, state, metrics } = summary;
  const name = names.get(folder)!;
  const evalLoss = metrics["eval/loss"];
  const trainLoss = metrics["train/loss"];
  const speed = metrics["train/tokens_per_second"];
  const mainLoss = evalLoss ?? trainLoss;
  const mark = marks.has("eval/loss") ? renderProtocolMark(marks.get(summary, "eval/loss")) : nothing;
  return html`<tr>
    <th scope="row" title=${summary.id}>
      <span class="run">${renderSample(slots.get(folder)!, 0, theme)}${renderLongName(name)}</span>
    </th>
    <td>
      <span class="state ${state}">${state}</span
      >${stale ? html` <span class="stale">from an earlier version</span>` : nothing}
    </td>
    ${
      trains
        ? html`<td class="number">${evalLoss === undefined ? "–" : formatReading(evalLoss.last)}${mark}</td>
            <td class="number" title=${evalLoss === undefined ? "lowest train loss" : "lowest eval loss"}>
              ${mainLoss === undefined ? "–" : formatReading(mainLoss.min)}${mark}
            </td>
            <td class="number">${trainLoss === undefined ? "–" : formatReading(trainLoss.last)}</td>
            <td class="number">${speed === undefined ? "–" : formatShortCount(speed.last)}</td>`
        : nothing
    }
    <td class="wide">${renderProgress(summary, name)}</td>
    <td class="number">${formatTime(summary)}</td>
    ${
      onCommand === undefined
        ? nothing
        : html`<td class="deeds">
            ${actionsByState[state].map(
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

function renderProgress(
  { state, progress: current, queuePosition, pruned }: RunSummary,
  name: string,
): TemplateResult | string {
  if (state === "queued")
    return queuePosition === undefined
      ? "waits"
      : `waits for ${queuePosition} other${queuePosition === 1 ? "" : "s"}`;
  if (current === undefined) return "";
  if (pruned !== undefined)
    return html`<span class="words" title=${describePruning(pruned)}
      >${formatCount(pruned.step)} of
      ${formatCount(pruned.steps)}${
        pruned.needed === null ? nothing : `, rung needed ≤ ${formatReading(pruned.needed)}`
      }</span
    >`;
  const share = current.steps === 0 ? 0 : Math.min(1, current.step / current.steps);
  const description = `${formatCount(current.step)} of ${formatCount(current.steps)}${current.action === "train" ? "" : `, ${current.action}`}`;
  return html`<span class="progress">
    <span
      class="track ${state}"
      role="progressbar"
      aria-label="Progress of ${name}"
      aria-valuemin="0"
      aria-valuemax="100"
      aria-valuenow=${Math.round(share * 100)}
      aria-valuetext=${description}
      ><span class="fill" style="width: ${(share * 100).toFixed(1)}%"></span
    ></span>
    <span class="words">${description}</span>
  </span>`;
}

function formatTime({ state, progress: current, seconds }: RunSummary): string {
  if (state === "running" && current?.secondsLeft !== undefined)
    return `${formatDuration(current.secondsLeft)} left`;
  return seconds === undefined ? "" : formatDuration(seconds);
}

/** What the graphics cards of running runs do; several runs on one card show it once. */
function renderCardLoads(runs: readonly RunSummary[]): TemplateResult | typeof nothing {
  const loads = new Map(runs.flatMap(listCardLoads).map(({ card, text }) => [card, text]));
  if (loads.size === 0) return nothing;
  const cards = [...loads].map(([card, text]) => `Card ${card}: ${text}`);
  return html`<p class="note cards">${cards.join(" · ")}</p>`;
}

/** The errors of each run, then the notices, folded into one line; a notice of several runs is shown once. */
function renderRemarks(runs: readonly RunSummary[]): TemplateResult[] {
  const namesByNotice = new Map<string, string[]>();
  for (const { name, notices } of runs)
    for (const notice of notices) namesByNotice.set(notice, [...(namesByNotice.get(notice) ?? []), name]);
  const formatNames = (names: readonly string[]) =>
    runs.length === 1 ? "" : names.length === 1 ? `${names[0]!}: ` : `${formatCount(names.length)} runs: `;
  return [
    ...runs.flatMap(({ name, failure }) =>
      failure === undefined
        ? []
        : [html`<p class="note fault" role="alert">${formatNames([name])}${failure.message}</p>`],
    ),
    ...renderNotices(
      [...namesByNotice].map(([notice, names]) => ({
        text: `${formatNames(names)}${notice}`,
        runs: names.join(", "),
      })),
    ),
  ];
}

interface Notice {
  readonly text: string;
  /** The names of the runs that have it. */
  readonly runs: string;
}

function renderNotices(notices: readonly Notice[]): TemplateResult[] {
  const [first] = notices;
  if (first === undefined) return [];
  const count = notices.length === 1 ? "1 notice" : `${formatCount(notices.length)} notices`;
  return [
    html`<details class="notices">
      <summary>${count}<span class="first">: ${first.text}</span></summary>
      ${notices.map(({ text, runs }) => html`<p class="note" title=${runs}>${text}</p>`)}
    </details>`,
  ];
}
