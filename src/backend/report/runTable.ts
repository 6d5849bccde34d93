/** Each run of a report by itself, below the means over its seeds. */
import type { Block, CellValue } from "../../protocol/blocks";
import { groupByProtocol } from "../../protocol/lossProtocol";
import { describePruning } from "../../protocol/pruning";
import { formatDuration } from "../../protocol/quantities";
import { describePoint, getVariantTitle } from "../card/figures";
import type { Sibling } from "../runs/planning/siblings";

/** Metrics that have a column of their own; the others are in the runs themselves. */
const maxMetrics = 8;

export function createRunTable(runs: readonly Sibling[], metrics: readonly string[]): Block {
  const measured = metrics
    .filter((metric) => runs.some(({ record }) => record.summary[metric] !== undefined))
    .slice(0, maxMetrics);
  const { letters } = groupByProtocol(
    "eval/loss",
    runs.map(({ record }) => record.losses?.["eval/loss"]),
  );
  const isLettered = letters.some((letter) => letter !== undefined);
  return {
    kind: "table",
    title: "Each run",
    columns: [
      "variant",
      "sweep",
      "seed",
      ...measured,
      ...(isLettered ? ["measured as"] : []),
      "steps",
      "time",
      "run",
    ],
    rows: runs.map(({ record }, i): CellValue[] => [
      getVariantTitle(record.plan.variant),
      describePoint(record.plan.sweep) || null,
      String(record.plan.seed),
      ...measured.map((metric) => formatValue(record.summary[metric]?.last)),
      ...(isLettered ? [letters[i] ?? null] : []),
      record.progress === undefined ? null : String(record.progress.step),
      record.seconds === undefined ? null : formatDuration(record.seconds),
      record.id,
    ]),
  };
}

/** The runs that a search ended, with the reason of each. */
export function createPrunedTable(runs: readonly Sibling[]): Block {
  return {
    kind: "table",
    title: "Pruned runs",
    columns: ["variant", "sweep", "seed", "reason", "run"],
    rows: runs.map(({ record: { id, plan, halving } }): CellValue[] => [
      getVariantTitle(plan.variant),
      describePoint(plan.sweep) || null,
      String(plan.seed),
      halving?.pruned === undefined ? null : describePruning(halving.pruned),
      id,
    ]),
  };
}

function formatValue(value: number | null | undefined): string | null {
  return value === undefined || value === null ? null : String(Number(value.toPrecision(6)));
}
