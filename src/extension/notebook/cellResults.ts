/** What the runs of an experiment have come to so far, cell by cell. Asks the service and knows nothing of VS Code. */
import type { Backend } from "../../protocol/backend";
import { isActive } from "../../protocol/run";
import type { Block } from "../../protocol/blocks";
import type { CellOutput, CellRun } from "../../protocol/cellOutput";
import { toWorkbenchError } from "../../protocol/errors";
import type { AttachedRun } from "../../protocol/service/experiments";
import type { Series } from "../../protocol/service/metrics";
import type { RunSummary, StepResult } from "../../protocol/service/runs";

/** As many as a curve under a cell has pixels, about; the extremes of every stretch are among them. */
const maxPoints = 400;
const losses = ["train/loss", "eval/loss"];

export interface CellResult {
  readonly output: CellOutput;
  /** One of its runs has come to this cell, or waits before it. */
  readonly begun: boolean;
  /** Nothing of this cell is running or pending. */
  readonly ended: boolean;
  /** Of a cell that has begun and ended; undefined also if a person stopped one of its runs and none has failed. */
  readonly success?: boolean;
  /** Milliseconds since the epoch. */
  readonly startedAt?: number;
  readonly endedAt?: number;
}

/** Of `cells` in the order of the file, by their index; a run that is gone is left out of its cell. */
export async function readCellResults(
  backend: Pick<Backend, "request">,
  cells: readonly (readonly AttachedRun[])[],
  getSummary: (run: string) => RunSummary | undefined,
): Promise<readonly CellResult[]> {
  const runs = [...new Set(cells.flat().map(({ run }) => run))];
  const entries = await Promise.all(runs.map(async (run) => [run, await readSteps(backend, run)] as const));
  const steps = new Map(entries);
  const cellRuns = cells.map((attached) =>
    attached.flatMap(({ run, steps: indices, stale }): CellRun[] => {
      const summary = getSummary(run);
      const allSteps = steps.get(run);
      if (summary === undefined || allSteps === undefined) return [];
      return [{ summary, steps: allSteps.filter(({ index }) => indices.includes(index)), stale }];
    }),
  );
  const trainedRuns = cellRuns.map((each) => each.filter(hasTraining).map(({ summary }) => summary.folder));
  const series = await readSeries(backend, [...new Set(trainedRuns.flat())]);
  const cards = await Promise.all(cellRuns.map((each) => readCard(backend, each)));
  return cellRuns.map((each, index) => ({
    output: {
      version: 1,
      runs: each,
      series: series.filter(({ run }) => trainedRuns[index]!.includes(run)),
      ...(cards[index]!.length === 0 ? {} : { card: cards[index]! }),
    },
    ...computeStatus(
      each,
      ({ summary: { folder } }) =>
        cellRuns
          .slice(0, index)
          .every((earlierRuns) => earlierRuns.every((run) => run.summary.folder !== folder || isDone(run))),
      ({ summary: { folder } }) => steps.get(folder)!.some(({ state }) => state !== "done"),
    ),
  }));
}

/** Undefined for a run that is gone. */
async function readSteps(
  backend: Pick<Backend, "request">,
  run: string,
): Promise<readonly StepResult[] | undefined> {
  try {
    return (await backend.request("runs.results", { run })).steps;
  } catch (thrown) {
    const error = toWorkbenchError(thrown);
    if (error.code === "not-found") return undefined;
    throw error;
  }
}

/** Of a cell that reports; runs of an earlier text are not what the card is about. */
async function readCard(
  backend: Pick<Backend, "request">,
  runs: readonly CellRun[],
): Promise<readonly Block[]> {
  const reportingRuns = runs
    .filter(({ steps, stale }) => !stale && steps.some(({ action }) => action === "report"))
    .map(({ summary }) => summary.folder);
  if (reportingRuns.length === 0) return [];
  return (await backend.request("runs.card", { runs: reportingRuns })).blocks;
}

async function readSeries(
  backend: Pick<Backend, "request">,
  runs: readonly string[],
): Promise<readonly Series[]> {
  if (runs.length === 0) return [];
  const queries = runs.flatMap((run) =>
    losses.map((metric) => ({ run, metric, axis: "step" as const, points: maxPoints })),
  );
  const { series } = await backend.request("metrics.series", { queries });
  return series.filter(({ total }) => total > 0);
}

function hasTraining({ steps }: CellRun): boolean {
  return steps.some(({ action }) => action === "train");
}

function isDone({ summary, steps }: CellRun): boolean {
  return summary.state === "done" || steps.every(({ state }) => state === "done");
}

/** A run that a person stopped, or that waits at its rung, is neither a success nor a failure; one that was pruned has ended. */
function computeSuccess(runs: readonly CellRun[]): Pick<CellResult, "success"> {
  const unfinished = runs.filter((run) => !isDone(run) && run.summary.state !== "pruned");
  if (unfinished.length === 0) return { success: true };
  return unfinished.every(({ summary: { state } }) => state === "stopped" || state === "held")
    ? {}
    : { success: false };
}

/**
 * `isNext`: the run has done everything above the cell, so the cell is its current or next one. `hasMore`: the run has
 * steps left, here or below.
 */
function computeStatus(
  runs: readonly CellRun[],
  isNext: (run: CellRun) => boolean,
  hasMore: (run: CellRun) => boolean,
): Omit<CellResult, "output"> {
  const hasReachedCell = (run: CellRun) => isNext(run) || run.steps.some(({ state }) => state !== "waiting");
  const begun = runs.some(hasReachedCell);
  // Steps are read as they are, while news of the run come later: what ends a cell is the last that it shows.
  const ended = runs.every((run) => !isActive(run.summary) || (isDone(run) && hasMore(run)));
  const startedAt = findEarliest(runs.map(({ summary }) => summary.startedAt ?? summary.createdAt));
  const endedAt = findLatest(runs.map(({ summary }) => summary.endedAt));
  return {
    begun,
    ended,
    ...(begun && ended ? computeSuccess(runs) : {}),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(ended && endedAt !== undefined ? { endedAt } : {}),
  };
}

function findEarliest(times: readonly (string | undefined)[]): number | undefined {
  const timestamps = parseTimes(times);
  return timestamps.length === 0 ? undefined : Math.min(...timestamps);
}

function findLatest(times: readonly (string | undefined)[]): number | undefined {
  const timestamps = parseTimes(times);
  return timestamps.length === 0 ? undefined : Math.max(...timestamps);
}

function parseTimes(times: readonly (string | undefined)[]): number[] {
  return times.map((time) => Date.parse(time ?? "")).filter((time) => !Number.isNaN(time));
}
