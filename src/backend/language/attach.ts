/** Attaches the results of earlier runs to the cells that they came from. */
import type { RunPlan } from "../../protocol/run";
import type { AttachedRun, Outline } from "../../protocol/service/experiments";
import { canonicalJson, stepKey } from "../experiment/stepKey";
import type { Understood } from "./diagnose";
import { stepCells } from "./stepCells";

/** A run of the experiment's file, with whatever text it had then. */
export interface EarlierRun {
  readonly run: string;
  readonly plan: RunPlan;
  /** ISO 8601. */
  readonly createdAt: string;
}

/** How many runs of a variant are searched for one with unchanged text. */
const mostLookedAt = 20;

/**
 * For each cell and each variant, sweep point and seed of the text: the newest run whose steps depend on nothing that
 * has changed, otherwise the newest run. While the text has faults, its plans are unknown: then the newest runs of
 * the recognizable variants, as results of an earlier text.
 */
export function attach(
  { experiment, plans, faults }: Understood,
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
      : attachTo(plan, stepCells(experiment, plan), candidates.slice(0, mostLookedAt));
  });
}

function attachTo(plan: RunPlan, cells: readonly number[], candidates: readonly EarlierRun[]): AttachedRun[] {
  const candidatesWithSteps = candidates.map((run) => ({ run: run.run, steps: matches(run.plan, plan) }));
  return [...new Set(cells)].flatMap((cell) => {
    const actionCount = cells.filter((each) => each === cell).length;
    const found = candidatesWithSteps.flatMap(({ run, steps }): AttachedRun[] => {
      const cellActions = steps.filter(({ planned }) => cells[planned] === cell);
      if (cellActions.length === 0) return [];
      const stale = cellActions.length < actionCount || cellActions.some(({ equal }) => !equal);
      return [{ run, cell, steps: cellActions.map(({ step }) => step), stale }];
    });
    const best = found.find(({ stale }) => !stale) ?? found[0];
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
    const cells = run.plan.steps.map((_, index) => actions[samePlace(run.plan.steps, index, actions)]?.cell);
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
      Object.hasOwn(plan.sweep, path) && canonicalJson(plan.sweep[path]) === canonicalJson(value),
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
function matches(run: RunPlan, plan: RunPlan): Match[] {
  // Recorded keys include the version of the program, which does not identify the text.
  const keysOf = (of: RunPlan) => of.steps.map((_, index) => stepKey(of, index, { codeVersion: "" }));
  const [ran, means] = [keysOf(run), keysOf(plan)];
  const free = new Set(means.keys());
  const found: Match[] = [];
  for (const [step, key] of ran.entries()) {
    const planned = [...free].find((index) => means[index] === key);
    if (planned === undefined) continue;
    free.delete(planned);
    found.push({ step, planned, equal: true });
  }
  for (const step of run.steps.keys()) {
    if (found.some((match) => match.step === step)) continue;
    const planned = samePlace(run.steps, step, plan.steps);
    if (free.delete(planned)) found.push({ step, planned, equal: false });
  }
  return found.sort((a, b) => a.step - b.step);
}

type Actions = readonly { readonly action: string }[];

/** Maps the second training of one list to the second of the other; -1 if there is none. */
function samePlace(of: Actions, index: number, others: Actions): number {
  const { action } = of[index]!;
  const before = of.slice(0, index).filter((each) => each.action === action).length;
  return [...others.keys()].filter((at) => others[at]!.action === action)[before] ?? -1;
}
