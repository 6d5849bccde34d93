/** The recent tokens that policies with scores keep whatever their scores are. */
import * as z from "zod";

export const recentKey = {
  recent: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe("Share of the budget for the most recent tokens, which are always kept."),
};

/** Number of recent tokens, rounded down. */
export function countRecent({ recent }: { readonly recent: number }, budget: number): number {
  return Math.floor(recent * budget);
}
