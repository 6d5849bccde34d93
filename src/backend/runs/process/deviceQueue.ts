/**
 * The queue of the runs of one device: a small file per device and machine. Its entries name processes, and an entry
 * whose process has ended is ignored, so a killed run never blocks later ones.
 */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import envPaths from "env-paths";
import * as z from "zod";
import { WorkbenchError } from "../../../protocol/errors";
import { writeAtomic } from "../folder/atomicFile";
import { withFolderLock } from "./folderMutex";
import { checkLiveness, type ProcessIdentity } from "./processIdentity";
import { toSafeName } from "../folder/runLocation";

export interface QueueEntry {
  readonly id: string;
  /** Run folder. */
  readonly folder: string;
  readonly process: ProcessIdentity;
  readonly since: string;
  readonly running: boolean;
}

const fileSchema = z.array(
  z.object({
    id: z.string(),
    folder: z.string(),
    process: z.object({ pid: z.int(), startedAt: z.string(), host: z.string() }),
    since: z.string(),
    running: z.boolean(),
  }),
);

/** Checking processes with `ps` and PowerShell is slower than with /proc. */
const pollMilliseconds = process.platform === "linux" ? 250 : 1500;

/**
 * One folder per machine, since several may share a home folder; outside any workspace, since all of them share the
 * device. LATHE_STATE_DIR selects another folder.
 */
export function getQueuesFolder(): string {
  const state = process.env.LATHE_STATE_DIR ?? envPaths("lathe", { suffix: "" }).data;
  return join(state, "queue", toSafeName(hostname()));
}

export interface WaitOptions {
  /** Called when the entry is in the queue. */
  readonly onJoined?: () => void;
  readonly signal: AbortSignal;
  /** Receives the number of runs ahead; called when it changes. */
  onPosition(position: number): void;
}

export class DeviceQueue {
  private readonly folder: string;
  private readonly file: string;

  constructor(
    readonly device: string,
    root = getQueuesFolder(),
  ) {
    this.folder = join(root, toSafeName(device));
    this.file = join(this.folder, "queue.json");
  }

  static all(root = getQueuesFolder()): readonly DeviceQueue[] {
    let names: readonly string[];
    try {
      names = readdirSync(root).sort();
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw thrown;
    }
    return names.map((name) => new DeviceQueue(name, root));
  }

  /** Running and waiting runs in order; only those with a living process. */
  async entries(): Promise<readonly QueueEntry[]> {
    const alive = await Promise.all(
      this.read().map(async (entry) => ((await checkLiveness(entry.process)) === "gone" ? [] : [entry])),
    );
    return alive.flat();
  }

  /** Waits for the device and takes it. */
  async acquire(entry: Omit<QueueEntry, "running" | "since">, options: WaitOptions): Promise<void> {
    const waiting = { ...entry, since: new Date().toISOString(), running: false };
    await this.change((entries) => [...entries.filter(({ id }) => id !== entry.id), waiting]);
    options.onJoined?.();
    let lastPosition = -1;
    for (;;) {
      options.signal.throwIfAborted();
      const position = (await this.entries()).findIndex(({ id }) => id === entry.id);
      if (position <= 0 && (await this.take(waiting))) return;
      if (position !== lastPosition && position > 0) options.onPosition(position);
      lastPosition = position;
      await setTimeout(pollMilliseconds, undefined, { signal: options.signal });
    }
  }

  /** Takes the device at once, in addition to its present run; queued runs wait for this one too. */
  async share(entry: Omit<QueueEntry, "running" | "since">): Promise<void> {
    const running = { ...entry, since: new Date().toISOString(), running: true };
    await this.change((entries) => [running, ...entries.filter(({ id }) => id !== entry.id)]);
  }

  async release(id: string): Promise<void> {
    await this.change((entries) => entries.filter((entry) => entry.id !== id));
  }

  async move(id: string, to: "first" | "last"): Promise<void> {
    await this.change((entries) => {
      const moved = entries.find((entry) => entry.id === id);
      if (moved === undefined || moved.running) {
        const why = moved === undefined ? "is not in the queue" : "is already running";
        throw new WorkbenchError(
          "invalid-input",
          `${id} ${why} of ${this.device}; only a waiting run can be moved.`,
        );
      }
      const running = entries.filter((entry) => entry.running);
      const others = entries.filter((entry) => !entry.running && entry !== moved);
      return to === "first" ? [...running, moved, ...others] : [...running, ...others, moved];
    });
  }

  /**
   * True once the entry is first and no run is active. An entry that was lost with its file joins the queue again at
   * its end.
   */
  private async take(self: QueueEntry): Promise<boolean> {
    let acquired = false;
    await this.change((entries) => {
      const withSelf = entries.some(({ id }) => id === self.id) ? entries : [...entries, self];
      acquired = withSelf[0]?.id === self.id && withSelf.every(({ running }) => !running);
      return acquired
        ? withSelf.map((entry) => (entry.id === self.id ? { ...entry, running: true } : entry))
        : withSelf;
    });
    return acquired;
  }

  private async change(next: (alive: readonly QueueEntry[]) => readonly QueueEntry[]): Promise<void> {
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    } catch (cause) {
      const why = `${(cause as Error).message}. Set LATHE_STATE_DIR to a writable folder, or run with --parallel`;
      throw new WorkbenchError("io", `The queue of ${this.device} can't be written: ${why}.`, {}, { cause });
    }
    await withFolderLock(this.folder, async () => {
      writeAtomic(this.file, `${JSON.stringify(next(await this.entries()), undefined, 2)}\n`);
    });
  }

  private read(): readonly QueueEntry[] {
    let text: string;
    try {
      text = readFileSync(this.file, "utf8");
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw thrown;
    }
    try {
      return fileSchema.parse(JSON.parse(text));
    } catch (cause) {
      const message = `${this.file} is not a queue of runs. Delete it; waiting runs then join a new queue.`;
      throw new WorkbenchError("corrupt", message, {}, { cause });
    }
  }
}
