/** The runs that an experiment branches into: variants by sweep points, and what is wrong in any of them. */
import { WorkbenchError } from "../../protocol/errors";
import type { Assignment } from "./applyAssignment";
import type { Experiment } from "./experiment";
import { fault } from "./faults";
import { isMap } from "./plainMap";
import { resolve } from "./resolve";

/** More runs than this from one file is a slip, not a plan. */
export const mostRuns = 1000;

/** One dimension of a sweep: the same path with one value after another. */
export type Axis = readonly Assignment[];

export function variantNames(experiment: Experiment): string[] {
  const value = experiment.declarations.variants?.value;
  return isMap(value) ? Object.keys(value) : [];
}

export function axesOf(experiment: Experiment): Axis[] {
  const sweep = experiment.declarations.sweep;
  if (sweep === undefined || !isMap(sweep.value)) return [];
  return Object.entries(sweep.value).flatMap(([path, values]) => {
    if (!Array.isArray(values)) return [];
    return [
      values.map((value: unknown, index): Assignment => {
        const keyPlace = sweep.find([path], "key")!;
        return { path, value, keyPlace, valuePlace: sweep.find([path, index]) ?? keyPlace };
      }),
    ];
  });
}

/** Every combination of one value of each axis, the last axis moving fastest; one empty point without axes. */
export function gridOf(axes: readonly Axis[]): Assignment[][] {
  return axes.reduce<Assignment[][]>(
    (points, axis) => points.flatMap((point) => axis.map((value) => [...point, value])),
    [[]],
  );
}

/** Joins each variant by itself, and with each value of the sweep alone; combinations are checked when they are planned. */
export function checkBranches(experiment: Experiment): WorkbenchError[] {
  const names = variantNames(experiment);
  const variants = names.length === 0 ? [undefined] : names;
  const axes = axesOf(experiment);
  const runs = axes.reduce((product, axis) => product * axis.length, variants.length);
  if (runs > mostRuns) {
    const place = (experiment.declarations.sweep ?? experiment.declarations.variants)?.find([], "key");
    const message = `variants and sweep make ${runs} runs, and one file may make ${mostRuns}. Take values out.`;
    if (place !== undefined) return [fault(place, message)];
  }
  return variants.flatMap((variant) => {
    const { faults } = resolve(experiment, { variant });
    if (faults.length > 0) return faults;
    return axes
      .flat()
      .flatMap((value) =>
        resolve(experiment, { variant, sweep: [value] }).faults.map((each) => blamed(each, value)),
      );
  });
}

/** Where the value of a sweep breaks a rule of another key, the message says which value it was. */
function blamed(found: WorkbenchError, { path, value, keyPlace, valuePlace }: Assignment): WorkbenchError {
  const { position } = found.details;
  const own = [keyPlace, valuePlace].some((place) => JSON.stringify(place) === JSON.stringify(position));
  if (own || position === undefined) return found;
  const message = `${found.message.replace(/\.$/, "")} (with ${path}: ${JSON.stringify(value)} of the sweep).`;
  return new WorkbenchError(found.code, message, found.details);
}
