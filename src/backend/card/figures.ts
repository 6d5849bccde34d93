/** The values of each run for a card, and of the runs of a variant together. */
import type { LossProtocols } from "../../protocol/lossProtocol";
import type { Quantity } from "../../schema/paper";
import { type Estimate, computeEstimate } from "../../statistics/studentT";

export interface RunFigures {
  readonly variant: string;
  readonly scale: string | undefined;
  /** Values of a sweep other than the seed, in words; empty if there are none. */
  readonly point: string;
  /** The rate of a method, if it is swept. */
  readonly rate?: number;
  readonly seed: number;
  /** Measured on a finished run, or counted from a plan; other quantities are derived from these. */
  readonly values: Readonly<Record<Quantity, number | undefined>>;
  /** Stored scalars by address, before and after the run. */
  readonly stored?: {
    readonly before: Readonly<Record<string, number>>;
    readonly after: Readonly<Record<string, number>>;
  };
  /** Explains the savings, one sentence for each way to store a matrix, if `savings` was measured. */
  readonly remarks?: readonly string[];
  /** Undefined if nothing has been trained yet and the sizes come from the plan. */
  readonly tokens?: number;
  /** Optimizer steps that were trained, or are planned. */
  readonly steps?: number;
  /** Of the steps that were trained, or are planned. */
  readonly flops?: number;
  /** How losses were measured, by quantity, where the run recorded it. */
  readonly protocols?: LossProtocols;
  readonly layers?: number;
  readonly intermediateSize?: number;
}

/** The runs of one variant at one point of a sweep, which differ only in their seeds. */
export interface Group {
  readonly name: string;
  readonly variant: string;
  readonly runs: readonly RunFigures[];
}

/** An experiment without variants has a single one, without a name. */
export function getVariantTitle(variant: string): string {
  return variant === "" ? "the model" : variant;
}

/** Where a run is in its sweep, apart from the seed: `train.learning_rate 0.001`; empty for a run of no sweep. */
export function describePoint(sweep: Readonly<Record<string, unknown>>): string {
  return Object.entries(sweep)
    .filter(([path]) => path !== "seed")
    .map(([path, value]) => `${path} ${JSON.stringify(value)}`)
    .join(", ");
}

export function groupRuns(runs: readonly RunFigures[]): Group[] {
  const groups = new Map<string, Group>();
  for (const run of runs) {
    const { variant, point } = run;
    const title = getVariantTitle(variant);
    const name = point === "" ? title : `${title} (${point})`;
    const key = JSON.stringify([variant, point]);
    groups.set(key, { name, variant, runs: [...(groups.get(key)?.runs ?? []), run] });
  }
  return [...groups.values()];
}

/**
 * The value of one run. Percentages are relative to the first run of the baseline, whose size is the same for every
 * seed.
 */
export function getValue(
  run: RunFigures,
  quantity: Quantity,
  baseline: Group | undefined,
  roles?: string | readonly string[],
): number | undefined {
  const { values } = run;
  if (quantity === "parameters/stored" || quantity === "parameters/removed_percent") {
    if (run.stored === undefined) return undefined;
    const { before, after } = run.stored;
    const remaining = sumRoles(after, roles);
    return quantity === "parameters/stored" ? remaining : 100 * (1 - remaining / sumRoles(before, roles));
  }
  if (quantity === "loss_gap") {
    const [train, validation] = [values["train/loss"], values["eval/loss"]];
    return train === undefined || validation === undefined ? undefined : validation - train;
  }
  if (quantity !== "parameters/non_embedding_percent" && quantity !== "parameters/total_percent")
    return values[quantity];
  const part = quantity === "parameters/total_percent" ? "parameters/total" : "parameters/non_embedding";
  const [runValue, whole] = [values[part], baseline?.runs[0]?.values[part]];
  return runValue === undefined || whole === undefined ? undefined : (100 * runValue) / whole;
}

/**
 * A packed matrix is counted as a whole or by its parts: an address and an address of its part never occur together.
 */
function sumRoles(
  stored: Readonly<Record<string, number>>,
  roles: string | readonly string[] | undefined,
): number {
  const patterns = roles === undefined ? undefined : [roles].flat().map(compileGlob);
  return Object.entries(stored).reduce(
    (sum, [address, count]) =>
      patterns === undefined || patterns.some((pattern) => pattern.test(address)) ? sum + count : sum,
    0,
  );
}

function compileGlob(pattern: string): RegExp {
  return new RegExp(`^${pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")}$`);
}

export function estimateGroup(
  group: Group | undefined,
  quantity: Quantity,
  baseline: Group | undefined,
  roles?: string | readonly string[],
): Estimate | undefined {
  const values = (group?.runs ?? []).flatMap((run) => getValue(run, quantity, baseline, roles) ?? []);
  return values.length === 0 ? undefined : computeEstimate(values);
}
