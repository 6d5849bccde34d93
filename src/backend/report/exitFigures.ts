/** Where tokens leave models with exits, from the evaluations of runs. */
import { createStackedBarsPicture } from "../../pictures/stackedBarsPicture";
import { paperTheme as theme } from "../../pictures/theme";
import { selectRepresentatives, type ShrinkRun } from "../../statistics/shrinkSeries";
import { type ExitShares, parseGeneratedShares, parseThresholds } from "../evaluation/exitShares";
import type { Figure } from "./html";
import { readLastDetails } from "./lastDetails";

const width = 760;
const whole = "all layers";

/** A bar for each threshold of one run of each line, in the last evaluation of each. */
export function createExitFigures(runs: readonly ShrinkRun[]): Figure[] {
  const bars = selectRepresentatives(runs).flatMap(({ name, run }) => {
    const thresholds = readLastDetails(run, "exits", parseThresholds) ?? [];
    const generated = readLastDetails(run, "generate", parseGeneratedShares);
    return [
      ...thresholds.map((use) => ({
        name: thresholds.length === 1 ? name : `${name}, threshold ${use.threshold}`,
        ...splitWhole(use),
      })),
      ...(generated === undefined ? [] : [{ name: `${name}, generated`, ...splitWhole(generated) }]),
    ];
  });
  if (bars.length === 0) return [];
  // Models may have exits after other layers.
  const exits = [...new Set(bars.flatMap(({ early }) => [...early.keys()]))].sort((a, b) => a - b);
  const parts = [...exits.map((layers) => `${layers} ${layers === 1 ? "layer" : "layers"}`), whole];
  const rows = bars.map(({ name, early, late }) => ({
    name,
    shares: [...exits.map((layers) => early.get(layers) ?? 0), late],
  }));
  const title = "Share of tokens by the number of layers";
  return [
    {
      name: "exit-shares",
      picture: createStackedBarsPicture({ title, parts, rows, theme, width }),
      lines: [
        ["model", "left after", "share of tokens"],
        ...rows.flatMap(({ name, shares }) => shares.map((share, i) => [name, parts[i]!, String(share)])),
      ],
    },
  ];
}

/** The shares by exit, and the share that passes all layers. */
function splitWhole({ layers, shares }: ExitShares) {
  const pairs = layers.map((layer, i) => [layer, shares[i]!] as const);
  return { early: new Map(pairs.slice(0, -1)), late: shares.at(-1)! };
}
