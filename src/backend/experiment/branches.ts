/** The runs that an experiment branches into, variants by sweep points, and the faults of each. */
import { WorkbenchError } from "../../protocol/errors";
import type { Assignment } from "./applyAssignment";
import type { Experiment, Path, Section } from "./experiment";
import { createFault } from "./faults";
import { isActionKey } from "./parts";
import { isMap, type PlainMap } from "./plainMap";
import { resolve } from "./resolve";

/** More runs from one file are a mistake. */
export const maxRuns = 1000;

/** One dimension of a sweep: a path and its values. */
export type Axis = readonly Assignment[];

export function listVariantNames(experiment: Experiment): string[] {
  const value = experiment.declarations.variants?.value;
  return isMap(value) ? Object.keys(value) : [];
}

/** The sweep of the experiment with the changes of one variant. */
export function listAxes(experiment: Experiment, variant?: string): Axis[] {
  const axes = new Map<string, Axis>();
  for (const { value, find } of listSweeps(experiment, variant))
    for (const [path, values] of isMap(value) ? Object.entries(value) : []) {
      if (values === null) axes.delete(path);
      if (!Array.isArray(values)) continue;
      const keyPlace = find([path], "key")!;
      axes.set(
        path,
        values.map((each: unknown, index): Assignment => {
          return { path, value: each, keyPlace, valuePlace: find([path, index]) ?? keyPlace };
        }),
      );
    }
  return [...axes.values()];
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
  const axes = listAxes(experiment, variant).filter(({ length }) => length > 0);
  if (axes.some(([first]) => isActionKey(first!.path))) return axes;
  const { actions } = resolve(experiment, { variant }).resolved;
  const steps = actions.map(({ key, options }) => ({ action: key, options }));
  return axes.filter(([first]) => affectsRun(first!.path, steps));
}

function listSweeps(
  { declarations }: Experiment,
  variant: string | undefined,
): Pick<Section, "value" | "find">[] {
  const { sweep, variants } = declarations;
  const changes = variant === undefined || !isMap(variants?.value) ? undefined : variants.value[variant];
  const sweepChanges = isMap(changes) ? changes["sweep"] : undefined;
  return [
    ...(sweep === undefined ? [] : [sweep]),
    ...(sweepChanges === undefined || variant === undefined
      ? []
      : [
          {
            value: sweepChanges,
            find: (path: Path, part?: "key" | "value") => variants!.find([variant, "sweep", ...path], part),
          },
        ]),
  ];
}

/** Every combination of one value per axis, the last axis varying fastest; one empty point if there are no axes. */
export function createGrid(axes: readonly Axis[]): Assignment[][] {
  return axes.reduce<Assignment[][]>(
    (points, axis) => points.flatMap((point) => axis.map((value) => [...point, value])),
    [[]],
  );
}

/**
 * Resolves each variant alone, and with each value of the sweep by itself; combinations are checked when they are
 * planned.
 */
export function checkBranches(experiment: Experiment): WorkbenchError[] {
  const names = listVariantNames(experiment);
  const variants = names.length === 0 ? [undefined] : names;
  const runs = variants
    .map((variant) =>
      selectRelevantAxes(experiment, variant).reduce((product, axis) => product * axis.length, 1),
    )
    .reduce((sum, each) => sum + each, 0);
  if (runs > maxRuns) {
    const place = (experiment.declarations.sweep ?? experiment.declarations.variants)?.find([], "key");
    const message = `variants and sweep make ${runs} runs; the limit for one file is ${maxRuns}. Remove some values.`;
    if (place !== undefined) return [createFault(place, message)];
  }
  return variants.flatMap((variant) => {
    const { faults } = resolve(experiment, { variant });
    if (faults.length > 0) return faults;
    return listAxes(experiment, variant)
      .flat()
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
