/** Expands an experiment into runs, variants by sweep points by seeds, with everything filled in and checked. */
import { posix } from "node:path";
import { removeExperimentEnding } from "../../protocol/fileName";
import { InvalidInput, type WorkbenchError } from "../../protocol/errors";
import type { RunPlan, Step } from "../../protocol/run";
import type { Scheduler } from "../../protocol/scheduler";
import type { Assignment } from "./applyAssignment";
import { selectRelevantAxes, affectsRun, listVariantNames } from "./branches";
import { removeEarlyTeachers } from "./crossChecks";
import type { Experiment, Resolved } from "./experiment";
import { createFault, createUnknownWordFault } from "./faults";
import { isMap, type PlainMap } from "./plainMap";
import { resolve } from "./resolve";
import { createRunName } from "./runName";
import { selectScale } from "./scales";
import { addBracket, createPoints, findSearchFaults, readSearch } from "./search";
import { addStepKeys } from "./stepKey";

export interface PlanOptions {
  readonly codeVersion: string;
  /** The path of the experiment in plans, if messages use another: relative to the workspace. */
  readonly file?: string;
  /** Only this variant. */
  readonly variant?: string;
  /**
   * Values by path, as `--set` specifies them. They override the file and remove their path from the sweep; `scale`
   * is chosen first.
   */
  readonly set?: Readonly<Record<string, unknown>>;
  readonly seed?: number;
  readonly device?: string;
  /** Processes on each machine. */
  readonly parallelProcesses?: number;
  /** What started this process on several machines, for experiments with `parallel`. */
  readonly scheduler?: Scheduler;
  /** Leaves out the actions of later cells, to run a single cell of a notebook. */
  readonly throughCell?: number;
}

/** All runs of an experiment in execution order. Throws one `InvalidInput` with all faults of any run. */
export function planRuns(original: Experiment, options: PlanOptions): RunPlan[] {
  const scale = options.set?.["scale"];
  const experiment =
    scale === undefined ? original : selectScale(original, scale, { setting: "--set scale" });
  const names = listVariantNames(experiment);
  const { variant: onlyVariant } = options;
  if (onlyVariant !== undefined && !names.includes(onlyVariant))
    throw new InvalidInput([
      names.length === 0
        ? createFault(
            { setting: `--variant ${onlyVariant}` },
            `${experiment.file} has no variants. Leave the option out.`,
          )
        : createUnknownWordFault({ setting: "--variant" }, "variant", onlyVariant, names),
    ]);

  const file = (options.file ?? experiment.file).replaceAll("\\", "/");
  const settings = listAssignments(experiment, options);
  const set = new Set(settings.map(({ path }) => path));
  const search = readSearch(experiment);
  const variants = onlyVariant !== undefined ? [onlyVariant] : names.length > 0 ? names : [undefined];
  const faults = new Map<string, WorkbenchError>();
  const plans: RunPlan[] = [];
  for (const variant of variants) {
    const axes = selectRelevantAxes(experiment, variant).filter(({ path }) => !set.has(path));
    const keys = new Set<string>();
    const candidates: RunPlan[] = [];
    for (const point of createPoints(axes, search)) {
      const { resolved, faults: branchFaults } = resolve(experiment, { variant, sweep: point, settings });
      const pointFaults =
        branchFaults.length > 0 ? branchFaults : findSearchFaults(experiment, axes, resolved);
      for (const each of pointFaults) faults.set(each.message, each);
      if (pointFaults.length > 0) continue;
      const steps = createSteps(resolved, options.throughCell ?? Infinity);
      const sweep = point.filter(({ path }) => affectsRun(path, steps));
      const relevant = sweep.filter(({ path }) =>
        axes.some((axis) => axis.values.length > 1 && axis.path === path),
      );
      const name = createRunName(
        getExperimentName(experiment, file),
        names.length > 1 ? variant : undefined,
        relevant,
      );
      // A variant without the swept action gives the same run at every point of that axis.
      const key = JSON.stringify(sweep.map(({ path, value }) => [path, value]));
      if (keys.has(key)) continue;
      keys.add(key);
      const plan = createPlan(experiment, resolved, { name, file, variant: variant ?? "", sweep, steps });
      candidates.push(addStepKeys(plan, { codeVersion: options.codeVersion }));
    }
    plans.push(...addBracket(candidates, search));
  }
  if (faults.size > 0) throw new InvalidInput([...faults.values()]);
  return makeNamesUnique(plans);
}

