/** Merges the changes of one variant into the cells. */
import type { ActionKey } from "../../schema/cellKeys";
import { createFault } from "./faults";
import {
  type Branch,
  type Find,
  isActionKey,
  isBranchable,
  mergeInto,
  type Part,
  normalizeNames,
} from "./parts";
import { isMap } from "./plainMap";

export function applyVariant(branch: Branch, name: string): void {
  const section = branch.experiment.declarations.variants;
  const variants = isMap(section?.value) ? section.value : {};
  const changes = variants[name];
  if (section === undefined || !isMap(changes)) return;
  const { declarations, faults } = branch;
  for (const [key, change] of Object.entries(changes)) {
    const find: Find = (path, part) => section.find([name, key, ...path], part);
    if (isActionKey(key)) {
      changeActions(branch, key, normalizeNames(key, change, find, faults), find, name);
      continue;
    }
    // Keys that no variant may have are reported where the variants themselves are checked.
    if (!isBranchable(key)) continue;
    // A trained model and a new configuration exclude each other, so naming one drops the other.
    if (key === "model" && change !== null && !("base_model" in changes)) declarations.delete("base_model");
    if (key === "base_model" && change !== null && !("model" in changes)) declarations.delete("model");
    const part = declarations.get(key) ?? { key, cell: section.cell, value: undefined, finds: [] };
    if (change === null) declarations.delete(key);
    else {
      declarations.set(key, part);
      mergeInto(part, change, find);
    }
  }
}

function changeActions(branch: Branch, key: ActionKey, change: unknown, find: Find, variant: string): void {
  const targets = branch.actions.filter((part) => part.key === key);
  const place = find([], "key");
  if (change === null) branch.actions = branch.actions.filter((part) => part.key !== key);
  else if (targets.length === 0 && place !== undefined)
    branch.faults.push(
      createFault(
        place,
        `variant ${variant} changes ${key}, but no cell has that action. Add a ${key} cell, and "${key}: null" to the variants without it.`,
      ),
    );
  else if (key === "compress") changeCompress(branch, targets, change, find);
  else for (const part of targets) mergeInto(part, change, find);
}

/** Merges changes of an existing method; a different method replaces a single one, and a list replaces all. */
function changeCompress(branch: Branch, targets: readonly Part[], change: unknown, find: Find): void {
  const [first] = targets;
  if (first === undefined) return;
  const { key, cell } = first;
  const position = branch.actions.indexOf(first);
  if (Array.isArray(change)) {
    const parts = change.map((value: unknown, index): Part => {
      return { key, cell, value, finds: [(path, part) => find([index, ...path], part)] };
    });
    branch.actions = branch.actions.filter((part) => !targets.includes(part));
    branch.actions.splice(position, 0, ...parts);
    return;
  }
  const methods = isMap(change) ? Object.keys(change) : [];
  const same = targets.filter(({ value }) => isMap(value) && methods.every((method) => method in value));
  const place = find([], "key");
  if (same.length > 0) for (const part of same) mergeInto(part, change, find);
  else if (targets.length === 1) branch.actions[position] = { key, cell, value: change, finds: [find] };
  else if (place !== undefined)
    branch.faults.push(
      createFault(
        place,
        "compress: several cells compress. Write a list here, which then replaces them all.",
      ),
    );
}
