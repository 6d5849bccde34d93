/** Where runs live and what they are called. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

/** The nearest folder above the experiment that has `.lathe`, `.git` or a package.json; else its own folder. */
export function workspaceOf(experiment: string): string {
  const own = dirname(resolve(experiment));
  for (let folder = own; ; folder = dirname(folder)) {
    if ([".lathe", ".git", "package.json"].some((mark) => existsSync(join(folder, mark)))) return folder;
    if (dirname(folder) === folder) return own;
  }
}

/** The same search from a folder, for commands that name no experiment. */
export function workspaceAround(folder: string): string {
  return workspaceOf(join(folder, "experiment"));
}

export function runsFolderOf(workspace: string): string {
  return join(workspace, ".lathe", "runs");
}

/** Set when the run folder lies where runs usually lie; a moved workspace is thus still found. */
export function workspaceAboveRun(folder: string): string | undefined {
  const runs = dirname(resolve(folder));
  const lathe = dirname(runs);
  return basename(runs) === "runs" && basename(lathe) === ".lathe" ? dirname(lathe) : undefined;
}

export const runIdPattern = /^[\p{L}\p{N}][\p{L}\p{N}._-]*-\d{8}-\d{6}-[0-9a-f]{4}$/u;

/** Letters, digits, dot, hyphen and underscore survive in every file system; anything else becomes a hyphen. */
export function safeName(name: string): string {
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
  return `${safeName(name)}-${date}-${time}-${randomBytes(2).toString("hex")}`;
}
