/** How many tokens a policy keeps, as a share of the text or as a number, and which of them are always kept. */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { Protected } from "./policy";

const amount = z
  .number()
  .positive()
  .refine((value) => value <= 1 || Number.isInteger(value), {
    error: "write a share up to 1, or a whole number of tokens from 2 on",
  });

/** The key that all policies with a budget have. */
export const budgetKey = {
  budget: z
    .union([amount, z.array(amount).min(1)])
    .default(0.25)
    .describe(
      "Tokens that each head keeps: a share of the longest text up to 1, or a number of tokens from 2 on. A list has one entry for each layer.",
    ),
};
export type Budget = number | readonly number[];

/** Tokens that each layer keeps of a text of `tokens` tokens, all of them at most. Throws if a list has another length. */
export function resolveBudgets(budget: Budget, layers: number, tokens: number): number[] {
  if (typeof budget !== "number" && budget.length !== layers)
    throw new WorkbenchError(
      "invalid-input",
      `The budget of the cache has ${budget.length} ${budget.length === 1 ? "entry" : "entries"}, but the model has ${layers} layers. Write one for each, or a single number.`,
    );
  return Array.from({ length: layers }, (_, layer) => {
    const each = typeof budget === "number" ? budget : budget[layer]!;
    return Math.min(tokens, each <= 1 ? Math.max(1, Math.floor(each * tokens)) : each);
  });
}

/** Refuses a budget that cannot hold the tokens which are always kept. */
export function requireRoom(policy: string, budget: number, { sinks, recent }: Protected): Protected {
  if (sinks + recent <= budget) return { sinks, recent };
  const parts = [
    ...(sinks === 0 ? [] : [`${sinks} sink ${sinks === 1 ? "token" : "tokens"}`]),
    ...(recent === 0 ? [] : [`${recent} recent ${recent === 1 ? "token" : "tokens"}`]),
  ];
  throw new WorkbenchError(
    "invalid-input",
    `The budget of ${policy} is ${budget} ${budget === 1 ? "token" : "tokens"}, which has no room for ${parts.join(" and ")}. Raise the budget to at least ${sinks + recent}, or keep fewer.`,
  );
}
