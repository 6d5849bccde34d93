/** Plans how many slots each layer's table has. */
import { type Budget, resolveBudgets } from "./budget";
import type { ChosenPolicy, LayerTable } from "./compactCache";

/** The table of a layer, and the tokens that it keeps of a text. */
export interface LayerPlan extends LayerTable {
  readonly budget: number;
}

/**
 * Plans the layers for prompts of these lengths, in texts that grow to `positions` tokens. Throws if the budget is too small
 * for the tokens that the policy always keeps.
 */
export function planLayers(
  { policy, options }: ChosenPolicy,
  layers: number,
  positions: number,
  prompts: readonly number[],
): LayerPlan[] {
  const budgets =
    policy.keepsAll === true
      ? new Array<number>(layers).fill(positions)
      : resolveBudgets((options as { readonly budget: Budget }).budget, layers, positions);
  return budgets.map((budget) => {
    const protect = policy.protect(options, budget);
    if (budget >= positions) return { budget, protect, slots: positions };
    if (policy.keepsGenerated !== true) return { budget, protect, slots: budget + 1 };
    const kept = prompts.map((length) => Math.min(length, budget) + positions - length);
    return { budget, protect, slots: Math.max(...kept) };
  });
}
