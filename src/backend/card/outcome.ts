/** Ranks a model against another from the differences of their seeds, in the same words wherever a card compares. */
import { findGoal } from "../../schema/goal";
import type { Estimate } from "../../statistics/studentT";

export const outcomes = ["better", "as good", "worse", "not decided"] as const;
export type Outcome = (typeof outcomes)[number];

export interface Direction {
  readonly quantity: string;
  /** If undefined, as the metric of the quantity declares it. */
  readonly higher_is_better?: boolean | undefined;
  /** How much worse still counts as equal. */
  readonly tolerance: number;
}

export function isHigherBetter({ quantity, higher_is_better }: Omit<Direction, "tolerance">): boolean {
  return higher_is_better ?? findGoal(quantity) === "maximize";
}

/** Uses the whole 95 % interval of the differences; one seed decides nothing. */
export function decideOutcome({ mean, half }: Estimate, direction: Direction): Outcome {
  if (half === undefined) return "not decided";
  const { tolerance } = direction;
  const gain = isHigherBetter(direction) ? mean : -mean;
  if (gain - half > 0) return "better";
  if (-gain + half <= tolerance) return "as good";
  return -gain - half > tolerance ? "worse" : "not decided";
}
