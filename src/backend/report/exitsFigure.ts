/** Where tokens leave models with exits: a bar for each threshold, and for generated texts. */
import { type ExitShares, parseGeneratedShares, parseThresholds } from "../evaluation/exitShares";
import type { EvaluationFigure, MeasuredFigure } from "./evaluationFigure";

interface Bar {
  readonly name: string;
  readonly use: ExitShares;
}

const whole = "all layers";

/** At each threshold of `evaluate.exits`. */
export const exits: EvaluationFigure = {
  id: "exit-shares",
  metric: "exits",
  title: "Where tokens leave",
  create: (details) => createBars(listThresholds(details)),
  join: (runs) =>
    createBars(
      runs.flatMap(({ name, details }) => {
        const bars = listThresholds(details);
        // The name of a sweep has its only threshold.
        return bars.map((bar) => ({ ...bar, name: bars.length === 1 ? name : `${name}, ${bar.name}` }));
      }),
    ),
};

/** Of the texts of `evaluate.generate`. */
export const generatedExits: EvaluationFigure = {
  id: "generated-exit-shares",
  metric: "generate",
  title: "Where generated tokens leave",
  create: (details) => createBars(listGenerated("generated", details)),
  join: (runs) => createBars(runs.flatMap(({ name, details }) => listGenerated(name, details))),
};

function listThresholds(details: unknown): Bar[] {
  return (parseThresholds(details) ?? []).map((use) => ({ name: `threshold ${use.threshold}`, use }));
}

function listGenerated(name: string, details: unknown): Bar[] {
  const use = parseGeneratedShares(details);
  return use === undefined ? [] : [{ name, use }];
}

function createBars(bars: readonly Bar[]): MeasuredFigure | undefined {
  if (bars.length === 0) return undefined;
  const split = bars.map(({ name, use }) => ({ name, ...splitWhole(use) }));
  // Models may have exits after other layers.
  const layers = [...new Set(split.flatMap(({ early }) => [...early.keys()]))].sort((a, b) => a - b);
  const parts = [...layers.map((each) => `${each} ${each === 1 ? "layer" : "layers"}`), whole];
  const rows = split.map(({ name, early, late }) => ({
    name,
    shares: [...layers.map((each) => early.get(each) ?? 0), late],
  }));
  return {
    caption: "Share of tokens by the number of layers",
    data: { kind: "stackedBars", parts, rows },
    lines: () => [
      ["model", "left after", "share of tokens"],
      ...rows.flatMap(({ name, shares }) => shares.map((share, i) => [name, parts[i]!, String(share)])),
    ],
  };
}

/** The shares by exit, and the share that passes all layers. */
function splitWhole({ layers, shares }: ExitShares) {
  const pairs = layers.map((layer, i) => [layer, shares[i]!] as const);
  return { early: new Map(pairs.slice(0, -1)), late: shares.at(-1)! };
}
