/** The settings in which plans differ, as flat paths such as `train.learning_rate`. Equal settings are left out. */
import type { RunPlan } from "../../../protocol/run";

export type SettingValue = string | number | boolean | null;

export interface Differences {
  readonly keys: readonly string[];
  readonly values: readonly (readonly SettingValue[])[];
}

/** A plan that can't be read has no settings. */
export function computeDifferences(plans: readonly (RunPlan | undefined)[]): Differences {
  const repeated = findRepeatedActions(plans);
  const flat = plans.map((plan) =>
    plan === undefined ? new Map<string, SettingValue>() : listSettings(plan, repeated),
  );
  const all = [...new Set(flat.flatMap((settings) => [...settings.keys()]))];
  const value = (settings: ReadonlyMap<string, SettingValue>, key: string) => settings.get(key) ?? null;
  const keys = all.filter((key) => new Set(flat.map((settings) => value(settings, key))).size > 1);
  return { keys, values: flat.map((settings) => keys.map((key) => value(settings, key))) };
}

/** Actions that some plan contains more than once: their paths are then numbered, like those of settings. */
function findRepeatedActions(plans: readonly (RunPlan | undefined)[]): ReadonlySet<string> {
  return new Set(
    plans.flatMap((plan) => {
      const actions = (plan?.steps ?? []).map(({ action }) => action);
      return actions.filter((action, i) => actions.indexOf(action) !== i);
    }),
  );
}

function listSettings(plan: RunPlan, repeated: ReadonlySet<string>): ReadonlyMap<string, SettingValue> {
  const settings = new Map<string, SettingValue>();
  const { data, model, baseModel, device, parallel, seed, steps } = plan;
  flatten(settings, "data", data);
  flatten(settings, "base_model", baseModel);
  flatten(settings, "model", model);
  flatten(settings, "device", device);
  flatten(settings, "parallel", parallel);
  flatten(settings, "seed", seed);
  const counts = new Map<string, number>();
  for (const { action, options } of steps) {
    const place = counts.get(action) ?? 0;
    counts.set(action, place + 1);
    const path = repeated.has(action) ? `${action}.${place}` : action;
    // An action without options also differs from a plan that lacks it.
    if (Object.keys(options).length === 0) settings.set(path, true);
    flatten(settings, path, options);
  }
  return settings;
}

function flatten(settings: Map<string, SettingValue>, path: string, value: unknown): void {
  if (value === undefined) return;
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    for (const [key, entry] of Object.entries(value)) flatten(settings, `${path}.${key}`, entry);
    return;
  }
  const plain = value === null || ["string", "number", "boolean"].includes(typeof value);
  settings.set(path, plain ? (value as SettingValue) : JSON.stringify(value));
}
