/** Which files git ignores: generated and private files that a pattern such as `**\/*.md` does not mean. */
import { spawn } from "node:child_process";
import { existsSync, lstatSync } from "node:fs";
import path from "node:path";

const timeoutMilliseconds = 20_000;

/**
 * Those of `paths` (absolute) that git ignores by the rules of their repository. Empty outside repositories and without
 * git. A tracked file is never ignored.
 */
export async function findIgnored(paths: readonly string[]): Promise<ReadonlySet<string>> {
  const roots = new Map<string, string | undefined>();
  const links = new Map<string, boolean>();
  /** By repository and then by the path that git is asked about. */
  const questions = new Map<string, Map<string, string[]>>();
  for (const each of paths) {
    const root = findRepository(path.dirname(each), roots);
    if (root === undefined) continue;
    const ofRoot = questions.get(root) ?? new Map<string, string[]>();
    const asked = findFirstLink(root, each, links) ?? each;
    questions.set(root, ofRoot.set(asked, [...(ofRoot.get(asked) ?? []), each]));
  }
  const ignored = await Promise.all(
    [...questions].map(async ([root, ofRoot]) =>
      (await checkIgnored(root, [...ofRoot.keys()])).flatMap((asked) => ofRoot.get(asked)!),
    ),
  );
  return new Set(ignored.flat());
}

/** Git refuses a path beyond a symbolic link, so it is asked about the link. */
function findFirstLink(root: string, file: string, known: Map<string, boolean>): string | undefined {
  const parts = path.relative(root, path.dirname(file)).split(path.sep);
  let folder = root;
  for (const part of parts) {
    folder = path.join(folder, part);
    const isLink =
      known.get(folder) ?? lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink() === true;
    known.set(folder, isLink);
    if (isLink) return folder;
  }
  return undefined;
}

/** The nearest folder with `.git`, which is a file in worktrees and submodules. */
function findRepository(folder: string, known: Map<string, string | undefined>): string | undefined {
  if (known.has(folder)) return known.get(folder);
  const parent = path.dirname(folder);
  const root = existsSync(path.join(folder, ".git"))
    ? folder
    : parent === folder
      ? undefined
      : findRepository(parent, known);
  known.set(folder, root);
  return root;
}

/** Without the ignore file of the user's home, so that a folder gives the same data on every machine. */
function checkIgnored(root: string, files: readonly string[]): Promise<readonly string[]> {
  const settings = ["-c", "core.fsmonitor=false", "-c", "core.excludesFile="];
  return new Promise((resolve) => {
    const child = spawn("git", [...settings, "-C", root, "check-ignore", "--stdin", "-z"], {
      stdio: ["pipe", "pipe", "ignore"],
      windowsHide: true,
      timeout: timeoutMilliseconds,
      env: { ...process.env, GIT_OPTIONAL_LOCKS: "0", GIT_TERMINAL_PROMPT: "0", LC_ALL: "C" },
    });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.on("error", () => resolve([]));
    child.on("close", () => {
      const paths = new Set(Buffer.concat(chunks).toString("utf8").split("\0"));
      resolve(files.filter((file) => paths.has(toGitPath(root, file))));
    });
    // Git may end before it has read everything.
    child.stdin.on("error", () => undefined);
    child.stdin.end(files.map((file) => `${toGitPath(root, file)}\0`).join(""));
  });
}

function toGitPath(root: string, file: string): string {
  return path.relative(root, file).replaceAll(path.sep, "/");
}
