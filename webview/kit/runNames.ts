/** Names under which runs are shown side by side. */
import type { RunSummary } from "../../src/protocol/service/runs";

/** A name that several of them bear gets the last part of the run's id, which is its own. */
export function runNames(runs: readonly RunSummary[]): Map<string, string> {
  const bearers = new Map<string, number>();
  for (const { name } of runs) bearers.set(name, (bearers.get(name) ?? 0) + 1);
  return new Map(
    runs.map(({ folder, name, id }) => [
      folder,
      bearers.get(name)! > 1 ? `${name} ${id.slice(id.lastIndexOf("-") + 1)}` : name,
    ]),
  );
}
