/** A run as a row of the tree. */
import type { RunSummary } from "../../../protocol/service/runs";
import { isActive, isResumable } from "../../../protocol/run";
import type { Face } from "../face";
import { duration, figure, reached } from "../../../protocol/quantities";
import { oneLine } from "../text";
import { isWaiting, lastLoss, progressShare, stateFaces } from "./runStates";

const mostTags = 3;

export function runFace(run: RunSummary): Face {
  const { icon, word } = stateFaces[run.state];
  const label = oneLine(run.name) || oneLine(run.id) || "run";
  const tags = run.tags.map((tag) => oneLine(tag, 40));
  const shownTags = tags.slice(0, mostTags).map((tag) => `#${tag}`);
  const more = tags.length > mostTags ? [`+${tags.length - mostTags}`] : [];
  const facts = factsOf(run);
  const star = run.star ? ["★"] : [];
  return {
    // While it waits it is another row, in another place: VS Code knows no row that moves.
    id: `${isWaiting(run) ? "waiting" : "run"}:${run.folder}`,
    label,
    description: [...star, ...facts, ...shownTags, ...more].join(" · "),
    icon,
    contextValue: contextOf(run),
    spoken: [
      label,
      word,
      ...(run.star ? ["starred"] : []),
      ...facts,
      ...tags.slice(0, mostTags).map((tag) => `tag ${tag}`),
    ].join(", "),
    children: "none",
    click: { command: "lathe.openSelectedRun", title: "Open Charts" },
  };
}

function factsOf(run: RunSummary): string[] {
  const { state, seconds, progress, failure, queuePosition } = run;
  if (state === "unreadable") return [oneLine(failure?.message ?? "unreadable", 120)];
  if (state === "queued") return [isWaiting(run) ? `behind ${queuePosition!}` : "starting"];
  const loss = lastLoss(run);
  const share = progressShare(run);
  const left = state === "running" ? progress?.secondsLeft : undefined;
  return [
    ...(loss === undefined ? [] : [`loss ${figure(loss)}`]),
    ...(share === undefined || state === "done" ? [] : [reached(share)]),
    ...(seconds === undefined ? [] : [duration(seconds)]),
    ...(left === undefined ? [] : [`${duration(left)} left`]),
    ...(state === "failed" && failure !== undefined ? [oneLine(failure.message, 80)] : []),
  ];
}

function contextOf(run: RunSummary): string {
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
