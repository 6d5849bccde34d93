/** The runs of an experiment on the command line, stored where `lathe runs` looks if that folder is above the file. */
import { loadPlans, type PlanChoice, type Plans } from "../backend/runs/planning/loadPlans";
import { findWorkspaceAround } from "../backend/runs/folder/runLocation";
import { readScheduler } from "../backend/engine/torch/readScheduler";
import type { SchemaCatalog } from "../schema/experiment";

export function loadPlansFromHere(file: string, choice: PlanChoice, catalog: SchemaCatalog): Promise<Plans> {
  return loadPlans(
    file,
    { scheduler: readScheduler(), ...choice, opened: [findWorkspaceAround(process.cwd())] },
    catalog,
  );
}
