/**
 * The runs that can be shown in charts: the newest, and those that are shown; a filter away from all. Runs that differ in
 * the seed alone are one entry, which opens.
 */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import type { ProtocolMarks } from "../../src/protocol/protocolMarks";
import { describePruning } from "../../src/protocol/pruning";
import type { RunSummary } from "../../src/protocol/service/runs";
import { formatCount, formatNumber, formatDateTime, pluralize } from "../../src/protocol/quantities";
import { icons } from "../kit/icons";
import { renderLongName } from "../kit/longName";
import { groupRuns, type RunGroup } from "../kit/runGroups";
import { renderProtocolMark } from "../kit/protocolMark";
import { renderSample } from "../kit/sample";
import { renderTick } from "../kit/tick";
import type { ChartTheme } from "../../src/pictures/theme";

/** The newest entries; a longer list is for the filter. */
const maxEntries = 200;

export interface RunListOptions {
  readonly runs: readonly RunSummary[];
  readonly names: ReadonlyMap<string, string>;
  readonly chosen: ReadonlySet<string>;
  /** Colors and marks of the chosen runs, as far as they are known. */
  readonly slots: ReadonlyMap<string, number>;
  readonly opened: ReadonlySet<string>;
  readonly baseline: string | undefined;
  readonly marks: ProtocolMarks;
  readonly theme: ChartTheme;
  readonly onTick: (runs: readonly string[], isTicked: boolean) => void;
  readonly onOpen: (key: string, isOpen: boolean) => void;
  readonly onBaseline: (run: string | undefined) => void;
}

/** In the order given, whatever is ticked: no entry moves under the pointer. */
export function renderRunList(options: RunListOptions): TemplateResult {
  const { runs, chosen } = options;
  const shown = runs.filter(({ folder }, i) => i < maxEntries || chosen.has(folder));
  const hiddenCount = runs.length - shown.length;
  return html`<ul class="choices" aria-label="Runs">
    ${repeat(
      groupRuns(shown, "seeds"),
      ({ key }) => key,
      (group) =>
        group.runs.length === 1
          ? renderRun(group.runs[0]!, options.names.get(group.runs[0]!.folder)!, options)
          : renderGroup(group, options),
    )}
    ${runs.length === 0 ? html`<li class="muted">No run matches the filter.</li>` : nothing}
    ${hiddenCount > 0 ? html`<li class="muted">and ${formatCount(hiddenCount)} older runs; filter to find them</li>` : nothing}
  </ul>`;
}

function renderGroup({ key, name, runs }: RunGroup, options: RunListOptions): TemplateResult {
  const { chosen, opened } = options;
  const folders = runs.map(({ folder }) => folder);
  const ticked = folders.filter((folder) => chosen.has(folder)).length;
  const isOpen = opened.has(key);
  return html`<li>
    <div class="entry-row">
      <button
        type="button"
        class="plain fold"
        aria-expanded=${String(isOpen)}
        aria-label="Runs of ${name}"
        @click=${() => options.onOpen(key, !isOpen)}
      >
        ${isOpen ? icons.down : icons.right}
      </button>
      <label title=${`${name}: ${pluralize(runs.length, "run")}`}>
        ${renderTick(ticked === runs.length, (isTicked) => options.onTick(folders, isTicked), {
          isPartial: ticked > 0 && ticked < runs.length,
        })}
        ${renderLongName(name)}
        <span class="state"
          >${ticked > 0 && ticked < runs.length ? `${ticked} of ` : ""}${pluralize(runs.length, "run")}</span
        >
      </label>
    </div>
    ${
      isOpen
        ? html`<ul class="choices nested" aria-label=${name}>
            ${repeat(
              runs,
              ({ folder }) => folder,
              (run) => renderRun(run, getSeedName(run, runs), options),
            )}
          </ul>`
        : nothing
    }
  </li>`;
}

function getSeedName(run: RunSummary, runs: readonly RunSummary[]): string {
  const isOwn = runs.filter(({ seed }) => seed === run.seed).length === 1;
  return `seed ${run.seed}${isOwn ? "" : `, ${formatDateTime(run.createdAt)}`}`;
}

function renderRun(run: RunSummary, name: string, options: RunListOptions): TemplateResult {
  const { chosen, slots, theme, baseline, marks, onTick, onBaseline } = options;
  const { folder, id, state, createdAt, metrics, pruned } = run;
  const slot = slots.get(folder);
  const source = metrics["eval/loss"] === undefined ? "train" : "eval";
  const loss = metrics[`${source}/loss`]?.last;
  const mark = chosen.has(folder) ? marks.get(run, `${source}/loss`) : undefined;
  const isBaseline = folder === baseline;
  return html`<li>
    <div class="entry-row">
      <label
        title=${`${id}\n${pruned === undefined ? state : describePruning(pruned)}, ${formatDateTime(createdAt)}`}
      >
        ${renderTick(chosen.has(folder), (isTicked) => onTick([folder], isTicked))}
        ${slot === undefined ? html`<span class="no-sample"></span>` : renderSample(slot, 0, theme)}
        ${renderLongName(name)}
        ${state === "done" ? nothing : html`<span class="state ${state}">${state}</span>`}
        <span class="loss" title=${`last ${source} loss`}
          >${loss === undefined ? nothing : html`<small>${source}</small> ${formatNumber(loss, 3)}`}${mark === undefined ? nothing : renderProtocolMark(mark)}</span
        >
      </label>
      <button
        type="button"
        class="plain pin"
        aria-pressed=${String(isBaseline)}
        aria-label="Baseline: ${name}"
        title=${isBaseline ? "Clear the baseline" : "Compare the others with this run"}
        @click=${() => onBaseline(isBaseline ? undefined : folder)}
      >
        ${icons.pin}
      </button>
    </div>
  </li>`;
}
