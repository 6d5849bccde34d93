/** Moves run folders to `.lathe/trash` and back, all or none. Nothing is deleted. */
import { lstatSync, mkdirSync, renameSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import { compareNewestFirst, isActive } from "../../../protocol/run";
import type { RunSummary } from "../../../protocol/service/runs";
import { listRuns } from "../../runs/folder/findRuns";
import { runIdPattern } from "../../runs/folder/runLocation";
import { readNotes } from "./notes";
import type { RunIndex } from "./runIndex";
import { createRunSummary } from "./runSummary";

interface Move {
  readonly from: string;
  readonly to: string;
}

export async function trashRuns(runs: RunIndex, folders: readonly string[]): Promise<readonly string[]> {
  for (const run of folders) {
    const summary = await runs.refresh(run);
    if (isActive(summary))
      throw new WorkbenchError(
        "busy",
        `${summary.name} is ${summary.state}. Stop it first, then move it to the trash.`,
      );
  }
  const moves = [...new Set(folders)].map((from) => ({
    from,
    to: join(getTrashFolder(dirname(from)), basename(from)),
  }));
  return moveAll(moves).map(({ to }) => to);
}

/** Those of all folders of the window, newest first. */
export async function listTrashedRuns({ runsFolders }: RunIndex): Promise<readonly RunSummary[]> {
  const runs = await Promise.all(
    runsFolders.map(async (home) => {
      const trash = getTrashFolder(home);
      if (getPathKind(trash) !== "folder") return [];
      const workspace = dirname(dirname(home));
      return (await listRuns(trash)).map((run) => createRunSummary(run, readNotes(run.folder), workspace));
    }),
  );
  return runs.flat().sort(compareNewestFirst);
}

/** Restores runs to the `runs` folder next to their trash, which must belong to this window. */
export function restoreRuns(runs: RunIndex, trashed: readonly string[]): void {
  moveAll(
    [...new Set(trashed)].map((from) => {
      const home = runs.runsFolders.find((each) => getTrashFolder(each) === dirname(from));
      if (home === undefined || !runIdPattern.test(basename(from)))
        throw new WorkbenchError("not-found", `${from} is not a run in the trash of the opened folders.`);
      return { from, to: join(home, basename(from)) };
    }),
  );
}

function getTrashFolder(runsFolder: string): string {
  return join(dirname(runsFolder), "trash");
}

function moveAll(moves: readonly Move[]): readonly Move[] {
  for (const { from, to } of moves) {
    refuseUnlessFolder(from);
    makeFolder(dirname(to));
    if (getPathKind(to) !== "nothing")
      throw new WorkbenchError("io", `${to} already exists. Rename or remove it, then try again.`);
  }
  const completed: Move[] = [];
  try {
    for (const move of moves) {
      renameSync(move.from, move.to);
      completed.push(move);
    }
  } catch (thrown) {
    for (const { from, to } of completed) renameSync(to, from);
    throw toWorkbenchError(thrown);
  }
  return moves;
}

function makeFolder(path: string): void {
  try {
    if (getPathKind(path) === "nothing") mkdirSync(path, { recursive: true });
  } catch (thrown) {
    throw toWorkbenchError(thrown);
  }
  refuseUnlessFolder(path);
}

/** A link in place of a folder would move the run elsewhere. */
function refuseUnlessFolder(path: string): void {
  const kind = getPathKind(path);
  if (kind === "nothing") throw new WorkbenchError("not-found", `${path} no longer exists.`);
  if (kind !== "folder")
    throw new WorkbenchError(
      "io",
      `${path} is not a plain folder, so nothing is moved. Remove it, then try again.`,
    );
}

function getPathKind(path: string): "nothing" | "folder" | "other" {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats === undefined ? "nothing" : stats.isDirectory() ? "folder" : "other";
}
