/** An experiment at another scale: the changes of the scale are merged into the cells before variants and sweeps. */
import type { WorkbenchError } from "../../protocol/errors";
import { type DeclarationKey, declarationKeys } from "../../schema/cellKeys";
import type { Action, Experiment, Path, Section } from "./experiment";
import { createFault, type Place, createUnknownWordFault } from "./faults";
import { isActionKey, normalizeNames } from "./parts";
import { isMap, mergeMaps } from "./plainMap";

export function listScaleNames({ declarations: { scales } }: Experiment): string[] {
  return isMap(scales?.value) ? Object.keys(scales.value) : [];
}

/** A parsed experiment at another of its scales. Throws for an unknown name. */
export function selectScale(experiment: Experiment, name: unknown, place: Place): Experiment {
  const original = experiment.unscaled ?? experiment;
  const names = listScaleNames(original);
  if (typeof name === "string" && names.includes(name)) return applyScale(original, name);
  if (names.length === 0)
    throw createFault(place, `${experiment.file} has no scales. Leave the setting out.`);
  throw createUnknownWordFault(place, "scale", String(name), names);
}

/** The scale that the file chooses, and the faults of the choice. */
export function findChosenScale(experiment: Experiment): { name?: string; faults: WorkbenchError[] } {
  const { scale } = experiment.declarations;
  if (typeof scale?.value !== "string") return { faults: [] };
  const names = listScaleNames(experiment);
  if (names.includes(scale.value)) return { name: scale.value, faults: [] };
  const place = scale.find([])!;
  if (names.length > 0) return { faults: [createUnknownWordFault(place, "scale", scale.value, names)] };
  return {
    faults: [createFault(place, "scale selects one of scales, but none are declared. Add a scales cell.")],
  };
}

export function applyScale(experiment: Experiment, name: string): Experiment {
  const section = experiment.declarations.scales!;
  const changes = (section.value as Readonly<Record<string, unknown>>)[name];
  const declarations: Partial<Record<DeclarationKey, Section>> = { ...experiment.declarations };
  let { actions } = experiment;
  for (const [key, change] of isMap(changes) ? Object.entries(changes) : []) {
    const find: Section["find"] = (path, part) => section.find([name, key, ...path], part);
    if (isActionKey(key))
      actions =
        change === null
          ? actions.filter((action) => action.key !== key)
          : actions.map((action) =>
              action.key === key ? (mergeSection(action, change, find) as Action) : action,
            );
    else if (isDeclaration(key)) {
      const base = declarations[key] ?? { key, cell: section.cell, value: undefined, find: () => undefined };
      // A trained model and a new configuration exclude each other, so naming one drops the other.
      const other = key === "model" ? "base_model" : key === "base_model" ? "model" : undefined;
      if (other !== undefined && change !== null && !(other in (changes as object)))
        Reflect.deleteProperty(declarations, other);
      if (change === null) Reflect.deleteProperty(declarations, key);
      else declarations[key] = mergeSection(base, change, find);
    }
  }
  return { ...experiment, declarations, actions, scale: name, unscaled: experiment };
}

/** The section with the change merged into it; the position of each word is that of its last writer. */
function mergeSection(base: Section, change: unknown, find: Section["find"]): Section {
  const first = (finds: readonly Section["find"][]) => (path: Path, part?: "key" | "value") =>
    finds.map((each) => each(path, part)).find((place) => place !== undefined);
  const usual = (value: unknown) => normalizeNames(base.key, value, () => undefined, []);
  return {
    ...base,
    // A variant is a change of the cells: null in it removes something from them, so it is preserved here.
    value: mergeMaps(usual(base.value), usual(change), base.key === "variants" ? 1 : Infinity),
    find: (path, part) => first(path.length === 0 ? [base.find, find] : [find, base.find])(path, part),
  };
}

function isDeclaration(key: string): key is DeclarationKey {
  return (declarationKeys as readonly string[]).includes(key);
}
