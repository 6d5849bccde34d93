/**
 * The model cache of huggingface_hub, so that all programs share one download: `refs` maps branches to commits, and
 * `snapshots/<commit>` contains links to the files in `blobs`, which are named by their hashes.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { HubId } from "./hubId";

const isCommit = (revision: string) => /^[0-9a-f]{40}$/.test(revision);

export class HubCache {
  readonly folder: string;
  constructor(
    cache: string,
    private readonly id: HubId,
  ) {
    this.folder = join(cache, `models--${id.repository.replace("/", "--")}`);
  }

  snapshot(commit: string): string {
    return join(this.folder, "snapshots", commit);
  }

  blob(hash: string): string {
    return join(this.folder, "blobs", hash);
  }

  /** The commit that the revision last referred to. */
  readCommit(): string | undefined {
    const { revision } = this.id;
    if (isCommit(revision)) return existsSync(this.snapshot(revision)) ? revision : undefined;
    const ref = this.ref();
    const commit = existsSync(ref) ? readFileSync(ref, "utf8").trim() : "";
    return isCommit(commit) && existsSync(this.snapshot(commit)) ? commit : undefined;
  }

  remember(commit: string): void {
    if (isCommit(this.id.revision)) return;
    mkdirSync(dirname(this.ref()), { recursive: true });
    writeFileSync(this.ref(), commit);
  }

  private ref(): string {
    return join(this.folder, "refs", this.id.revision);
  }

  /** Links a blob into a snapshot. */
  link(commit: string, name: string, hash: string): void {
    const path = join(this.snapshot(commit), name);
    if (existsSync(path)) return;
    mkdirSync(dirname(path), { recursive: true });
    try {
      symlinkSync(relative(dirname(path), this.blob(hash)), path);
    } catch (thrown) {
      const { code } = thrown as { code?: string };
      if (code === "EEXIST") return;
      // On Windows, creating links may need extra rights.
      if (code !== "EPERM" && code !== "ENOSYS") throw thrown;
      copyFileSync(this.blob(hash), path);
    }
  }
}
