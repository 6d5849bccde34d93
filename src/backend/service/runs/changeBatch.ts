/** Collects changes and reports them at most four times a second: a table redraws no faster. */
import type { Unsubscribe } from "../../../protocol/connection";

export interface Changes {
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

const restMilliseconds = 250;
/** Changes within this time are reported together. */
const leadMilliseconds = 20;

export class ChangeBatch implements Disposable {
  /** Whether each changed run still exists. */
  private readonly pending = new Map<string, boolean>();
  private readonly listeners = new Set<(changes: Changes) => void>();
  private timer: NodeJS.Timeout | undefined;
  private flushedAt = -Infinity;

  changed(run: string): void {
    this.add(run, true);
  }

  removed(run: string): void {
    this.add(run, false);
  }

  onFlush(listener: (changes: Changes) => void): Unsubscribe {
    this.listeners.add(listener);
    return { dispose: () => void this.listeners.delete(listener) };
  }

  private add(run: string, present: boolean): void {
    this.pending.set(run, present);
    const wait = Math.max(leadMilliseconds, this.flushedAt + restMilliseconds - performance.now());
    this.timer ??= setTimeout(() => this.flush(), wait);
  }

  private flush(): void {
    this.timer = undefined;
    this.flushedAt = performance.now();
    const runs = (isPresent: boolean) =>
      [...this.pending].filter(([, present]) => present === isPresent).map(([run]) => run);
    const changes = { changed: runs(true), removed: runs(false) };
    this.pending.clear();
    for (const listener of this.listeners) listener(changes);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.timer);
  }
}
