/**
 * The only writer of a run folder. Every file is replaced as a whole or appended to line by line, and nothing is
 * written through a symbolic link. Writing is synchronous, so that a failure surfaces where it happened.
 */
import { randomBytes } from "node:crypto";
import { closeSync, mkdirSync, openSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { RunPlan, RunRecord } from "../../../protocol/run";
import { checkpointName, listSavedSteps } from "../../checkpoints/checkpointNames";
import { writeAtomic } from "./atomicFile";
import { readBounded } from "./boundedFile";
import { resolveInside } from "./insideFolder";
import { appendFlags } from "../metrics/metricsWriter";
import { makeRunId } from "./runLocation";
import { maxRecordBytes, parseRecord } from "./runRecord";

/** `undefined` removes an entry. */
export type RecordPatch = { readonly [Key in keyof RunRecord]?: RunRecord[Key] | undefined };

/** Progress is written at most this often; everything else at once. */
const progressMilliseconds = 1000;

/** Space that is released when the disk is full, so that the run can still record it. */
const reserveBytes = 64 * 1024;

export class RunFolder {
  private writtenAt = 0;

  private constructor(
    readonly path: string,
    private current: RunRecord,
  ) {}

  static create(runsFolder: string, plan: RunPlan, facts: RecordPatch): RunFolder {
    mkdirSync(runsFolder, { recursive: true });
    const now = new Date();
    for (;;) {
      const id = makeRunId(plan.name, now);
      const path = join(realpathSync(runsFolder), id);
      try {
        mkdirSync(path); // Fails if the name exists: ids of the same second differ in their last digits.
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code === "EEXIST") continue;
        throw thrown;
      }
      const record: RunRecord = {
        id,
        name: plan.name,
        state: "queued",
        plan,
        createdAt: now.toISOString(),
        summary: {},
        notices: [],
      };
      const folder = new RunFolder(path, record);
      folder.update(facts);
      return folder;
    }
  }

  static open(path: string): RunFolder {
    const real = realpathSync(path);
    return new RunFolder(real, readRecord(real));
  }

  get id(): string {
    return basename(this.path);
  }

  get record(): RunRecord {
    return this.current;
  }

  /** Writes at once and flushes to the disk. */
  update(patch: RecordPatch): void {
    this.current = { ...this.current, ...patch } as RunRecord;
    this.writeRecord(true);
  }

  /** For values that change with every step: written periodically, and with the next `update`. */
  remember(patch: RecordPatch): void {
    this.current = { ...this.current, ...patch } as RunRecord;
    if (Date.now() - this.writtenAt >= progressMilliseconds) this.writeRecord(false);
  }

  private writeRecord(durable: boolean): void {
    writeAtomic(this.inside("run.json"), `${JSON.stringify(this.current, undefined, 2)}\n`, { durable });
    this.writtenAt = Date.now();
  }

  /** The path of a file of this run. Throws for paths outside the folder, including those through a link. */
  inside(...segments: readonly string[]): string {
    return resolveInside(this.path, ...segments);
  }

  /** The folder of a checkpoint, which may be missing. */
  checkpoint(step: number): string {
    return this.inside("checkpoints", checkpointName(step));
  }

  /** Steps of the checkpoints, latest first. */
  get savedSteps(): number[] {
    return listSavedSteps(this.inside("checkpoints"));
  }

  write(relative: string, data: string | Uint8Array, mode?: number): void {
    writeAtomic(this.inside(relative), data, { durable: true, ...(mode === undefined ? {} : { mode }) });
  }

  /** The folder for the results of one action, `steps/<n>-<action>`. */
  stepFolder(index: number, action: string): string {
    const folder = this.inside("steps", `${index}-${action}`);
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  log(message: string): void {
    const descriptor = openSync(this.inside("log.txt"), appendFlags, 0o666);
    try {
      writeFileSync(descriptor, `${new Date().toISOString()} ${message.trimEnd()}\n`);
    } finally {
      closeSync(descriptor);
    }
  }

  reserve(): void {
    // Random, since some file systems store a run of zeros in no space at all.
    this.write(".reserve", randomBytes(reserveBytes));
  }

  releaseReserve(): void {
    rmSync(join(this.path, ".reserve"), { force: true });
  }
}

export function readRecord(folder: string): RunRecord {
  const path = join(resolve(folder), "run.json");
  return parseRecord(readBounded(path, maxRecordBytes), path);
}
