/** The git state of the code that a run was started from. All of it is optional: git is not required. */
import { spawn } from "node:child_process";
import type { RunRecord } from "../../../protocol/run";

export const maxPatchBytes = 1024 * 1024;
const timeoutMilliseconds = 10_000;

export interface GitState {
  readonly git: NonNullable<RunRecord["git"]>;
  /** The uncommitted changes of tracked files, truncated at `maxPatchBytes` with a note in the last line. */
  readonly patch: string;
}

interface Output {
  readonly text: string;
  readonly isCut: boolean;
}

/** Runs git without a shell, prompts, locks or programs that a repository's configuration may name. */
function runGit(folder: string, args: readonly string[], maxBytes: number): Promise<Output | undefined> {
  return new Promise((resolve) => {
    const child = spawn("git", ["-c", "core.fsmonitor=false", "-C", folder, ...args], {
      stdio: ["ignore", "pipe", "ignore"],
      windowsHide: true,
      timeout: timeoutMilliseconds,
      env: { ...process.env, GIT_OPTIONAL_LOCKS: "0", GIT_TERMINAL_PROMPT: "0", LC_ALL: "C" },
    });
    const chunks: Buffer[] = [];
    let bytes = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > maxBytes) child.kill();
    });
    child.on("error", () => resolve(undefined));
    child.on("close", (status) => {
      const isCut = bytes > maxBytes;
      if (status !== 0 && !isCut) resolve(undefined);
      else resolve({ text: Buffer.concat(chunks).subarray(0, maxBytes).toString("utf8"), isCut: isCut });
    });
  });
}

/** Undefined without git, a repository or a commit. */
export async function readGitState(folder: string): Promise<GitState | undefined> {
  const [commit, branch, patch] = await Promise.all([
    runGit(folder, ["rev-parse", "--verify", "HEAD"], 1000),
    runGit(folder, ["rev-parse", "--abbrev-ref", "HEAD"], 1000),
    runGit(folder, ["diff", "HEAD", "--no-ext-diff", "--no-textconv", "--no-color"], maxPatchBytes),
  ]);
  if (commit === undefined || branch === undefined || patch === undefined) return undefined;
  return {
    git: { commit: commit.text.trim(), branch: branch.text.trim(), dirty: patch.text !== "" },
    patch: patch.isCut
      ? `${patch.text}\n[truncated: the changes are longer than ${maxPatchBytes} bytes]\n`
      : patch.text,
  };
}
