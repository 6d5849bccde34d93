/**
 * Identifies the result of a step by everything it depends on: equal keys mean equal results, so that finished steps
 * are reused.
 */
import { createHash } from "node:crypto";
import type { RunPlan, Step } from "../../protocol/run";
import { changesModel } from "../../schema/cellKeys";

export interface KeyInputs {
  /** Changes with every version of the code that may change a result. */
  readonly codeVersion: string;
  /** Hash of the tokens that the data options lead to, since the content of the named files may change. */
  readonly dataHash?: string;
  /** Hash of the files of `base_model`. */
  readonly baseModelHash?: string;
  /** Hash of the models that are named as teachers. */
  readonly teachersHash?: string;
  /** Hash of the models that are merged with the current one. */
  readonly mergedHash?: string;
}

/**
 * The key of the step at `index`. It includes the earlier steps that change the model; evaluations, exports and
 * reports do not. The device is not included: a result of one device is valid on another.
 */
export function computeStepKey(plan: RunPlan, index: number, inputs: KeyInputs): string {
  const before = plan.steps.slice(0, index).filter(({ action }) => changesModel(action));
  const steps = [...before, ...plan.steps.slice(index, index + 1)];
  const content = {
    code: inputs.codeVersion,
    data: plan.data,
    dataHash: inputs.dataHash,
    model: plan.model,
    baseModel: plan.baseModel,
    baseModelHash: inputs.baseModelHash,
    teachersHash: inputs.teachersHash,
    mergedHash: inputs.mergedHash,
    seed: plan.seed,
    steps: steps.map(({ action, options, earlier }) => ({ action, options, earlier })),
  };
  return createHash("sha256").update(toCanonicalJson(content)).digest("hex");
}

/** The plan with the keys for these inputs. */
export function addStepKeys(plan: RunPlan, inputs: KeyInputs): RunPlan {
  const steps = plan.steps.map((step, index): Step => ({
    ...step,
    key: computeStepKey(plan, index, inputs),
  }));
  return { ...plan, steps };
}

/** JSON that does not depend on the order of keys; keys without a value are left out. */
export function toCanonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(toCanonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value ?? null);
  const entries = Object.entries(value)
    .filter(([, inside]) => inside !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inside]) => `${JSON.stringify(key)}:${toCanonicalJson(inside)}`);
  return `{${entries.join(",")}}`;
}
