/** The rows between the runs: experiments, the queue, and what is not shown yet. */
import type { Face } from "../face";
import { count, plural } from "../../../protocol/quantities";
import { isActive } from "../../../protocol/run";
import { experimentTitle, markdownText, oneLine } from "../text";
import { type GroupNode, type MoreNode, pageSize } from "./runTree";

/** `alone`: there is no other group, so that there is nothing to choose from. */
export function groupFace(group: GroupNode, alone: boolean): Face {
  return group.kind === "queue" ? queueFace(group) : experimentFace(group, alone);
}

function queueFace({ id, members }: GroupNode): Face {
  const waiting = plural(members.size, "waiting run");
  return {
    id,
    label: "Queue",
    description: waiting,
    icon: { id: "list-ordered" },
    tooltip: "Runs waiting for a device, in the order in which they start. Drag a run to move it.",
    contextValue: "queue",
    spoken: `Queue, ${waiting}`,
    children: "expanded",
  };
}

function experimentFace({ id, members, experiment }: GroupNode, alone: boolean): Face {
  const runs = [...members].map(({ run }) => run);
  const active = runs.filter(isActive).length;
  const label = experiment === undefined ? "Without an experiment" : oneLine(experimentTitle(experiment));
  const facts = [plural(runs.length, "run"), ...(active === 0 ? [] : [`${count(active)} active`])];
  return {
    id,
    label,
    description: facts.join(" · "),
    icon: { id: "beaker" },
    tooltip: experiment === undefined ? "Runs of an unknown experiment" : markdownText(experiment),
    contextValue: experiment === undefined ? "runGroup" : "runGroup.experiment",
    spoken: [label, ...facts].join(", "),
    children: alone || active > 0 ? "expanded" : "collapsed",
  };
}

export function moreFace({ group }: MoreNode): Face {
  const hidden = group.members.size - group.limit;
  const next = count(Math.min(pageSize, hidden));
  return {
    id: `${group.id}:more`,
    label: `Show ${next} more`,
    description: `${count(hidden)} not shown`,
    icon: { id: "ellipsis" },
    contextValue: "more",
    spoken: `Show ${next} more runs, ${count(hidden)} are not shown`,
    children: "none",
    click: { command: "lathe.openSelectedRun", title: "Show More" },
  };
}
