/** Sets one path, such as `train.learning_rate`, to a value: a sweep point, or a setting of the command line. */
import { actionKeys } from "../../schema/cellKeys";
import { optionAliases } from "../../schema/experiment";
import type { Experiment } from "./experiment";
import { createFault, type Place, createUnknownWordFault } from "./faults";
import { branchable, type Branch, type Find, isActionKey, isBranchable, type Part } from "./parts";
import { isMap, setValueAt } from "./plainMap";

export interface Assignment {
  readonly path: string;
  /** Null removes the key, or a whole action. */
  readonly value: unknown;
  readonly keyPlace: Place;
  readonly valuePlace: Place;
}

export function applyAssignment(branch: Branch, assignment: Assignment): void {
  const [head = "", ...rest] = assignment.path.split(".");
  if (isActionKey(head)) {
    const matching = selectActions(branch, head, rest, assignment);
    if (rest.length === 0 && assignment.value === null)
      branch.actions = branch.actions.filter((part) => !matching.includes(part));
    else for (const part of matching) assignValue(part, rest, assignment);
    return;
  }
  if (!isBranchable(head)) {
    const allowed = [...branchable, ...actionKeys];
    branch.faults.push(createUnknownWordFault(assignment.keyPlace, "path", assignment.path, allowed));
    return;
  }
  if (rest.length === 0 && assignment.value === null) {
    branch.declarations.delete(head);
    return;
  }
  if (head === "base_model") branch.declarations.delete("model");
  const part = branch.declarations.get(head) ?? { key: head, cell: 0, value: undefined, finds: [] };
  branch.declarations.set(head, part);
  assignValue(part, rest, assignment);
}

/**
 * The actions of one name: all of them, the one with an index (`train.1.max_steps`: the second), or those with the
 * method.
 */
function selectActions(branch: Branch, head: string, rest: string[], assignment: Assignment): Part[] {
  const { actions, experiment, faults } = branch;
  const actionsOfKey = actions.filter((part) => part.key === head);
  if (actionsOfKey.length === 0) {
    // A variant may have removed the action, so there is nothing to change.
    if (!experiment.actions.some((action) => action.key === head))
      faults.push(
        createFault(assignment.keyPlace, `${assignment.path} changes ${head}, but no cell has that action.`),
      );
    return [];
  }
  const index = /^\d+$/.test(rest[0] ?? "") ? Number(rest.shift()) : undefined;
  const selection = index === undefined ? actionsOfKey : actionsOfKey.slice(index, index + 1);
  if (selection.length === 0)
    faults.push(
      createFault(
        assignment.keyPlace,
        `the ${head} actions are numbered from 0 to ${actionsOfKey.length - 1}, not ${index ?? ""}.`,
      ),
    );
  const method = head === "compress" ? rest[0] : undefined;
  if (method === undefined) return selection;
  const matching = selection.filter(({ value }) => isMap(value) && method in value);
  const methods = listMethods(experiment).has(method);
  if (matching.length === 0 && selection.length > 0 && !methods) {
    const available = selection.flatMap(({ value }) => (isMap(value) ? Object.keys(value) : []));
    faults.push(createUnknownWordFault(assignment.keyPlace, "method", method, available, ` in ${head}`));
  }
  return matching;
}

/** Includes the methods of all variants: a variant without the method has nothing to change. */
function listMethods({ actions, declarations }: Experiment): Set<string> {
  const variants = declarations.variants?.value;
  const changes = isMap(variants) ? Object.values(variants) : [];
  const methods = [
    ...actions.filter(({ key }) => key === "compress").map(({ value }) => value),
    ...changes.map((change) => (isMap(change) ? change["compress"] : undefined)),
  ];
  return new Set(methods.flat().flatMap((value) => (isMap(value) ? Object.keys(value) : [])));
}

function assignValue(part: Part, path: readonly string[], assignment: Assignment): void {
  const [first = "", ...deeper] = path;
  const usual = path.length === 0 ? [] : [optionAliases[part.key]?.[first] ?? first, ...deeper];
  part.value = setValueAt(part.value, usual, assignment.value);
  const find: Find = (wantedPath, what) => {
    // Parents of the path were changed here too, but their keys were not written here.
    if (!usual.slice(0, wantedPath.length).every((step, index) => wantedPath[index] === step))
      return undefined;
    if (wantedPath.length < usual.length) return what === "value" ? assignment.valuePlace : undefined;
    return what === "key" && wantedPath.length === usual.length ? assignment.keyPlace : assignment.valuePlace;
  };
  part.finds = [...part.finds, find];
}
