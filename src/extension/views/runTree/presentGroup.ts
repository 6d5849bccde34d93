/** The rows between the runs: experiments, the queue, and what is not shown yet. */
import type { NodePresentation } from "../nodePresentation";
import { formatCount, pluralize } from "../../../protocol/quantities";
import { isActive } from "../../../protocol/run";
import { getExperimentTitle, escapeMarkdown, toSingleLine } from "../text";
import { type GroupNode, type MoreNode, pageSize } from "./runTree";

/** `isOnly`: there is no other group, so that there is nothing to choose from. */
export function presentGroup(group: GroupNode, isOnly: boolean): NodePresentation {
  return group.kind === "queue" ? presentQueue(group) : presentExperiment(group, isOnly);
}

function presentQueue({ id, members }: GroupNode): NodePresentation {
  const waitingText = pluralize(members.size, "waiting run");
  return {
    id,
    label: "Queue",
    description: waitingText,
    icon: { id: "list-ordered" },
    tooltip: "Runs waiting for a device, in the order in which they start. Drag a run to move it.",
    contextValue: "queue",
    spoken: `Queue, ${waitingText}`,
    children: "expanded",
  };
}

function presentExperiment({ id, members, experiment }: GroupNode, isOnly: boolean): NodePresentation {
  const runs = [...members].map(({ run }) => run);
  const active = runs.filter(isActive).length;
  const label =
    experiment === undefined ? "Without an experiment" : toSingleLine(getExperimentTitle(experiment));
  const facts = [pluralize(runs.length, "run"), ...(active === 0 ? [] : [`${formatCount(active)} active`])];
  return {
    id,
    label,
    description: facts.join(" · "),
    icon: { id: "beaker" },
    tooltip: experiment === undefined ? "Runs of an unknown experiment" : escapeMarkdown(experiment),
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
    label: `Show ${nextCount} more`,
    description: `${formatCount(hidden)} not shown`,
    icon: { id: "ellipsis" },
    contextValue: "more",
    spoken: `Show ${nextCount} more runs, ${formatCount(hidden)} are not shown`,
    children: "none",
    click: { command: "lathe.openSelectedRun", title: "Show More" },
  };
}
