/** Names under which runs are shown side by side: without what all of them share, and with what distinguishes them. */
import { shortenName } from "../../src/protocol/runName";
import type { RunSummary } from "../../src/protocol/service/runs";

type NamedRun = Pick<RunSummary, "folder" | "name" | "id" | "experiment" | "seed">;

/**
 * The experiment's name is left out where all runs are of one. A name that several of them bear gets the seed, or else the
 * last part of the run's id, which is its own.
 */
export function createRunNames(runs: readonly NamedRun[]): Map<string, string> {
  const isOneExperiment = new Set(runs.map(({ experiment }) => experiment)).size === 1;
  const shortNames = new Map(runs.map((run) => [run.folder, isOneExperiment ? shortenName(run) : run.name]));
  const namesakes = new Map<string, NamedRun[]>();
  for (const run of runs) {
    const name = shortNames.get(run.folder)!;
    namesakes.set(name, [...(namesakes.get(name) ?? []), run]);
  }
  return new Map(
    runs.map((run) => {
      const name = shortNames.get(run.folder)!;
      const others = namesakes.get(name)!;
      if (others.length === 1) return [run.folder, name];
      const hasOwnSeed = others.filter(({ seed }) => seed === run.seed).length === 1;
      return [run.folder, `${name} ${hasOwnSeed ? `seed ${run.seed}` : getOwnPart(run.id)}`];
    }),
  );
}

function getOwnPart(id: string): string {
  return id.slice(id.lastIndexOf("-") + 1);
}
