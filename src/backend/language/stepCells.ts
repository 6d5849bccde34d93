/** Maps each step of a plan to its cell, and so the results of a run to the notebook. */
import { toCanonicalJson } from "../experiment/stepKey";
import { listAxes } from "../experiment/axes";
import type { Experiment } from "../experiment/experiment";
import { resolve } from "../experiment/resolve";
import type { RunPlan } from "../../protocol/run";

/** `plan` is one of the plans of the current text. */
export function findStepCells(experiment: Experiment, plan: RunPlan): readonly number[] {
  const variant = plan.variant === "" ? undefined : plan.variant;
  const sweep = listAxes(experiment, variant).flatMap((axis) => {
    const { path, values, range, keyPlace, valuePlace } = axis;
    if (!Object.hasOwn(plan.sweep, path)) return [];
    const value = plan.sweep[path];
    if (range !== undefined) return [{ path, value, keyPlace, valuePlace }];
    const sweptValue = toCanonicalJson(value);
    return values.filter((each) => toCanonicalJson(each.value) === sweptValue).slice(0, 1);
  });
  const { resolved } = resolve(experiment, { variant, sweep });
  return resolved.actions.slice(0, plan.steps.length).map(({ cell }) => cell);
}
