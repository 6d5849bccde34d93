/** Plans how many slots the tables of each layer have. */
import { WorkbenchError } from "../../protocol/errors";
import type { Dimensions } from "../models/family";
import { type Budget, resolveBudgets } from "./budget";
import type { ChosenPolicy, HeadTable } from "./compactCache";
import type { HeadLists } from "./policy";

/** The table of some heads, and the tokens that it keeps of a text. */
export interface HeadPlan extends HeadTable {
  readonly budget: number;
}

export interface LayerPlan {
  readonly groups: readonly HeadPlan[];
}

/**
 * Plans the layers for prompts of these lengths, in texts that grow to `positions` tokens. Heads that keep all tokens are a
 * group of their own, unless all heads do. Throws if the budget is too small for the tokens that the policy always keeps, or
 * if the model does not have the heads.
 */
export function planLayers(
  chosen: ChosenPolicy,
  { layers, kvHeads }: Pick<Dimensions, "layers" | "kvHeads">,
  positions: number,
  prompts: readonly number[],
): LayerPlan[] {
  const { policy, options, heads: retrieval } = chosen;
  if (retrieval !== undefined) checkHeads(retrieval, layers, kvHeads);
  const round = (slots: number) => roundSlots(slots, chosen.store);
  return resolveTokens(chosen, layers, positions).map((budget, layer) => {
    const all = Array.from({ length: kvHeads }, (_, head) => head);
    const full = {
      budget: positions,
      protect: { sinks: 0, recent: positions },
      slots: round(positions),
      hasMean: false,
    };
    const protect = policy.protect(options, budget);
    if (budget >= positions) return { groups: [{ ...full, protect, heads: all }] };
    const hasMean = policy.keepsMean?.(options) === true;
    const generated = prompts.map((length) => Math.min(length, budget) + positions - length);
    if (policy.keepsGenerated !== true) refuseStore(chosen);
    const slots = policy.keepsGenerated === true ? round(Math.max(...generated)) : budget + (hasMean ? 2 : 1);
    const keepsAll = new Set(retrieval?.[layer]);
    const groups: HeadPlan[] = [
      { ...full, heads: all.filter((head) => keepsAll.has(head)) },
      { budget, protect, slots, hasMean, heads: all.filter((head) => !keepsAll.has(head)) },
    ];
    return { groups: groups.filter(({ heads }) => heads.length > 0) };
  });
}

/** Quantized tables have whole groups of tokens. */
function roundSlots(slots: number, store: ChosenPolicy["store"]): number {
  return store === undefined ? slots : Math.ceil(slots / store.group_size) * store.group_size;
}

function refuseStore({ store }: ChosenPolicy): void {
  if (store === undefined) return;
  throw new WorkbenchError(
    "unsupported",
    "inference.cache.quantized rounds keys in groups of tokens, and this policy overwrites single tokens of them. Use it alone, with snapkv or kvcrush, or with a budget for the whole text.",
  );
}

/** Refuses a form of keys and values that heads of this width cannot have. */
export function checkStore({ headDim }: Pick<Dimensions, "headDim">, store: ChosenPolicy["store"]): void {
  if (store === undefined) return;
  const channels = Math.min(store.group_size, headDim);
  if (headDim % channels !== 0)
    throw new WorkbenchError(
      "unsupported",
      `inference.cache.quantized.group_size is ${store.group_size}, which does not divide the ${headDim} channels of a head. Set it to a divisor of ${headDim}, or to at least ${headDim}.`,
    );
  if ((headDim * store.bits) % 8 !== 0)
    throw new WorkbenchError(
      "unsupported",
      `The ${headDim} channels of a head do not fill whole bytes with ${store.bits} bits each. Set inference.cache.quantized.bits to 8.`,
    );
}

/** Tokens that the heads of each layer keep. */
function resolveTokens({ policy, options }: ChosenPolicy, layers: number, positions: number): number[] {
  if (policy.keepsAll === true) return new Array<number>(layers).fill(positions);
  if (policy.countTokens === undefined)
    return resolveBudgets((options as { readonly budget: Budget }).budget, layers, positions);
  return new Array<number>(layers).fill(Math.min(positions, policy.countTokens(options, positions)));
}

function checkHeads(lists: HeadLists, layers: number, kvHeads: number): void {
  if (lists.length !== layers)
    throw new WorkbenchError(
      "invalid-input",
      `inference.cache lists the heads of ${lists.length} ${lists.length === 1 ? "layer" : "layers"}, but the model has ${layers}. Write one list for each layer, empty where no head keeps all tokens.`,
    );
  for (const [layer, heads] of lists.entries())
    for (const head of heads)
      if (head >= kvHeads)
        throw new WorkbenchError(
          "invalid-input",
          `inference.cache lists head ${head} of layer ${layer}, but the model has ${kvHeads} key-value ${kvHeads === 1 ? "head" : "heads"} in each layer, numbered from 0.`,
        );
}
