/** How a model stands against another, from the differences of their seeds: the same words wherever a card compares. */
import type { Estimate } from "../../statistics/studentT";

export const standings = ["better", "as good", "worse", "not decided"] as const;
export type Standing = (typeof standings)[number];

export interface Direction {
  readonly higher_is_better: boolean;
  /** How much worse still counts as equal. */
  readonly tolerance: number;
}

/** By the whole 95 % interval of the differences; one seed decides nothing. */
export function standingOf({ mean, half }: Estimate, { higher_is_better, tolerance }: Direction): Standing {
  if (half === undefined) return "not decided";
  const gain = higher_is_better ? mean : -mean;
  if (gain - half > 0) return "better";
  if (-gain + half <= tolerance) return "as good";
  return -gain - half > tolerance ? "worse" : "not decided";
}
