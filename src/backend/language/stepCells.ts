/** Maps each step of a plan to its cell, and so the results of a run to the notebook. */
import { toCanonicalJson } from "../experiment/stepKey";
import { listAxes } from "../experiment/branches";
import type { Experiment } from "../experiment/experiment";
import { resolve } from "../experiment/resolve";
import type { RunPlan } from "../../protocol/run";

/** `plan` is one of the plans of the current text. */
export function findStepCells(experiment: Experiment, plan: RunPlan): readonly number[] {
  const variant = plan.variant === "" ? undefined : plan.variant;
  const sweep = listAxes(experiment, variant).flatMap((axis) => {
    const path = axis[0]?.path ?? "";
    if (!Object.hasOwn(plan.sweep, path)) return [];
    const sweptValue = toCanonicalJson(plan.sweep[path]);
    return axis.filter(({ value }) => toCanonicalJson(value) === sweptValue).slice(0, 1);
  });
  const { resolved } = resolve(experiment, { variant, sweep });
  return resolved.actions.slice(0, plan.steps.length).map(({ cell }) => cell);
}
