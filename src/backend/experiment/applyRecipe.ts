/**
 * Fills in the values of a recipe below everything that the cells, the variant, the sweep and the settings specify.
 */
import { type RecipeName, recipeAlternatives, recipes } from "../../schema/recipe";
import type { Assignment } from "./applyAssignment";
import type { Branch, Part } from "./parts";
import { isMap, mergeMaps, type PlainMap } from "./plainMap";

/** The recipe of a branch: the last contributor decides. An unknown recipe is reported where values are checked. */
export function findRecipe(
  { experiment }: Branch,
  variantName: string | undefined,
  assignments: readonly Assignment[],
): RecipeName | undefined {
  const { recipe, variants } = experiment.declarations;
  const variant = isMap(variants?.value) ? variants.value[variantName ?? ""] : undefined;
  const candidates: unknown[] = [recipe?.value];
  if (isMap(variant) && variant.recipe !== undefined) candidates.push(variant.recipe);
  for (const { path, value } of assignments) if (path === "recipe") candidates.push(value);
  const name = candidates.at(-1);
  return typeof name === "string" && Object.hasOwn(recipes, name) ? (name as RecipeName) : undefined;
}

/**
 * Puts the recipe below the values of the parts. Returns the parts, including those of `processed`, which are skipped.
 */
export function applyRecipe(
  branch: Branch,
  name: RecipeName | undefined,
  processed: ReadonlySet<Part> = new Set(),
): ReadonlySet<Part> {
  if (name === undefined) return processed;
  const parts = listRecipeParts(branch).filter((part) => !processed.has(part));
  for (const part of parts) part.value = mergeMaps(recipes[name][part.key], part.value);
  return new Set([...processed, ...parts]);
}

/** Drops an option of the recipe for which a contributor uses an alternative. */
export function dropOverriddenOptions(branch: Branch, name: RecipeName | undefined): void {
  if (name === undefined) return;
  for (const part of listRecipeParts(branch)) {
    const { key, value } = part;
    if (!isMap(value)) continue;
    const recipe: PlainMap = recipes[name][key];
    part.value = Object.fromEntries(
      Object.entries(value).filter(([option, optionValue]) => {
        const alternatives = recipeAlternatives[key][option] ?? [];
        return optionValue !== recipe[option] || !alternatives.some((alternative) => alternative in value);
      }),
    );
  }
}

type RecipePart = Part & { readonly key: "data" | "train" };

function listRecipeParts({ declarations, actions }: Branch): RecipePart[] {
  const data = declarations.get("data");
  const parts = data === undefined ? actions : [data, ...actions];
  return parts.filter((part): part is RecipePart => part.key === "data" || part.key === "train");
}
