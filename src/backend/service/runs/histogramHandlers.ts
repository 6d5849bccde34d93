/** Histograms that runs have recorded. The files are bounded and read for each request, also while they grow. */
import type { Handlers } from "../../../protocol/connection";
import { WorkbenchError } from "../../../protocol/errors";
import type { GroupHistory, HistogramRequests } from "../../../protocol/service/histograms";
import { getStatistic, getTensorKey, statistics, type WatchedTensor } from "../../../protocol/watch";
import { resolveInside } from "../../runs/folder/insideFolder";
import { readWatchFile, type WatchedRow, watchFileName } from "../../runs/metrics/watchFile";
import { stepFolderName } from "../../runs/steps/finishedSteps";
import type { Service } from "../service";

export function createHistogramHandlers(service: Service): Handlers<HistogramRequests> {
  return {
    "histograms.list": async ({ run }, { signal }) => ({
      tensors: (await readRun(service, run, () => false, signal)).tensors,
    }),
    "histograms.read": async ({ run, what, group, name }, { signal }) => {
      const isWanted = (tensor: WatchedTensor) => tensor.what === what && tensor.group === group;
      const { tensors, rows } = await readRun(service, run, isWanted, signal);
      return { recorded: tensors, ...createHistory(tensors.filter(isWanted), rows, name) };
    },
  };
}

/** The records of all trainings of a run, one after the other. */
async function readRun(
  service: Service,
  run: string,
  isWanted: (tensor: WatchedTensor) => boolean,
  signal: AbortSignal,
): Promise<{ readonly tensors: readonly WatchedTensor[]; readonly rows: readonly WatchedRow[] }> {
  const { record } = service.runs.find(run).found;
  if (record === undefined)
    throw new WorkbenchError("not-found", `The record of ${run} cannot be read, so its steps are not known.`);
  const tensors = new Map<string, WatchedTensor>();
  const rows: WatchedRow[] = [];
  for (const step of record.plan.steps.filter(({ action }) => action === "train")) {
    const path = resolveInside(run, "steps", stepFolderName(step), watchFileName);
    const history = await readWatchFile(path, isWanted, signal);
    for (const tensor of history.tensors) tensors.set(getTensorKey(tensor), tensor);
    for (const row of history.rows) rows.push(row);
  }
  return { tensors: [...tensors.values()], rows };
}

function createHistory(
  unsorted: readonly WatchedTensor[],
  rows: readonly WatchedRow[],
  name: string | undefined,
): Omit<GroupHistory, "recorded"> {
  const tensors = unsorted.toSorted((a, b) => (a.layer ?? 0) - (b.layer ?? 0));
  const steps = [...new Set(rows.map(({ step }) => step))].sort((a, b) => a - b);
  const places = new Map(steps.map((step, place) => [step, place]));
  const spreadsByTensor = new Map(
    tensors.map((tensor) => [tensor.name, steps.map((): WatchedRow["spread"] | null => null)]),
  );
  for (const { step, tensor, spread } of rows) spreadsByTensor.get(tensor.name)![places.get(step)!] = spread;
  const chosen = tensors.find((tensor) => tensor.name === name) ?? tensors[0];
  const columns = Object.fromEntries(
    statistics.map((statistic) => [
      statistic,
      [...spreadsByTensor.values()].map((spreads) =>
        spreads.map((spread) => (spread === null ? null : getStatistic(spread, statistic))),
      ),
    ]),
  ) as unknown as GroupHistory["statistics"];
  return {
    tensors,
    steps,
    statistics: columns,
    spreads: chosen === undefined ? [] : spreadsByTensor.get(chosen.name)!,
  };
}
