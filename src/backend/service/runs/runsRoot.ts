/**
 * One `.lathe/runs` folder and the run folders in it. Changes are detected at once where the system reports them,
 * otherwise within seconds.
 */
import { type FSWatcher, readdirSync, realpathSync, watch } from "node:fs";
import { join, relative, sep } from "node:path";
import { runIdPattern, getWorkspaceRunsFolder } from "../../runs/folder/runLocation";

export interface RootOptions {
  readonly trusted: boolean;
  /** A run may have been added or removed. */
  onHint(): void;
  warn(message: string): void;
}

export class RunsRoot implements Disposable {
  /** The real path; undefined if the folder does not exist. */
  path: string | undefined;
  private watcher: FSWatcher | undefined;
  private watched: string | undefined;
  private readonly reported = new Set<string>();

  /** `workspace` as the window names it. */
  constructor(
    readonly workspace: string,
    private readonly options: RootOptions,
  ) {}

  /** Run folders by their real paths. A link in place of a run folder is ignored, wherever it leads. */
  scan(): readonly string[] {
    this.path = this.locate();
    this.observe();
    const { path } = this;
    if (path === undefined) return [];
    let entries;
    try {
      entries = readdirSync(path, { withFileTypes: true });
    } catch (thrown) {
      this.reportOnce(`Runs can't be listed: ${(thrown as Error).message}.`);
      return [];
    }
    return entries.flatMap((entry) => {
      if (!runIdPattern.test(entry.name)) return [];
      const folder = join(path, entry.name);
      if (entry.isSymbolicLink())
        this.reportOnce(`${folder} is a symbolic link, so it is not shown as a run.`);
      return entry.isDirectory() ? [folder] : [];
    });
  }

  /** In an untrusted workspace `.lathe` may be a link that leads anywhere. */
  private locate(): string | undefined {
    const linked = getWorkspaceRunsFolder(this.workspace);
    try {
      const path = realpathSync(linked);
      const way = relative(realpathSync(this.workspace), path);
      if (this.options.trusted || !way.split(sep).includes("..")) return path;
      this.reportOnce(
        `${linked} leads out of its workspace, which is not trusted, so its runs are not shown.`,
      );
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== "ENOENT")
        this.reportOnce(`${linked} can't be read: ${(thrown as Error).message}.`);
    }
    return undefined;
  }

  private observe(): void {
    if (this.watched === this.path) return;
    this.watcher?.close();
    this.watcher = undefined;
    this.watched = this.path;
    if (this.path === undefined) return;
    try {
      this.watcher = watch(this.path, { persistent: false }, () => this.options.onHint());
      this.watcher.on("error", (error) => this.scanOnly(error));
    } catch (thrown) {
      this.scanOnly(thrown as Error);
    }
  }

  /** Without events from the system, as on some network drives, only the periodic scan detects changes. */
  private scanOnly(error: Error): void {
    this.watcher?.close();
    this.watcher = undefined;
    this.reportOnce(
      `${this.watched ?? ""} can't be watched (${error.message}); new runs appear after a few seconds.`,
    );
  }

  private reportOnce(message: string): void {
    if (this.reported.has(message)) return;
    this.reported.add(message);
    this.options.warn(message);
  }

  [Symbol.dispose](): void {
    this.watcher?.close();
  }
}
