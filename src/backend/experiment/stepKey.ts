/** Names the result of a step by everything it depends on: equal keys, equal results, so that finished steps are taken over. */
import { createHash } from "node:crypto";
import type { RunPlan, Step } from "../../protocol/run";

export interface KeyInputs {
  /** Changes with every version of the code that may change a result. */
  readonly codeVersion: string;
  /** Hash of the tokens that the data options led to. The options name files, and their content may change. */
  readonly dataHash?: string;
  /** The same for the files of `base_model`. */
  readonly baseModelHash?: string;
  /** And for the models that are named as teachers. */
  readonly teachersHash?: string;
}

/**
 * The key of the step at `index`. Steps before it count where they change the model; evaluations, exports and reports
 * leave it as it is. The device does not count: a result of one device serves on another.
 */
export function stepKey(plan: RunPlan, index: number, inputs: KeyInputs): string {
  const before = plan.steps
    .slice(0, index)
    .filter(({ action }) => action === "train" || action === "compress");
  const steps = [...before, ...plan.steps.slice(index, index + 1)];
  const content = {
    code: inputs.codeVersion,
    data: plan.data,
    dataHash: inputs.dataHash,
    model: plan.model,
    baseModel: plan.baseModel,
    baseModelHash: inputs.baseModelHash,
    teachersHash: inputs.teachersHash,
    seed: plan.seed,
    steps: steps.map(({ action, options, earlier }) => ({ action, options, earlier })),
  };
  return createHash("sha256").update(canonicalJson(content)).digest("hex");
}

/** The plan with the keys that the inputs give. */
export function withStepKeys(plan: RunPlan, inputs: KeyInputs): RunPlan {
  const steps = plan.steps.map((step, index): Step => ({ ...step, key: stepKey(plan, index, inputs) }));
  return { ...plan, steps };
}

/** JSON whose text does not depend on the order in which keys were written; keys without a value are left out. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value ?? null);
  const entries = Object.entries(value)
    .filter(([, inside]) => inside !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inside]) => `${JSON.stringify(key)}:${canonicalJson(inside)}`);
  return `{${entries.join(",")}}`;
}
