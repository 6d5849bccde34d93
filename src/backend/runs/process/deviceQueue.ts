/**
 * Runs of one device, one behind another. The queue is a small file per device and machine; its entries name processes,
 * and an entry whose process is gone counts for nothing, so a killed run never blocks those behind it.
 */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import envPaths from "env-paths";
import * as z from "zod";
import { WorkbenchError } from "../../../protocol/errors";
import { writeAtomic } from "../folder/atomicFile";
import { withFolder } from "./folderMutex";
import { liveness, type ProcessIdentity } from "./processIdentity";
import { safeName } from "../folder/runLocation";

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

/** `ps` and PowerShell are slower to ask who lives than /proc is. */
const pollMilliseconds = process.platform === "linux" ? 250 : 1500;

/**
 * One folder a machine, since a home folder may be shared by several; outside any workspace, since a device is shared
 * by all of them. LATHE_STATE_DIR names another place.
 */
export function queuesFolder(): string {
  const state = process.env.LATHE_STATE_DIR ?? envPaths("lathe", { suffix: "" }).data;
  return join(state, "queue", safeName(hostname()));
}

export interface WaitOptions {
  /** The entry stands in the queue. */
  readonly onJoined?: () => void;
  readonly signal: AbortSignal;
  /** How many go first; called when it changes. */
  onPosition(position: number): void;
}

export class DeviceQueue {
  private readonly folder: string;
  private readonly file: string;

  constructor(
    readonly device: string,
    root = queuesFolder(),
  ) {
    this.folder = join(root, safeName(device));
    this.file = join(this.folder, "queue.json");
  }

  static all(root = queuesFolder()): readonly DeviceQueue[] {
    let names: readonly string[];
    try {
      names = readdirSync(root).sort();
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw thrown;
    }
    return names.map((name) => new DeviceQueue(name, root));
  }

  /** Who runs and who waits, in order; only processes that live. */
  async entries(): Promise<readonly QueueEntry[]> {
    const alive = await Promise.all(
      this.read().map(async (entry) => ((await liveness(entry.process)) === "gone" ? [] : [entry])),
    );
    return alive.flat();
  }

  /** Waits for the device and takes it. */
  async acquire(entry: Omit<QueueEntry, "running" | "since">, options: WaitOptions): Promise<void> {
    const waiting = { ...entry, since: new Date().toISOString(), running: false };
    await this.change((entries) => [...entries.filter(({ id }) => id !== entry.id), waiting]);
    options.onJoined?.();
    let told = -1;
    for (;;) {
      options.signal.throwIfAborted();
      const position = (await this.entries()).findIndex(({ id }) => id === entry.id);
      if (position <= 0 && (await this.take(waiting))) return;
      if (position !== told && position > 0) options.onPosition(position);
      told = position;
      await setTimeout(pollMilliseconds, undefined, { signal: options.signal });
    }
  }

  /** Takes the device at once, beside whoever has it; those who queue wait for this run too. */
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
        const why = moved === undefined ? "is not in the queue" : "is running already";
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

  /** True once the entry is the first and nobody runs. An entry that was lost with its file queues again, at the end. */
  private async take(own: QueueEntry): Promise<boolean> {
    let taken = false;
    await this.change((entries) => {
      const present = entries.some(({ id }) => id === own.id) ? entries : [...entries, own];
      taken = present[0]?.id === own.id && present.every(({ running }) => !running);
      return taken
        ? present.map((entry) => (entry.id === own.id ? { ...entry, running: true } : entry))
        : present;
    });
    return taken;
  }

  private async change(next: (alive: readonly QueueEntry[]) => readonly QueueEntry[]): Promise<void> {
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    } catch (cause) {
      const why = `${(cause as Error).message}. Set LATHE_STATE_DIR to a folder that can be written, or run with --parallel`;
      throw new WorkbenchError("io", `The queue of ${this.device} can't be kept: ${why}.`, {}, { cause });
    }
    await withFolder(this.folder, async () => {
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
      const message = `${this.file} is not a queue of runs. Delete it; runs that wait will queue again by themselves.`;
      throw new WorkbenchError("corrupt", message, {}, { cause });
    }
  }
}
