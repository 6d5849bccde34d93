/** The loss by which successive halving ranks a run at a rung. */
import type { HalvingPlan, MetricLine } from "../../../protocol/run";

/** Null where there is no finite loss. Of the training loss, whose single batches are noise, the mean since the rung before. */
export function measureRung(
  lines: readonly MetricLine[],
  { metric, rungs }: Pick<HalvingPlan, "metric" | "rungs">,
  rung: number,
): number | null {
  const [after, upTo] = [rungs[rung - 1]?.steps ?? 0, rungs[rung]!.steps];
  const values = lines.flatMap((line) => {
    const value = (line as unknown as Readonly<Record<string, unknown>>)[metric];
    return line.step > after && line.step <= upTo && typeof value === "number" ? [value] : [];
  });
  const value =
    metric === "train/loss" ? values.reduce((sum, each) => sum + each, 0) / values.length : values.at(-1);
  return value !== undefined && Number.isFinite(value) ? value : null;
}
