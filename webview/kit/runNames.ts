/** Names under which runs are shown side by side. */
import type { RunSummary } from "../../src/protocol/service/runs";

/** A name that several of them bear gets the last part of the run's id, which is its own. */
export function createRunNames(runs: readonly RunSummary[]): Map<string, string> {
  const nameCounts = new Map<string, number>();
  for (const { name } of runs) nameCounts.set(name, (nameCounts.get(name) ?? 0) + 1);
  return new Map(
    runs.map(({ folder, name, id }) => [
      folder,
      nameCounts.get(name)! > 1 ? `${name} ${id.slice(id.lastIndexOf("-") + 1)}` : name,
    ]),
  );
}
