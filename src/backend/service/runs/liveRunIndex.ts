/**
 * Keeps the runs of a window current. Names of run folders come from file-system events and occasional scans.
 * Executing runs are polled all the time and the others a few at a time in turn, since a terminal may resume one or
 * another window may annotate it. A record is read only when its file has changed.
 *
 * Files are read synchronously, one after the other: thousands of small ones take a third of the time that
 * asynchronous reads take. Other work gets its turn between short batches.
 */
import { isDeepStrictEqual } from "node:util";
import { dirname, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { Unsubscribe } from "../../../protocol/connection";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import { isActive, type FoundRun, type RunNotes } from "../../../protocol/run";
import type { RunSummary } from "../../../protocol/service/runs";
import { getFileStamp } from "../../runs/folder/boundedFile";
import { readRun } from "../../runs/folder/findRuns";
import { isSurelyGone, type ProcessIdentity } from "../../runs/process/processIdentity";
import { readRecord } from "../../runs/folder/runFolder";
import { findWorkspace } from "../../runs/folder/runLocation";
import { ChangeBatch } from "./changeBatch";
import { getNotesStamp, readNotes } from "./notes";
import type { RunChanges, RunIndex } from "./runIndex";
import { RunsRoot } from "./runsRoot";
import { createRunSummary } from "./runSummary";

export interface OpenedFolders {
  readonly folders: readonly string[];
  readonly experiments: readonly string[];
  readonly trusted: boolean;
  readonly searching?: boolean;
}

interface Entry {
  readonly root: RunsRoot;
  readonly summary: RunSummary;
  readonly recordStamp: string;
  readonly notesStamp: string;
  /** Of an executing run. */
  readonly process: ProcessIdentity | undefined;
  /** When the process was last known to be alive. */
  readonly seenAt: number;
}

const tickMilliseconds = 500;
/** Ended runs polled in one tick. */
const turnLength = 25;
const namesMilliseconds = 3000;
/**
 * /proc answers at once; elsewhere a program must be started to distinguish a process from a later one with the same
 * number.
 */
const livenessMilliseconds = process.platform === "linux" ? 1000 : 60_000;
const sliceMilliseconds = 12;
/** More than a tree shows without scrolling. */
const firstRuns = 300;

export class LiveRunIndex implements RunIndex, Disposable {
  private readonly entries = new Map<string, Entry>();
  /** Found but not read yet. */
  private readonly unread = new Map<string, RunsRoot>();
  private readonly batch = new ChangeBatch();
  private roots: readonly RunsRoot[] = [];
  private trusted = false;
  private names = Promise.resolve();
  private namesAt = 0;
  private turn: string[] = [];
  private timer: NodeJS.Timeout | undefined;
  private ticking = false;

  constructor(private readonly warn: (message: string) => void) {}

  /**
   * Resolves when every run of the opened folders has been read, including those of experiments still being searched
   * for.
   */
  private complete: Promise<void> = Promise.resolve();
  private found: (complete: Promise<void>) => void = () => undefined;

  /** Replaces the set of folders. Resolves when their newest runs are known; the others follow as changes. */
  async open({ folders, experiments, trusted, searching = false }: OpenedFolders): Promise<void> {
    // One experiment represents all experiments of its folder.
    const experimentByFolder = new Map(experiments.map((experiment) => [dirname(experiment), experiment]));
    const experimentWorkspaces = [...experimentByFolder.values()].map((experiment) =>
      findWorkspace(experiment, folders),
    );
    const workspaces = [...new Set([...folders, ...experimentWorkspaces])];
    const reusableRoots = trusted === this.trusted ? this.roots : [];
    this.trusted = trusted;
    const next = workspaces.map(
      (workspace) => reusableRoots.find((root) => root.workspace === workspace) ?? this.rootOf(workspace),
    );
    for (const root of this.roots) if (!next.includes(root)) root[Symbol.dispose]();
    this.roots = next;
    await new Promise<void>((resolve, reject) => {
      const read = this.rescan(resolve);
      read.catch(reject);
      this.found(read);
      this.complete = searching ? new Promise((resolveFound) => (this.found = resolveFound)) : read;
    });
  }

  /**
   * Resolves once these runs have been read, ahead of all others; if one is missing or none is named, once all have.
   */
  async known(runs?: readonly string[]): Promise<void> {
    if (runs?.every((run) => this.entries.has(run) || this.unread.has(run)) !== true) return this.complete;
    for (const run of runs) {
      const root = this.unread.get(run);
      if (root !== undefined) await this.read(run, root);
    }
  }

  /** Also scans this workspace from now on: an experiment may be the first of its workspace. */
  async include(workspace: string): Promise<void> {
    if (!this.roots.some((root) => root.workspace === workspace))
      this.roots = [...this.roots, this.rootOf(workspace)];
    await this.rescan();
  }

  /** The real paths of the folders that contain runs. */
  get runsFolders(): readonly string[] {
    return this.roots.flatMap(({ path }) => (path === undefined ? [] : [path]));
  }

  summaries(): readonly RunSummary[] {
    return [...this.entries.values()].map(({ summary }) => summary);
  }

  find(run: string): { readonly found: FoundRun; readonly summary: RunSummary } {
    const { summary } = this.entry(run);
    return {
      summary,
      // Read on demand, since a whole record is much larger than its row.
      get found() {
        return readFoundRun(summary);
      },
    };
  }

  async refresh(run: string): Promise<RunSummary> {
    if (!this.entries.has(run) && this.runsFolders.includes(dirname(run))) await this.rescan();
    await this.read(run, this.entry(run).root);
    return this.entry(run).summary;
  }

  onChange(listener: (changes: RunChanges) => void): Unsubscribe {
    return this.batch.onFlush(({ changed, removed }) =>
      listener({ changed: changed.flatMap((run) => this.entries.get(run)?.summary ?? []), removed }),
    );
  }

  private entry(run: string): Entry {
    const entry = this.entries.get(run);
    if (entry !== undefined) return entry;
    throw new WorkbenchError(
      "not-found",
      `${run} is not a run of the opened folders. It may have been moved to the trash.`,
    );
  }

  private rootOf(workspace: string): RunsRoot {
    return new RunsRoot(workspace, {
      trusted: this.trusted,
      onHint: () => void this.rescan(),
      warn: this.warn,
    });
  }

  /** Scans run one after the other, so that each sees the results of the previous one. */
  rescan(newestKnown: () => void = () => undefined): Promise<void> {
    const scanned = this.names.then(() => this.scanNames(newestKnown));
    this.names = scanned.catch(() => undefined);
    return scanned;
  }

  private async scanNames(newestKnown: () => void): Promise<void> {
    this.namesAt = performance.now();
    const present = new Map<string, RunsRoot>();
    for (const root of this.roots)
      for (const folder of root.scan()) if (!present.has(folder)) present.set(folder, root);
    for (const [run, entry] of this.entries) {
      const root = present.get(run);
      if (root?.workspace !== entry.root.workspace) this.drop(run);
      else this.entries.set(run, { ...entry, root });
    }
    const fresh = [...present].filter(([run]) => !this.entries.has(run)).sort(compareNewestFirst);
    this.unread.clear();
    for (const [run, root] of fresh) this.unread.set(run, root);
    const read = async ([run, root]: (typeof fresh)[number]) => {
      if (this.unread.has(run)) await this.read(run, root);
    };
    await visitWithPauses(fresh.slice(0, firstRuns), read);
    this.timer ??= setInterval(() => void this.tick(), tickMilliseconds).unref();
    newestKnown();
    await visitWithPauses(fresh.slice(firstRuns), read);
  }

  private drop(run: string): void {
    this.entries.delete(run);
    this.batch.removed(run);
  }

  private async read(run: string, root: RunsRoot): Promise<void> {
    const stamps = { recordStamp: getFileStamp(join(run, "run.json")), notesStamp: getNotesStamp(run) };
    const foundRun = await readRun(run);
    this.unread.delete(run);
    // Since its name was listed, the run or its root may have been moved away.
    if (!this.roots.includes(root) || (foundRun.record === undefined && getFileStamp(run) === "")) return;
    const notes = stamps.notesStamp === "" ? {} : this.notesOf(run);
    const summary = createRunSummary(foundRun, notes, root.workspace);
    const isRunning = foundRun.record !== undefined && isActive(foundRun.record);
    const before = this.entries.get(run);
    this.entries.set(run, {
      root,
      summary,
      ...stamps,
      process: isRunning ? foundRun.record.process : undefined,
      seenAt: performance.now(),
    });
    // The initial runs are requested by the window and not reported as changes.
    if (this.timer !== undefined && !isDeepStrictEqual(before?.summary, summary)) this.batch.changed(run);
  }

  private notesOf(run: string): RunNotes {
    try {
      return readNotes(run);
    } catch (thrown) {
      this.warn(toWorkbenchError(thrown).message);
      return {};
    }
  }

  private async tick(): Promise<void> {
    if (this.ticking) return;
    this.ticking = true;
    try {
      if (performance.now() - this.namesAt > namesMilliseconds) await this.rescan();
      const activeEntries = [...this.entries].filter(([, { summary }]) => isActive(summary));
      if (this.turn.length === 0) this.turn = [...this.entries.keys()];
      const looked = new Set([...activeEntries.map(([run]) => run), ...this.turn.splice(0, turnLength)]);
      await visitWithPauses([...looked], async (run) => {
        const entry = this.entries.get(run);
        if (entry !== undefined && this.mayDiffer(run, entry)) await this.read(run, entry.root);
      });
    } catch (thrown) {
      this.warn(toWorkbenchError(thrown).message);
    } finally {
      this.ticking = false;
    }
  }

  private mayDiffer(run: string, entry: Entry): boolean {
    if (getFileStamp(join(run, "run.json")) !== entry.recordStamp) return true;
    if (getNotesStamp(run) !== entry.notesStamp) return true;
    if (entry.process === undefined) return false;
    return isSurelyGone(entry.process) || performance.now() - entry.seenAt > livenessMilliseconds;
  }

  [Symbol.dispose](): void {
    clearInterval(this.timer);
    for (const root of this.roots) root[Symbol.dispose]();
    this.batch[Symbol.dispose]();
  }
}

/** A name ends with a date, a time and four digits, which have the same length in all names. */
function compareNewestFirst([a]: readonly [string, RunsRoot], [b]: readonly [string, RunsRoot]): number {
  const [at, bt] = [a.slice(-20), b.slice(-20)];
  return at < bt ? 1 : at > bt ? -1 : 0;
}

/** The record with the state that the index has verified. */
function readFoundRun({ folder, id, state }: RunSummary): FoundRun {
  try {
    const record = readRecord(folder);
    const interrupted = state === "interrupted" && isActive(record);
    return { folder, id, record: interrupted ? { ...record, state } : record };
  } catch (thrown) {
    const { code, message } = toWorkbenchError(thrown);
    return { folder, id, record: undefined, failure: { code, message } };
  }
}

async function visitWithPauses<T>(items: readonly T[], visit: (item: T) => Promise<void>): Promise<void> {
  let sliceStart = performance.now();
  for (const item of items) {
    await visit(item);
    if (performance.now() - sliceStart < sliceMilliseconds) continue;
    await setImmediate();
    sliceStart = performance.now();
  }
}
