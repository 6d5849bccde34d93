/** The models that the merge steps of a plan name. */
import type { RunPlan, Step } from "../../../protocol/run";
import { mergeMethods } from "../../merging/catalog";
import type { AnyMergeMethod } from "../../merging/mergeMethod";
import { refuseUnlike, refuseUnmergeable } from "../../merging/mergeModels";
import type { ModelShape } from "../../models/model";

export interface Merge {
  readonly method: AnyMergeMethod;
  readonly options: unknown;
  /** The models to merge with the current one, in order. */
  readonly models: readonly string[];
}

/** What a step merges; undefined for other actions. */
export function getMerge({ action, options }: Pick<Step, "action" | "options">): Merge | undefined {
  if (action !== "merge") return undefined;
  const [[name, values]] = Object.entries(options) as [[string, unknown]];
  const method = mergeMethods[name]!;
  const parsed: unknown = method.options.parse(values);
  return { method, options: parsed, models: method.models(parsed) };
}

/** Throws, with the reason, if the current model cannot be merged with the models of a step. */
export function refuseMerge(
  { models }: Merge,
  shape: ModelShape,
  others: ReadonlyMap<string, ModelShape>,
): void {
  refuseUnmergeable(shape, "The current model");
  for (const name of models) refuseUnlike(shape, others.get(name)!, name);
}

/** Reads each model that the steps of a plan merge with the current one. */
export async function readMergedModels<T>(
  { steps }: Pick<RunPlan, "steps">,
  read: (name: string) => Promise<T>,
): Promise<ReadonlyMap<string, T>> {
  const models = new Map<string, T>();
  for (const name of steps.flatMap((step) => getMerge(step)?.models ?? []))
    if (!models.has(name)) models.set(name, await read(name));
  return models;
}
