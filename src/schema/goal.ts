/** Which way a number is better. A metric declares it for its values, and `npm run generate` collects the declarations. */
import { metricGoals } from "./metricGoals";

export type Goal = "minimize" | "maximize";

/** Goals by the names of values. A name may end in `*`, which matches any end: `repetition/meaningless_*`. */
export type Goals = Readonly<Record<string, Goal>>;

/** Numbers that every run records, and those that a paper card computes from them. */
const runGoals: Goals = {
  "train/loss": "minimize",
  "train/objective": "minimize",
  "train/cumulative_loss": "minimize",
  "train/tokens_per_second": "maximize",
  "eval/loss": "minimize",
  "train/rewards/accuracies": "maximize",
  "train/rewards/margins": "maximize",
  "eval/rewards/accuracies": "maximize",
  "eval/rewards/margins": "maximize",
  loss_gap: "minimize",
  perplexity: "minimize",
  "parameters/removed_percent": "maximize",
};

/** Undefined if no goal is declared; the user must then specify it. */
export function findGoal(name: string): Goal | undefined {
  return matchGoal(name, runGoals) ?? matchGoal(name, metricGoals);
}

function matchGoal(name: string, goals: Goals): Goal | undefined {
  const isMatch = ([pattern]: readonly [string, Goal]) =>
    pattern.endsWith("*") && name.startsWith(pattern.slice(0, -1));
  return goals[name] ?? Object.entries(goals).find(isMatch)?.[1];
}
