/**
 * Assembles the cells with one variant, one sweep point and the settings of a command line, then checks the result.
 */
import type { BaseModel } from "../../schema/baseModel";
import type { WorkbenchError } from "../../protocol/errors";
import type { ActionKey } from "../../schema/cellKeys";
import type { ParallelOptions } from "../../schema/parallel";
import { applyAssignment, type Assignment } from "./applyAssignment";
import { applyRecipe, dropOverriddenOptions, findRecipe } from "./applyRecipe";
import { applyVariant } from "./applyVariant";
import { findCrossFaults } from "./crossChecks";
import type { Experiment, Resolved } from "./experiment";
import { createFault } from "./faults";
import { type Branch, branchable, checkModel, checkPart, locateIn, createPart } from "./parts";
import { isMap, type PlainMap } from "./plainMap";

export interface Choice {
  readonly variant?: string | undefined;
  readonly sweep?: readonly Assignment[];
  readonly settings?: readonly Assignment[];
}

export function resolve(
  experiment: Experiment,
  choice: Choice,
): { resolved: Resolved; faults: WorkbenchError[] } {
  const branch: Branch = { experiment, declarations: new Map(), actions: [], faults: [] };
  const { declarations, faults } = branch;
  for (const key of branchable) {
    const section = experiment.declarations[key];
    if (section !== undefined) declarations.set(key, createPart(section, faults));
  }
  branch.actions = experiment.actions.map((action) => createPart(action, faults));
  const assignments = [...(choice.sweep ?? []), ...(choice.settings ?? [])];
  const recipe = findRecipe(branch, choice.variant, assignments);
  // Applied below the cells, so that a variant's null removes a value of the recipe.
  const treated = applyRecipe(branch, recipe);
  if (choice.variant !== undefined) applyVariant(branch, choice.variant);
  for (const assignment of assignments) applyAssignment(branch, assignment);
  // Also applied to parts that only the variant or a setting adds.
  applyRecipe(branch, recipe, treated);
  dropOverriddenOptions(branch, recipe);
  checkPart(branch, declarations.get("recipe"));

  const { actions } = branch;
  const data = checkPart(branch, declarations.get("data")) as PlainMap | undefined;
  const resolved: Resolved = {
    data,
    model: checkModel(branch, declarations.get("model"), data !== undefined),
    baseModel: checkPart(branch, declarations.get("base_model")) as BaseModel | undefined,
    device: (checkPart(branch, declarations.get("device")) as string | undefined) ?? "auto",
    parallel: checkPart(branch, declarations.get("parallel")) as ParallelOptions | undefined,
    seed: (checkPart(branch, declarations.get("seed")) as number | undefined) ?? 0,
    actions: actions.map((part) => {
      const options = checkPart(branch, part);
      return { key: part.key as ActionKey, cell: part.cell, options: isMap(options) ? options : {} };
    }),
  };
  // Rules between cells are meaningful only if every cell is valid by itself.
  if (faults.length > 0) return { resolved, faults };
  for (const { subject, path, message } of findCrossFaults(resolved)) {
    const part = typeof subject === "number" ? actions[subject] : declarations.get(subject);
    if (part === undefined) continue;
    const where = choice.variant === undefined ? "" : ` (variant ${choice.variant})`;
    const name = [part.key, ...path].join(".");
    faults.push(createFault(locateIn(part)(path, "value"), `${name} ${message}${where}.`));
  }
  return { resolved, faults };
}