function listAssignments(experiment: Experiment, options: PlanOptions): Assignment[] {
  const others = Object.entries(options.set ?? {}).filter(([path]) => path !== "scale");
  const assignments = others.map(([path, value]): Assignment => {
    const place = { setting: `--set ${path}` };
    return { path, value, keyPlace: place, valuePlace: place };
  });
  const overrides = (["seed", "device"] as const).flatMap((path): Assignment[] => {
    const place = { setting: `--${path}` };
    const value = options[path];
    return value === undefined ? [] : [{ path, value, keyPlace: place, valuePlace: place }];
  });
  return [...assignments, ...overrides, ...listParallelAssignments(experiment, options)];
}

/** The number of processes on the command line, and the machines of a scheduler, which only affect experiments with `parallel`. */
function listParallelAssignments(
  { declarations }: Experiment,
  { parallelProcesses, scheduler, set = {} }: PlanOptions,
): Assignment[] {
  const assign = (key: string, value: unknown, setting: string): Assignment => {
    const place = { setting };
    return { path: `parallel.${key}`, value, keyPlace: place, valuePlace: place };
  };
  const one = { setting: "--parallel-processes" };
  if (parallelProcesses === 1) return [{ path: "parallel", value: null, keyPlace: one, valuePlace: one }];
  const processes =
    parallelProcesses === undefined ? [] : [assign("processes", parallelProcesses, "--parallel-processes")];
  const isSet = Object.keys(set).some((path) => path.split(".", 1)[0] === "parallel");
  if (scheduler === undefined || (declarations.parallel === undefined && processes.length === 0 && !isSet))
    return processes;
  const { name, nodes, rendezvous, processes: started } = scheduler;
  return [
    ...processes,
    ...(started === undefined ? [] : [assign("processes", started, name)]),
    assign("nodes", nodes, name),
    ...(nodes === 1 ? [] : [assign("rendezvous", rendezvous, name)]),
  ];
}

function createSteps(resolved: Resolved, lastCell: number): Step[] {
  return removeEarlyTeachers(resolved)
    .filter(({ cell }) => cell <= lastCell)
    .map(({ key, options }, index) => ({ index, action: key, options, key: "" }));
}

interface PlanParts {
  readonly name: string;
  readonly file: string;
  readonly variant: string;
  readonly sweep: readonly Assignment[];
  readonly steps: readonly Step[];
}

function createPlan(experiment: Experiment, resolved: Resolved, planParts: PlanParts): RunPlan {
  const { data, model, baseModel, seed, device, parallel } = resolved;
  const { name, file, variant, sweep, steps } = planParts;
  const paper = experiment.declarations.paper?.value;
  return {
    experiment: file,
    name,
    folder: resolveFolder(experiment, file),
    variant,
    ...(experiment.scale === undefined ? {} : { scale: experiment.scale }),
    sweep: Object.fromEntries(sweep.map(({ path, value }) => [path, value])),
    seed,
    device,
    ...(parallel === undefined ? {} : { parallel }),
    data,
    model,
    baseModel,
    ...(isMap(paper) ? { paper: experiment.schema.shape.paper.parse(paper) as PlainMap } : {}),
    steps,
  };
}

function getExperimentName({ declarations: { name }, scale }: Experiment, file: string): string {
  if (typeof name?.value === "string") return name.value;
  const baseName = removeExperimentEnding(posix.basename(file));
  return scale === undefined ? baseName : `${baseName}-${scale}`;
}

/** The folder of the file, or the one it names, with forward slashes, which every platform reads. */
function resolveFolder({ declarations: { folder } }: Experiment, file: string): string {
  const fileFolder = posix.dirname(file);
  if (typeof folder?.value !== "string") return fileFolder;
  const overrides = folder.value.replaceAll("\\", "/");
  const absolute = posix.isAbsolute(overrides) || /^[a-z]:\//i.test(overrides);
  return absolute ? posix.normalize(overrides) : posix.join(fileFolder, overrides);
}

function makeNamesUnique(plans: readonly RunPlan[]): RunPlan[] {
  const counts = new Map<string, number>();
  return plans.map((plan) => {
    const count = (counts.get(plan.name) ?? 0) + 1;
    counts.set(plan.name, count);
    return count === 1 ? plan : { ...plan, name: `${plan.name}-${count}` };
  });
}
