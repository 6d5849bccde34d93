/** The sweep of an experiment as axes: a path and its values, or the range that they are drawn from. */
import { rangeSchema, type SweepRange } from "../../schema/search";
import type { Assignment } from "./applyAssignment";
import type { Experiment, Path, Section } from "./experiment";
import type { Place } from "./faults";
import { isMap } from "./plainMap";

/** One dimension of a sweep: a path and its values. */
export interface Axis {
  readonly path: string;
  /** Those of the list; of a range its ends, which are checked for all of it. */
  readonly values: readonly Assignment[];
  readonly range?: SweepRange;
  readonly keyPlace: Place;
  readonly valuePlace: Place;
}

/** The sweep of the experiment with the changes of one variant. */
export function listAxes(experiment: Experiment, variant?: string): Axis[] {
  const axes = new Map<string, Axis>();
  for (const { value, find } of listSweeps(experiment, variant))
    for (const [path, values] of isMap(value) ? Object.entries(value) : []) {
      if (values === null) axes.delete(path);
      const range = isMap(values) ? rangeSchema.safeParse(values).data : undefined;
      if (!Array.isArray(values) && range === undefined) continue;
      const keyPlace = find([path], "key")!;
      const valuePlace = find([path]) ?? keyPlace;
      const listed = Array.isArray(values) ? (values as unknown[]) : [range!.min, range!.max];
      const assignments = listed.map((value, index): Assignment => {
        return { path, value, keyPlace, valuePlace: (!range && find([path, index])) || valuePlace };
      });
      axes.set(path, {
        path,
        values: assignments,
        ...(range === undefined ? {} : { range }),
        keyPlace,
        valuePlace,
      });
    }
  return [...axes.values()];
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
    (points, { values }) => points.flatMap((point) => values.map((value) => [...point, value])),
    [[]],
  );
}
