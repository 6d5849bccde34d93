/** The runs of one search by successive halving, as their folders have them, and the decisions written into those. */
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { describePruning } from "../../../protocol/pruning";
import type { LossProtocols } from "../../../protocol/lossProtocol";
import { compareNewestFirst, type HalvingPlan, type Pruning, type RunPlan } from "../../../protocol/run";
import { listRuns } from "../folder/findRuns";
import { RunFolder } from "../folder/runFolder";
import { refuseIfTaken } from "../process/claimRun";
import { withFolderLock } from "../process/folderMutex";
import { type Candidate, decide, type Decision } from "./decide";

export interface Bracket {
  readonly id: string;
  readonly plan: HalvingPlan;
  /** By position. */
  readonly plans: readonly RunPlan[];
  readonly runsFolder: string;
}

/** The plans that are not part of a search by halving, and those of each such search. */
export function groupByBracket(plans: readonly RunPlan[]): (readonly RunPlan[])[] {
  const groups = new Map<string, RunPlan[]>();
  for (const plan of plans) {
    const key = plan.halving?.bracket ?? "";
    groups.set(key, [...(groups.get(key) ?? []), plan]);
  }
  return [...groups.values()];
}

/** The search of these plans that has not finished, the newest if there are several; otherwise a new one. */
export async function openBracket(
  plans: readonly RunPlan[],
  runsFolder: string,
  { fresh = false }: { readonly fresh?: boolean | undefined } = {},
): Promise<Bracket> {
  const planned = plans[0]!.halving!;
  const started = new Map<string, Candidate[]>();
  if (!fresh)
    for (const candidate of await listCandidates(runsFolder, (id) => id.startsWith(`${planned.bracket}-`))) {
      const id = candidate.record.plan.halving!.bracket;
      started.set(id, [...(started.get(id) ?? []), candidate]);
    }
  const unfinished = [...started]
    .filter(([, runs]) => !decide(planned, toMap(runs)).isFinished)
    .sort(([, [a]], [, [b]]) => compareNewestFirst(a!.record, b!.record));
  const id = unfinished[0]?.[0] ?? `${planned.bracket}-${randomBytes(4).toString("hex")}`;
  const plan = { ...planned, bracket: id };
  return {
    id,
    plan,
    runsFolder,
    plans: plans.map((each) => ({ ...each, halving: { ...each.halving!, bracket: id } })),
  };
}

/**
 * Decides as far as the runs have come, and writes the decisions into their folders: `proceed` of the result are the
 * runs that continue. Only one process decides at a time.
 */
export async function decideBracket(
  { id, plan, runsFolder }: Pick<Bracket, "id" | "plan" | "runsFolder">,
  onDecided: (decision: Decision) => void = () => undefined,
): Promise<Decision> {
  mkdirSync(runsFolder, { recursive: true });
  return withFolderLock(runsFolder, async () => {
    for (;;) {
      const decision = decide(plan, toMap(await listCandidates(runsFolder, (each) => each === id)));
      if (decision.prune.length + decision.promote.length === 0) return decision;
      // Promoted first: a rung from which a run was promoted is closed, whatever happens to its other runs.
      for (const { run, rung } of decision.promote) await writePromotion(run, rung);
      for (const { run, pruned } of decision.prune) await writePruning(run, pruned);
      onDecided(decision);
    }
  });
}

export async function listBracketRuns({
  id,
  runsFolder,
}: Pick<Bracket, "id" | "runsFolder">): Promise<Candidate[]> {
  const runs = await listCandidates(runsFolder, (each) => each === id);
  return runs.sort((a, b) => a.record.plan.halving!.candidate - b.record.plan.halving!.candidate);
}

async function listCandidates(
  runsFolder: string,
  isWanted: (bracket: string) => boolean,
): Promise<Candidate[]> {
  const runs = await listRuns(runsFolder);
  return runs.flatMap(({ folder, record }) =>
    record?.plan.halving !== undefined && isWanted(record.plan.halving.bracket) ? [{ folder, record }] : [],
  );
}

/** Of several runs of one candidate, the one that was started last. */
function toMap(runs: readonly Candidate[]): Map<number, Candidate> {
  const oldestFirst = [...runs].sort((a, b) => compareNewestFirst(b.record, a.record));
  return new Map(oldestFirst.map((run) => [run.record.plan.halving!.candidate, run]));
}

async function writePromotion({ folder }: Candidate, rung: number): Promise<void> {
  await changeHeldRun(folder, (run) => {
    const values = run.record.halving?.values ?? [];
    run.update({ halving: { rung, values } });
    run.log(`Continues with rung ${rung + 1} of ${run.record.plan.halving!.rungs.length}.`);
  });
}

async function writePruning({ folder }: Candidate, pruned: Pruning): Promise<void> {
  await changeHeldRun(folder, (run) => {
    const { rung = 0, values = [] } = run.record.halving ?? {};
    const losses = Object.entries(run.record.losses ?? {}).map(([metric, protocol]) => {
      // A loss in the middle of a training is not comparable with the result of a finished one.
      const method = `${protocol.method}, pruned at step ${pruned.step} of ${pruned.steps}`;
      return [metric, { ...protocol, method }];
    });
    run.update({
      state: "pruned",
      halving: { rung, values, pruned },
      ...(losses.length === 0 ? {} : { losses: Object.fromEntries(losses) as LossProtocols }),
    });
    run.log(`${describePruning(pruned)}.`);
  });
}

async function changeHeldRun(folder: string, change: (run: RunFolder) => void): Promise<void> {
  await withFolderLock(folder, async () => {
    const run = RunFolder.open(folder);
    await refuseIfTaken(run.record);
    if (run.record.state === "held") change(run);
  });
}
