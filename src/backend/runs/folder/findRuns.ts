/** Finds runs on disk and determines their true state, whatever a killed process left in its record. */
import { existsSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { distance } from "fastest-levenshtein";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import { type FoundRun, isActive, type RunRecord } from "../../../protocol/run";
import { checkLiveness } from "../process/processIdentity";
import { addToSummary } from "../metrics/metricLine";
import { MetricsTail } from "../metrics/metricsReader";
import { readRecord } from "./runFolder";
import { runIdPattern } from "./runLocation";

async function verifyState(record: RunRecord): Promise<RunRecord> {
  if (!isActive(record)) return record;
  const gone = record.process === undefined || (await checkLiveness(record.process)) === "gone";
  return gone ? { ...record, state: "interrupted" } : record;
}

/** More than the lines that a record may lag behind. */
const tailBytes = 1024 * 1024;

/** A killed process has written its record some steps ago; its metrics have the last one. */
async function addLastMetrics(record: RunRecord, folder: string): Promise<RunRecord> {
  const path = join(folder, "metrics.jsonl");
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const lines = await new MetricsTail(path, Math.max(0, size - tailBytes)).next().then(
    (chunk) => chunk.lines,
    () => [], // Reading the history reports why it can't be read; the run is listed anyway.
  );
  const summary = lines.reduce(addToSummary, record.summary);
  if (record.progress === undefined) return { ...record, summary };
  const { secondsLeft: _, ...progress } = record.progress;
  const step = Math.max(progress.step, ...lines.slice(-1).map((line) => line.step));
  return { ...record, summary, progress: { ...progress, step } };
}

/** A folder whose record can't be read is found too, with the reason. */
export async function readRun(folder: string): Promise<FoundRun> {
  const path = resolve(folder);
  try {
    const record = await verifyState(readRecord(path));
    if (record.state !== "interrupted") return { folder: path, id: record.id, record };
    // The process may have recorded its end between the read of the record and the check for the process.
    const again = readRecord(path);
    const settled = isActive(again) ? await addLastMetrics(record, path) : again;
    return { folder: path, id: record.id, record: settled };
  } catch (thrown) {
    const { code, message } = toWorkbenchError(thrown);
    return { folder: path, id: basename(path), record: undefined, failure: { code, message } };
  }
}

/** All runs of a folder, newest first; unreadable ones come last. */
export async function listRuns(runsFolder: string): Promise<readonly FoundRun[]> {
  const entries = await readdir(runsFolder, { withFileTypes: true }).catch((thrown: unknown) => {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw thrown;
  });
  const folders = entries.filter((entry) => entry.isDirectory() && runIdPattern.test(entry.name));
  const runs = await Promise.all(folders.map((entry) => readRun(join(runsFolder, entry.name))));
  const createdAt = (run: FoundRun) => run.record?.createdAt ?? "";
  return runs.sort((a, b) => createdAt(b).localeCompare(createdAt(a)) || a.id.localeCompare(b.id));
}

/** `text` is an id, a unique prefix of one, a run folder, or `last`. */
export async function findRun(text: string, runsFolder: string): Promise<FoundRun> {
  const asFolder = resolve(text);
  if (existsSync(join(asFolder, "run.json")) && statSync(asFolder).isDirectory()) return readRun(asFolder);
  const runs = await listRuns(runsFolder);
  if (runs.length === 0) {
    throw new WorkbenchError(
      "not-found",
      `There are no runs in ${runsFolder}. Start one with \`lathe run FILE\`.`,
    );
  }
  const exact = text === "last" ? runs[0] : runs.find(({ id }) => id === text);
  if (exact !== undefined) return exact;
  const matches = findMatches(text, runs);
  if (matches.length === 1) return matches[0]!;
  const ids = runs.map(({ id }) => id);
  if (matches.length > 1) {
    const allowed = matches.map(({ id }) => id);
    const message = `${text} matches ${allowed.length} runs: ${allowed.slice(0, 5).join(", ")}. Give more of the id.`;
    throw new WorkbenchError("invalid-input", message, { allowed });
  }
  const nearest = ids.reduce((best, id) => (distance(text, id) < distance(text, best) ? id : best));
  const message = `No run ${text} in ${runsFolder}. The nearest is ${nearest}; \`lathe runs\` lists all.`;
  throw new WorkbenchError("not-found", message, { nearest, allowed: ids });
}

/** Runs whose id begins with the text, else those whose id ends with it: a narrow table shows both ends. */
function findMatches(text: string, runs: readonly FoundRun[]): readonly FoundRun[] {
  const beginning = runs.filter(({ id }) => id.startsWith(text));
  return beginning.length > 0 ? beginning : runs.filter(({ id }) => id.endsWith(text));
}
