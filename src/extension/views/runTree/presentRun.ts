/** A run as a row of the tree. */
import type { RunSummary } from "../../../protocol/service/runs";
import { describePruning } from "../../../protocol/pruning";
import { isActive, isResumable } from "../../../protocol/run";
import type { NodePresentation } from "../nodePresentation";
import { formatDuration, formatProgress } from "../../../protocol/quantities";
import type { ProtocolMarks } from "../../../protocol/protocolMarks";
import { shortenName } from "../../../protocol/runName";
import { toSingleLine } from "../text";
import { formatHeadlineLoss, getHeadlineLoss } from "./headlineLoss";
import { isWaiting, computeProgress, statePresentations } from "./runStates";
import { t } from "../../l10n";

const maxTags = 3;
/** Characters of a row that fit a side bar of the usual width, and those at its end that always stay. */
const maxLabel = 26;
const labelEnd = 15;

/** What is known of a row by its place in the tree. */
export interface RunPlace {
  /** The row above names the experiment. */
  readonly isBelowExperiment?: boolean;
  /** On losses that are not all comparable with those of the rows around. */
  readonly marks?: ProtocolMarks;
}

export function presentRun(run: RunSummary, place: RunPlace = {}): NodePresentation {
  const { icon, word } = statePresentations[run.state];
  const name = place.isBelowExperiment === true ? shortenName(run) : run.name;
  const label = toSingleLine(name) || toSingleLine(run.id) || t("run");
  const tags = run.tags.map((tag) => toSingleLine(tag, 40));
  const shownTags = tags.slice(0, maxTags).map((tag) => `#${tag}`);
  const hiddenTags = tags.length > maxTags ? [`+${tags.length - maxTags}`] : [];
  const facts = describeRun(run, place);
  const star = run.star ? ["★"] : [];
  return {
    // While it waits it is another row, in another place: VS Code knows no row that moves.
    id: `${isWaiting(run) ? "waiting" : "run"}:${run.folder}`,
    label: shortenMiddle(label),
    description: [...star, ...facts, ...shownTags, ...hiddenTags].join(" · "),
    icon,
    contextValue: getContextValue(run),
    spoken: [
      label,
      word,
      ...(run.star ? [t("starred")] : []),
      ...facts,
      ...tags.slice(0, maxTags).map((tag) => t("tag {0}", tag)),
    ].join(", "),
    children: "none",
    click: { command: "lathe.openSelectedRun", title: t("Open Charts") },
  };
}

/** A row is cut at its end, which is what distinguishes runs; the tooltip and what is read aloud have the whole name. */
function shortenMiddle(label: string): string {
  const characters = Array.from(label);
  if (characters.length <= maxLabel) return label;
  return `${characters.slice(0, maxLabel - labelEnd - 1).join("")}…${characters.slice(-labelEnd).join("")}`;
}

function describeRun(run: RunSummary, { marks }: RunPlace): string[] {
  const { state, seconds, progress, failure, queuePosition, pruned } = run;
  if (state === "unreadable") return [toSingleLine(failure?.message ?? t("unreadable"), 120)];
  if (state === "queued") return [isWaiting(run) ? t("behind {0}", queuePosition!) : t("starting")];
  const loss = getHeadlineLoss(run);
  const mark = loss && marks?.get(run, loss.metric);
  const share = computeProgress(run);
  const secondsLeft = state === "running" ? progress?.secondsLeft : undefined;
  return [
    ...(loss === undefined
      ? []
      : [[formatHeadlineLoss(loss), ...(mark === undefined ? [] : [mark.letter])].join(" ")]),
    ...(share === undefined || state === "done" ? [] : [formatProgress(share)]),
    ...(state === "held" ? [t("held for the others of its rung")] : []),
    ...(pruned === undefined ? [] : [describePruning(pruned)]),
    ...(seconds === undefined ? [] : [formatDuration(seconds)]),
    ...(secondsLeft === undefined ? [] : [t("{0} left", formatDuration(secondsLeft))]),
    ...(state === "failed" && failure !== undefined ? [toSingleLine(failure.message, 80)] : []),
  ];
}

function getContextValue(run: RunSummary): string {
  const flags: readonly (readonly [flag: string, set: boolean])[] = [
    ["active", isActive(run)],
    ["ended", !isActive(run) && run.state !== "unreadable"],
    ["waiting", isWaiting(run)],
    ["resumable", isResumable(run)],
    ["measured", Object.keys(run.metrics).length > 0],
    ["starred", run.star],
    ["plain", !run.star],
    ["tagged", run.tags.length > 0],
  ];
  return ["run", run.state, ...flags.flatMap(([flag, set]) => (set ? [flag] : []))].join(".");
}
