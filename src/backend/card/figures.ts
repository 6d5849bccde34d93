/** What a card knows of each run, and of the runs of a variant together. */
import type { Quantity } from "../../schema/paper";
import { type Estimate, estimateOf } from "../../statistics/studentT";

export interface RunFigures {
  readonly variant: string;
  readonly scale: string | undefined;
  /** Values of a sweep other than the seed, in words; empty without. */
  readonly point: string;
  /** How much a method takes, where that is swept. */
  readonly rate?: number;
  readonly seed: number;
  /** Measured on a finished run, or counted from a plan; the other quantities follow from these. */
  readonly values: Readonly<Record<Quantity, number | undefined>>;
  /** Stored scalars by address, of the model as it begins and as the run leaves it. */
  readonly stored?: {
    readonly before: Readonly<Record<string, number>>;
    readonly after: Readonly<Record<string, number>>;
  };
  /** Why as much was saved as was, a sentence for each way to store a matrix; where `savings` was measured. */
  readonly remarks?: readonly string[];
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
  roles?: string | readonly string[],
): number | undefined {
  const { values } = run;
  if (quantity === "parameters/stored" || quantity === "parameters/removed_percent") {
    if (run.stored === undefined) return undefined;
    const { before, after } = run.stored;
    const left = sumOf(after, roles);
    return quantity === "parameters/stored" ? left : 100 * (1 - left / sumOf(before, roles));
  }
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

/** A packed matrix is counted as a whole, or by its parts: an address that is another's part is never there beside it. */
function sumOf(
  stored: Readonly<Record<string, number>>,
  roles: string | readonly string[] | undefined,
): number {
  const patterns = roles === undefined ? undefined : [roles].flat().map(globOf);
  return Object.entries(stored).reduce(
    (sum, [address, count]) =>
      patterns === undefined || patterns.some((pattern) => pattern.test(address)) ? sum + count : sum,
    0,
  );
}

function globOf(pattern: string): RegExp {
  return new RegExp(`^${pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")}$`);
}

export function groupEstimate(
  group: Group | undefined,
  quantity: Quantity,
  baseline: Group | undefined,
  roles?: string | readonly string[],
): Estimate | undefined {
  const values = (group?.runs ?? []).flatMap((run) => valueOf(run, quantity, baseline, roles) ?? []);
  return values.length === 0 ? undefined : estimateOf(values);
}
