/** Published curves next to those of the runs: gray lines without marks, labeled with their names. */
import type { Axis } from "../../src/protocol/service/metrics";
import type { ReferenceSeries, RunSummary } from "../../src/protocol/service/runs";
import type { Points } from "./curve";

/** In the place of a run's folder, which begins otherwise. */
const prefix = "reference:";

export interface Reference {
  readonly run: string;
  readonly name: string;
  readonly metric: string;
  /** Not shown until it is asked for: beside it, the runs of another scale would be a dot. */
  readonly asked: boolean;
  readonly series: ReferenceSeries;
}

/** Each once, however many runs have it. */
export function collectReferences(runs: readonly Pick<RunSummary, "references">[]): Reference[] {
  const references = new Map<string, Reference>();
  for (const series of runs.flatMap(({ references: runReferences = [] }) => runReferences)) {
    const { name, metric, otherScale } = series;
    const run = `${prefix}${metric}:${name}`;
    const label = otherScale === undefined ? "published" : `published at scale ${otherScale}`;
    references.set(run, { run, name: `${name}, ${label}`, metric, asked: otherScale !== undefined, series });
  }
  return [...references.values()];
}

/** Undefined on an axis where the published values have no place. */
export function getReferencePoints({ series }: Reference, axis: Axis): Points | undefined {
  if (axis === "seconds") return undefined;
  const { firstStep, stepInterval, tokensPerStep, values } = series;
  const scale = axis === "tokens" ? tokensPerStep : 1;
  return { x: values.map((_, i) => (firstStep + i * stepInterval) * scale), y: values };
}
