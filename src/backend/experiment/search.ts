/** The search of an experiment: which combinations of its sweep run, and how far each may train. */
import { createHash } from "node:crypto";
import type { WorkbenchError } from "../../protocol/errors";
import type { HalvingRung, RunPlan } from "../../protocol/run";
import { maxRuns, type SearchOptions } from "../../schema/search";
import type { Assignment } from "./applyAssignment";
import { type Axis, createGrid } from "./axes";
import { drawPoints } from "./draws";
import type { Experiment, Resolved } from "./experiment";
import { createFault, type Place } from "./faults";
import { toCanonicalJson } from "./stepKey";

/** Every combination where the search is left out or has faults, which are reported elsewhere. */
export function readSearch({ declarations, schema }: Experiment): SearchOptions {
  const result = schema.shape.search.safeParse(declarations.search?.value);
  return (result.data as SearchOptions | undefined) ?? { method: "grid" };
}

export function countSearchedRuns(axes: readonly Axis[], search: SearchOptions): number {
  const combinations = axes.reduce(
    (product, { values, range }) => product * (range === undefined ? values.length : maxRuns),
    1,
  );
  const runs = search.method === "grid" ? undefined : search.runs;
  return runs === undefined ? combinations : Math.min(runs, combinations);
}

/** The combinations that run. Every one, in the order of the file, where there are no more than are to be drawn. */
export function createPoints(axes: readonly Axis[], search: SearchOptions): Assignment[][] {
  if (search.method === "grid" || search.runs === undefined) return createGrid(axes);
  const hasRange = axes.some(({ range }) => range !== undefined);
  const combinations = axes.reduce((product, { values }) => product * values.length, 1);
  if (!hasRange && combinations <= search.runs) return createGrid(axes);
  return drawPoints(axes, search.runs, search.seed);
}

export function findUnusedSearch(experiment: Experiment, axes: readonly Axis[]): WorkbenchError | undefined {
  if (axes.length > 0 || readSearch(experiment).method === "grid") return undefined;
  return createFault(
    placeSearch(experiment, []),
    "search has nothing to choose from. Add a sweep, such as sweep: {train.learning_rate: {min: 1e-4, max: 1e-2, scale: log}}.",
  );
}

/** What is wrong with the search of one variant; `resolved` is the variant, or a combination of it. */
export function findSearchFaults(
  experiment: Experiment,
  axes: readonly Axis[],
  { actions }: Resolved,
): WorkbenchError[] {
  const search = readSearch(experiment);
  const ranges = axes.filter(({ range }) => range !== undefined);
  if (search.method === "grid")
    return ranges.map(({ path, valuePlace }) =>
      createFault(
        valuePlace,
        `${path} is a range, but a sweep without search runs every combination. Write a list of values, or add search: {method: random, runs: 20}.`,
      ),
    );
  if (search.method === "random") return [];
  const { runs, factor, min_steps: fewest } = search;
  const fail = (key: string, message: string) => [
    createFault(placeSearch(experiment, [key]), `search: ${message}`),
  ];
  if (runs === undefined && ranges.length > 0)
    return fail(
      "method",
      `${ranges[0]!.path} is a range, so halving needs the number of runs. Add runs: 27.`,
    );
  if (runs !== undefined && runs < factor)
    return fail(
      "runs",
      `${runs} runs cannot be divided by the factor ${factor}. Give at least ${factor} runs.`,
    );
  const trains = actions.filter(({ key }) => key === "train");
  if (trains.length !== 1)
    return fail(
      "method",
      `halving compares runs within one train action, and here are ${trains.length}. Use method: random.`,
    );
  const steps = trains[0]!.options["max_steps"];
  if (typeof steps !== "number")
    return fail("method", "halving divides train.max_steps, which is missing. Add it to the train cell.");
  const swept = axes.find(({ path }) => /^train(?:\.\d+)?(?:\.max_steps)?$/.test(path));
  if (swept !== undefined)
    return [
      createFault(
        swept.keyPlace,
        `${swept.path} cannot be swept with halving: all runs need equal max_steps.`,
      ),
    ];
  const measured = axes.find(({ path }) => changesMeasure.test(path));
  if (measured !== undefined)
    return [
      createFault(
        measured.keyPlace,
        `${measured.path} cannot be swept with halving: it changes the text or the way in which the loss is measured, so the losses do not rank the runs. Use method: random.`,
      ),
    ];
  if (steps < factor * (fewest ?? 1))
    return fail(
      fewest === undefined ? "method" : "min_steps",
      `${steps} steps of training cannot be divided by the factor ${factor}${fewest === undefined ? "" : ` into rungs of at least ${fewest} steps`}. Raise train.max_steps${fewest === undefined ? "" : " or lower min_steps"}.`,
    );
  return [];
}

/** Settings whose values give losses that are different quantities. */
const changesMeasure =
  /^(?:data|train(?:\.\d+)?\.data|train(?:\.\d+)?\.(?:mlm_probability|eval_tokens|eval_batches|eval_loss_average))(?:\.|$)/;

function placeSearch({ declarations: { search } }: Experiment, path: readonly string[]): Place {
  return search?.find(path) ?? search?.find([], "key") ?? { setting: "search" };
}

/**
 * Hyperband's bracket (Li et al. 2018, algorithm 1, lines 3 to 9): rung i trains ⌊n·η⁻ⁱ⌋ runs to R·ηⁱ⁻ˢ steps; the last
 * rung is the whole training.
 */
export function computeRungs(
  runs: number,
  steps: number,
  { factor, min_steps: fewest = 1 }: { readonly factor: number; readonly min_steps?: number | undefined },
): HalvingRung[] {
  let divisions = 0;
  while (factor ** (divisions + 1) <= runs && Math.floor(steps / factor ** (divisions + 1)) >= fewest)
    divisions++;
  return Array.from({ length: divisions + 1 }, (_, rung) => ({
    runs: Math.floor(runs / factor ** rung),
    steps: Math.floor(steps / factor ** (divisions - rung)),
  }));
}

/** The runs of one variant as the candidates of a bracket, where the search is by halving. */
export function addBracket(plans: readonly RunPlan[], search: SearchOptions): readonly RunPlan[] {
  if (search.method !== "halving") return plans;
  const steps = plans[0]?.steps.find(({ action }) => action === "train")?.options["max_steps"];
  // A single cell above the training runs as it is.
  if (typeof steps !== "number") return plans;
  const rungs = computeRungs(plans.length, steps, search);
  if (rungs.length === 1) return plans;
  const { metric, factor } = search;
  const content = plans.map(({ experiment, name, seed, device, steps: actions }) => {
    return { experiment, name, seed, device, keys: actions.map(({ key }) => key) };
  });
  const bracket = createHash("sha256")
    .update(toCanonicalJson({ content, rungs, metric }))
    .digest("hex")
    .slice(0, 16);
  return plans.map((plan, candidate) => ({
    ...plan,
    halving: { bracket, candidate, candidates: plans.length, metric, factor, rungs },
  }));
}
