/** Where runs are stored and how they are named. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

/**
 * The folder whose `.lathe/runs` holds the runs of an experiment. Of the folders from the experiment's own up to its
 * repository, or to the root if there is none, the first match of these rules:
 *
 * 1. the nearest that has `.lathe`: runs join existing runs;
 * 2. the nearest that is `opened`: folders of the window, or the one around a terminal's current folder;
 * 3. the one with `.git`, then the nearest with a package.json;
 * 4. the experiment's own.
 *
 * Because of the first rule a window and a terminal agree on every run but the first, wherever that one was started.
 */
export function findWorkspace(experiment: string, opened: readonly string[] = []): string {
  const folders = listParentFolders(experiment);
  const has = (name: string) => (folder: string) => existsSync(join(folder, name));
  const repository = folders.findIndex(has(".git"));
  const candidates = repository < 0 ? folders : folders.slice(0, repository + 1);
  return (
    candidates.find(has(".lathe")) ??
    candidates.find((folder) => opened.some((each) => isSamePath(each, folder))) ??
    folders[repository] ??
    candidates.find(has("package.json")) ??
    folders[0]!
  );
}

/** The same search from a folder, for commands that name no experiment. */
export function findWorkspaceAround(folder: string): string {
  return findWorkspace(join(folder, "experiment"));
}

/** Starts with its own folder. */
function listParentFolders(file: string): string[] {
  const folders = [dirname(resolve(file))];
  for (;;) {
    const above = dirname(folders.at(-1)!);
    if (above === folders.at(-1)) return folders;
    folders.push(above);
  }
}

/** Windows paths are case-insensitive, and VS Code writes drive letters in lower case. */
export function isSamePath(first: string, second: string): boolean {
  const [a, b] = [resolve(first), resolve(second)];
  return process.platform === "win32" ? a.toLowerCase() === b.toLowerCase() : a === b;
}

export function getWorkspaceRunsFolder(workspace: string): string {
  return join(workspace, ".lathe", "runs");
}

/** Defined if the run folder is in the usual place, so that a moved workspace is still found. */
export function findWorkspaceAboveRun(folder: string): string | undefined {
  const runs = dirname(resolve(folder));
  const lathe = dirname(runs);
  return basename(runs) === "runs" && basename(lathe) === ".lathe" ? dirname(lathe) : undefined;
}

/** The base of a run's paths: its workspace, which may have moved, or where it was recorded to be. */
export function findRunWorkspace(folder: string, recorded: string | undefined): string {
  return findWorkspaceAboveRun(folder) ?? recorded ?? folder;
}

export const runIdPattern = /^[\p{L}\p{N}][\p{L}\p{N}._-]*-\d{8}-\d{6}-[0-9a-f]{4}$/u;

/** Letters, digits, dot, hyphen and underscore are valid in every file system; anything else becomes a hyphen. */
export function toSafeName(name: string): string {
  const safe = name
    .normalize("NFC")
    .replace(/[^\p{L}\p{N}._-]+/gu, "-")
    .replace(/^[^\p{L}\p{N}]+/u, "");
  const short = Array.from(safe).slice(0, 64).join("");
  return short.replace(/[^\p{L}\p{N}]+$/u, "") || "run";
}

export function makeRunId(name: string, now = new Date()): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const date = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  const time = `${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
  return `${toSafeName(name)}-${date}-${time}-${randomBytes(2).toString("hex")}`;
}
