/**
 * Writes a plan as `config.resolved.yaml`: an experiment of one run that gives the same plan when it is parsed again.
 */
import { Document } from "yaml";
import type { RunPlan } from "../../protocol/run";

export interface ResolvedYamlOptions {
  /** The plan's folder relative to the location of the file. */
  readonly folder: string;
}

/** All changes have been applied, so each scale is empty; the paper names the scale of its numbers. */
function createScales({ scale, paper }: RunPlan): object {
  if (scale === undefined) return {};
  const names = [scale, paper?.["scale"]].filter((name) => typeof name === "string");
  return { scale, scales: Object.fromEntries(names.map((name) => [name, {}])) };
}

export function writeResolvedYaml(plan: RunPlan, { folder }: ResolvedYamlOptions): string {
  const sweep = Object.entries(plan.sweep).map(([path, value]) => [path, [value]]);
  const head = {
    name: plan.name,
    folder,
    seed: plan.seed,
    device: plan.device,
    ...(plan.parallel === undefined ? {} : { parallel: plan.parallel }),
    ...createScales(plan),
    ...(plan.variant === "" ? {} : { variants: { [plan.variant]: {} } }),
    ...(sweep.length === 0 ? {} : { sweep: Object.fromEntries(sweep) as unknown }),
  };
  const cells: unknown[] = [head];
  if (plan.paper !== undefined) cells.push({ paper: plan.paper });
  if (plan.data !== undefined) cells.push({ data: plan.data });
  if (plan.model !== undefined) cells.push({ model: plan.model });
  if (plan.baseModel !== undefined) cells.push({ base_model: plan.baseModel });
  for (const { action, options } of plan.steps) cells.push({ [action]: options });
  return cells
    .map((cell) => new Document(cell, { aliasDuplicateObjects: false }).toString({ lineWidth: 0 }))
    .join("---\n");
}
