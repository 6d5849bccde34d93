/** The runs that an experiment branches into, variants by sweep points, and the faults of each. */
import { WorkbenchError } from "../../protocol/errors";
import { maxRuns } from "../../schema/search";
import type { Assignment } from "./applyAssignment";
import { type Axis, listAxes } from "./axes";
import type { Experiment } from "./experiment";
import { createFault } from "./faults";
import { isActionKey } from "./parts";
import { isMap, type PlainMap } from "./plainMap";
import { resolve } from "./resolve";
import { countSearchedRuns, findSearchFaults, findUnusedSearch, readSearch } from "./search";

export function listVariantNames(experiment: Experiment): string[] {
  const value = experiment.declarations.variants?.value;
  return isMap(value) ? Object.keys(value) : [];
}

/** Whether a path leads to a part of the run: its action may be in a later cell, or removed by this variant. */
export function affectsRun(
  path: string,
  steps: readonly { readonly action: string; readonly options: PlainMap }[],
): boolean {
  const [head = "", next = ""] = path.split(".");
  if (!isActionKey(head)) return true;
  const actions = steps.filter(({ action }) => action === head);
  if (/^\d+$/.test(next)) return Number(next) < actions.length;
  return actions.some(({ options }) => head !== "compress" || next === "" || next in options);
}

/** The axes that affect the variant. A sweep of whole actions may include what another axis changes. */
export function selectRelevantAxes(experiment: Experiment, variant: string | undefined): Axis[] {
  const axes = listAxes(experiment, variant).filter(({ values }) => values.length > 0);
  if (axes.some(({ path }) => isActionKey(path))) return axes;
  const { actions } = resolve(experiment, { variant }).resolved;
  const steps = actions.map(({ key, options }) => ({ action: key, options }));
  return axes.filter(({ path }) => affectsRun(path, steps));
}

/**
 * Resolves each variant alone, and with each value of the sweep by itself; combinations are checked when they are
 * planned.
 */
export function checkBranches(experiment: Experiment): WorkbenchError[] {
  const names = listVariantNames(experiment);
  const variants = names.length === 0 ? [undefined] : names;
  const search = readSearch(experiment);
  const runs = variants
    .map((variant) => countSearchedRuns(selectRelevantAxes(experiment, variant), search))
    .reduce((sum, each) => sum + each, 0);
  if (runs > maxRuns) {
    const place = (experiment.declarations.sweep ?? experiment.declarations.variants)?.find([], "key");
    const message = `variants and sweep make ${runs} runs; the limit for one file is ${maxRuns}. Remove some values.`;
    if (place !== undefined) return [createFault(place, message)];
  }
  const unused = findUnusedSearch(
    experiment,
    variants.flatMap((variant) => listAxes(experiment, variant)),
  );
  if (unused !== undefined) return [unused];
  return variants.flatMap((variant) => {
    const { faults, resolved } = resolve(experiment, { variant });
    if (faults.length > 0) return faults;
    const axes = listAxes(experiment, variant);
    const searchFaults = findSearchFaults(experiment, axes, resolved);
    if (searchFaults.length > 0) return searchFaults;
    return axes
      .flatMap(({ values }) => values)
      .flatMap((value) =>
        resolve(experiment, { variant, sweep: [value] }).faults.map((each) => nameSweepValue(each, value)),
      );
  });
}

/** If the value of a sweep breaks a rule of another key, the message names the value. */
function nameSweepValue(
  fault: WorkbenchError,
  { path, value, keyPlace, valuePlace }: Assignment,
): WorkbenchError {
  const { position } = fault.details;
  const sweepChanges = [keyPlace, valuePlace].some(
    (place) => JSON.stringify(place) === JSON.stringify(position),
  );
  if (sweepChanges || position === undefined) return fault;
  const message = `${fault.message.replace(/\.$/, "")} (with ${path}: ${JSON.stringify(value)} of the sweep).`;
  return new WorkbenchError(fault.code, message, fault.details);
}
