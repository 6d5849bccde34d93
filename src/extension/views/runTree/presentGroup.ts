/** The rows between the runs: experiments, the queue, and what is not shown yet. */
import type { NodePresentation } from "../nodePresentation";
import { formatCount } from "../../../protocol/quantities";
import { isActive } from "../../../protocol/run";
import { getExperimentTitle, escapeMarkdown, toSingleLine } from "../text";
import { type GroupNode, type MoreNode, pageSize } from "./runTree";
import { plural, t } from "../../l10n";

/**
 * `isOnly`: there is no other group, so that there is nothing to choose from. `folder`: the experiment's, if another
 * experiment has the same name.
 */
export function presentGroup(group: GroupNode, isOnly: boolean, folder?: string): NodePresentation {
  return group.kind === "queue" ? presentQueue(group) : presentExperiment(group, isOnly, folder);
}

/** Whether another group has the same title, so that only its folder distinguishes it. */
export function sharesTitle({ experiment }: GroupNode, groups: readonly GroupNode[]): boolean {
  if (experiment === undefined) return false;
  const title = getExperimentTitle(experiment);
  return groups.some(
    (other) =>
      other.experiment !== undefined &&
      other.experiment !== experiment &&
      getExperimentTitle(other.experiment) === title,
  );
}

function presentQueue({ id, members }: GroupNode): NodePresentation {
  const waitingText = plural(members.size, "1 waiting run", "{0} waiting runs");
  return {
    id,
    label: t("Queue"),
    description: waitingText,
    icon: { id: "list-ordered" },
    tooltip: t("Runs waiting for a device, in the order in which they start. Drag a run to move it."),
    contextValue: "queue",
    spoken: t("Queue, {0}", waitingText),
    children: "expanded",
  };
}

function presentExperiment(
  { id, members, experiment }: GroupNode,
  isOnly: boolean,
  folder?: string,
): NodePresentation {
  const runs = [...members].map(({ run }) => run);
  const active = runs.filter(isActive).length;
  const label =
    experiment === undefined ? t("Without an experiment") : toSingleLine(getExperimentTitle(experiment));
  const place = folder === undefined ? [] : [toSingleLine(folder, 60)];
  const facts = [
    ...place,
    plural(runs.length, "1 run", "{0} runs"),
    ...(active === 0 ? [] : [t("{0} active", formatCount(active))]),
  ];
  return {
    id,
    label,
    description: facts.join(" · "),
    icon: { id: "beaker" },
    tooltip: experiment === undefined ? t("Runs of an unknown experiment") : escapeMarkdown(experiment),
    contextValue: experiment === undefined ? "runGroup" : "runGroup.experiment",
    spoken: [label, ...facts].join(", "),
    children: isOnly || active > 0 ? "expanded" : "collapsed",
  };
}

export function presentMore({ group }: MoreNode): NodePresentation {
  const hidden = group.members.size - group.limit;
  const nextCount = formatCount(Math.min(pageSize, hidden));
  return {
    id: `${group.id}:more`,
    label: t("Show {0} more", nextCount),
    description: t("{0} not shown", formatCount(hidden)),
    icon: { id: "ellipsis" },
    contextValue: "more",
    spoken: t("Show {0} more runs, {1} are not shown", nextCount, formatCount(hidden)),
    children: "none",
    click: { command: "lathe.openSelectedRun", title: t("Show More") },
  };
}
