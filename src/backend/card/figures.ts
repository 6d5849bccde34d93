/** What a card knows of each run, and of the runs of a variant together. */
import type { Quantity } from "../../protocol/paper";
import { type Estimate, estimateOf } from "./studentT";

/** Measured on a finished run, or counted from a plan; the other quantities follow from these. */
export type Measured = Exclude<Quantity, `${string}_percent` | "loss_gap">;

export interface RunFigures {
  readonly variant: string;
  readonly scale: string | undefined;
  /** Values of a sweep other than the seed, in words; empty without. */
  readonly point: string;
  readonly seed: number;
  readonly values: Readonly<Partial<Record<Measured, number>>>;
  /** Undefined where nothing has been trained yet: the sizes follow from the plan. */
  readonly tokens?: number;
  readonly flops?: number;
  readonly layers?: number;
  readonly intermediateSize?: number;
}

/** The runs of one variant at one point of a sweep, which differ in their seeds alone. */
export interface Group {
  readonly name: string;
  readonly variant: string;
  readonly runs: readonly RunFigures[];
}

export function groupsOf(runs: readonly RunFigures[]): Group[] {
  const groups = new Map<string, Group>();
  for (const run of runs) {
    const { variant, point } = run;
    const title = variant === "" ? "the model" : variant;
    const name = point === "" ? title : `${title} (${point})`;
    const key = JSON.stringify([variant, point]);
    groups.set(key, { name, variant, runs: [...(groups.get(key)?.runs ?? []), run] });
  }
  return [...groups.values()];
}

/** Of one run; per cents are of the first run of the baseline, whose size no seed changes. */
export function valueOf(
  run: RunFigures,
  quantity: Quantity,
  baseline: Group | undefined,
): number | undefined {
  const { values } = run;
  if (quantity === "loss_gap") {
    const [train, validation] = [values["train/loss"], values["eval/loss"]];
    return train === undefined || validation === undefined ? undefined : validation - train;
  }
  if (quantity !== "parameters/non_embedding_percent" && quantity !== "parameters/total_percent")
    return values[quantity];
  const part = quantity === "parameters/total_percent" ? "parameters/total" : "parameters/non_embedding";
  const [own, whole] = [values[part], baseline?.runs[0]?.values[part]];
  return own === undefined || whole === undefined ? undefined : (100 * own) / whole;
}

export function groupEstimate(
  group: Group | undefined,
  quantity: Quantity,
  baseline: Group | undefined,
): Estimate | undefined {
  const values = (group?.runs ?? []).flatMap((run) => valueOf(run, quantity, baseline) ?? []);
  return values.length === 0 ? undefined : estimateOf(values);
}
