/**
 * Which files git ignores: generated and private files that a pattern such as `**\/*.md` does not mean. The rules are
 * those of the repository (`.gitignore`, `.git/info/exclude`) and not those of the user's home, so that a folder gives the
 * same data on every machine. Git itself is not run. A tracked file that a rule matches counts as ignored.
 */
import { existsSync, lstatSync, readFileSync } from "node:fs";
import path from "node:path";
import createMatcher, { type Ignore } from "ignore";

/** Paths are absolute. Outside repositories nothing is ignored. What is read is kept, so an instance is for one search. */
export class IgnoreRules {
  private readonly roots = new Map<string, string | undefined>();
  private readonly matchers = new Map<string, Ignore | undefined>();
  /** Whether the rules ignore a folder, or what is at its path. */
  private readonly folders = new Map<string, "ignored" | "link" | "read">();

  ignoresFile(file: string): boolean {
    const root = this.findRepository(path.dirname(file));
    if (root === undefined) return false;
    const state = this.lookAtFolder(root, path.dirname(file));
    return state === "ignored" || (state === "read" && this.matches(root, file, false));
  }

  ignoresFolder(folder: string): boolean {
    const root = this.findRepository(path.dirname(folder));
    return root !== undefined && this.lookAtFolder(root, folder) === "ignored";
  }

  /** A file in an ignored folder is ignored, whatever the other rules are. Git does not follow a link. */
  private lookAtFolder(root: string, folder: string): "ignored" | "link" | "read" {
    if (folder === root) return "read";
    const known = this.folders.get(folder);
    if (known !== undefined) return known;
    const parent = this.lookAtFolder(root, path.dirname(folder));
    const isLink = lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink() === true;
    const state =
      parent !== "read" ? parent : this.matches(root, folder, !isLink) ? "ignored" : isLink ? "link" : "read";
    this.folders.set(folder, state);
    return state;
  }

  /** Of the files with rules, the one nearest to the path decides. */
  private matches(root: string, file: string, isFolder: boolean): boolean {
    for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
      const outcome = this.test(path.join(folder, ".gitignore"), folder, file, isFolder);
      if (outcome !== undefined) return outcome;
      if (folder === root) break;
    }
    const git = path.join(root, ".git");
    // In worktrees and submodules it is a file; the rules in the folder that it names are left out.
    if (!lstatSync(git).isDirectory()) return false;
    return this.test(path.join(git, "info", "exclude"), root, file, isFolder) ?? false;
  }

  private test(rules: string, folder: string, file: string, isFolder: boolean): boolean | undefined {
    const matcher = this.readRules(rules);
    if (matcher === undefined) return undefined;
    const relative = path.relative(folder, file).replaceAll(path.sep, "/") + (isFolder ? "/" : "");
    const { ignored, unignored } = matcher.test(relative);
    return ignored ? true : unignored ? false : undefined;
  }

  private readRules(file: string): Ignore | undefined {
    if (!this.matchers.has(file))
      this.matchers.set(
        file,
        lstatSync(file, { throwIfNoEntry: false })?.isFile() === true
          ? createMatcher({ ignorecase: false }).add(readFileSync(file, "utf8"))
          : undefined,
      );
    return this.matchers.get(file);
  }

  /** The nearest folder with `.git`, which is a file in worktrees and submodules. */
  private findRepository(folder: string): string | undefined {
    if (this.roots.has(folder)) return this.roots.get(folder);
    const parent = path.dirname(folder);
    const root = existsSync(path.join(folder, ".git"))
      ? folder
      : parent === folder
        ? undefined
        : this.findRepository(parent);
    this.roots.set(folder, root);
    return root;
  }
}
