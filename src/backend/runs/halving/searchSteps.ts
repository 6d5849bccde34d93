/** The steps that a search by successive halving takes. */
import type { HalvingRung } from "../../../protocol/run";

/** Of all its runs together, and of as many that are trained in full. */
export function countSearchSteps(rungs: readonly HalvingRung[]): {
  readonly planned: number;
  readonly full: number;
} {
  const planned = rungs.reduce(
    (sum, { runs, steps }, rung) => sum + runs * (steps - (rungs[rung - 1]?.steps ?? 0)),
    0,
  );
  return { planned, full: (rungs[0]?.runs ?? 0) * (rungs.at(-1)?.steps ?? 0) };
}
