/** Attaches the results of earlier runs to the cells that they came from. */
import type { RunPlan } from "../../protocol/run";
import type { AttachedRun, Outline } from "../../protocol/service/experiments";
import { toCanonicalJson, computeStepKey } from "../experiment/stepKey";
import type { ExperimentAnalysis } from "./diagnose";
import { findStepCells } from "./stepCells";

/** A run of the experiment's file, with whatever text it had then. */
export interface EarlierRun {
  readonly run: string;
  readonly plan: RunPlan;
  /** ISO 8601. */
  readonly createdAt: string;
}

/** How many runs of a variant are searched for one with unchanged text. */
const maxCandidates = 20;

/**
 * For each cell and each variant, sweep point and seed of the text: the newest run whose steps depend on nothing that
 * has changed, otherwise the newest run. While the text has faults, its plans are unknown: then the newest runs of
 * the recognizable variants, as results of an earlier text.
 */
export function attach(
  { experiment, plans, faults }: ExperimentAnalysis,
  outline: Outline,
  runs: readonly EarlierRun[],
): AttachedRun[] {
  const branches = new Map<string, EarlierRun[]>();
  const branchOf = ({ variant, seed, scale }: RunPlan) => JSON.stringify([variant, seed, scale]);
  for (const run of [...runs].sort((a, b) => b.createdAt.localeCompare(a.createdAt))) {
    const branch = branches.get(branchOf(run.plan));
    if (branch === undefined) branches.set(branchOf(run.plan), [run]);
    else branch.push(run);
  }
  if (faults.length > 0) return attachByOutline(outline, [...branches.values()]);
  return plans.flatMap((plan) => {
    const candidates = (branches.get(branchOf(plan)) ?? []).filter((run) => isSamePoint(run.plan, plan));
    return candidates.length === 0
      ? []
      : attachTo(plan, findStepCells(experiment, plan), candidates.slice(0, maxCandidates));
  });
}

function attachTo(plan: RunPlan, cells: readonly number[], candidates: readonly EarlierRun[]): AttachedRun[] {
  const candidatesWithSteps = candidates.map((run) => ({ run: run.run, steps: matchSteps(run.plan, plan) }));
  return [...new Set(cells)].flatMap((cell) => {
    const actionCount = cells.filter((each) => each === cell).length;
    const attachedRuns = candidatesWithSteps.flatMap(({ run, steps }): AttachedRun[] => {
      const cellActions = steps.filter(({ planned }) => cells[planned] === cell);
      if (cellActions.length === 0) return [];
      const stale = cellActions.length < actionCount || cellActions.some(({ equal }) => !equal);
      return [{ run, cell, steps: cellActions.map(({ step }) => step), stale }];
    });
    const best = attachedRuns.find(({ stale }) => !stale) ?? attachedRuns[0];
    return best === undefined ? [] : [best];
  });
}

function attachByOutline(outline: Outline, branches: readonly (readonly EarlierRun[])[]): AttachedRun[] {
  const variants = outline.variants.map(({ name }) => name);
  const actions = outline.cells.flatMap(({ index, actions: cellActions }) =>
    cellActions.map((action) => ({ cell: index, action })),
  );
  return branches.flatMap(([run]) => {
    if (run === undefined || !(variants.length === 0 ? [""] : variants).includes(run.plan.variant)) return [];
    const cells = run.plan.steps.map(
      (_, index) => actions[findSamePosition(run.plan.steps, index, actions)]?.cell,
    );
    return [...new Set(cells)].flatMap((cell): AttachedRun[] => {
      if (cell === undefined) return [];
      const steps = [...cells.keys()].filter((index) => cells[index] === cell);
      return [{ run: run.run, cell, steps, stale: true }];
    });
  });
}

/** Sweep points that differ only in later cells count as the same for a run that ended before those cells. */
function isSamePoint(run: RunPlan, plan: RunPlan): boolean {
  return Object.entries(run.sweep).every(
    ([path, value]) =>
      Object.hasOwn(plan.sweep, path) && toCanonicalJson(plan.sweep[path]) === toCanonicalJson(value),
  );
}

interface Match {
  /** Index in the run's plan. */
  readonly step: number;
  /** Index in the plan of the current text. */
  readonly planned: number;
  readonly equal: boolean;
}

/** Steps with equal keys match; of the rest, the same action at the same position. */
function matchSteps(run: RunPlan, plan: RunPlan): Match[] {
  // Recorded keys include the version of the program, which does not identify the text.
  const computeKeys = (of: RunPlan) =>
    of.steps.map((_, index) => computeStepKey(of, index, { codeVersion: "" }));
  const [runKeys, planKeys] = [computeKeys(run), computeKeys(plan)];
  const free = new Set(planKeys.keys());
  const stepMatches: Match[] = [];
  for (const [step, key] of runKeys.entries()) {
    const planned = [...free].find((index) => planKeys[index] === key);
    if (planned === undefined) continue;
    free.delete(planned);
    stepMatches.push({ step, planned, equal: true });
  }
  for (const step of run.steps.keys()) {
    if (stepMatches.some((match) => match.step === step)) continue;
    const planned = findSamePosition(run.steps, step, plan.steps);
    if (free.delete(planned)) stepMatches.push({ step, planned, equal: false });
  }
  return stepMatches.sort((a, b) => a.step - b.step);
}

type Actions = readonly { readonly action: string }[];

/** Maps the second training of one list to the second of the other; -1 if there is none. */
function findSamePosition(of: Actions, index: number, others: Actions): number {
  const { action } = of[index]!;
  const before = of.slice(0, index).filter((each) => each.action === action).length;
  return [...others.keys()].filter((at) => others[at]!.action === action)[before] ?? -1;
}
