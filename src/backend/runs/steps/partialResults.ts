/**
 * The unfinished result of a step, for a run that is interrupted: a folder with one checkpoint, whose name shows what it is
 * a part of and how far it is. The step removes the folder once it is done.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { PartialResult, PartialResults } from "../../compression/method";
import {
  type Checkpoint,
  readCheckpoint,
  recoverCheckpoints,
  writeCheckpoint,
} from "../../checkpoints/checkpoint";
import { toCanonicalJson } from "../../experiment/stepKey";
import { hashModel } from "./workshop";

/** In the folder of a step. */
export const partialFolderName = "partial";

export interface PartialOptions {
  /** Everything that the result follows from, besides the model before and the parts. */
  readonly key: unknown;
  readonly log: (message: string) => void;
  /** The least time between two checkpoints. */
  readonly seconds?: number;
}

/** Writing takes at most this share of the time. */
const largestShare = 0.05;

/** The caller is the only one that writes to the folder. */
export function openPartialResults(
  folder: string,
  { key, log, seconds = 1 }: PartialOptions,
): PartialResults {
  let patience = seconds;
  let since = performance.now();
  /** Set once writing has failed. */
  let isBroken = false;
  let hashed: { readonly before: Checkpoint; readonly parts: string; readonly hash: string } | undefined;

  return {
    load(before, parts) {
      if (!existsSync(folder)) return undefined;
      recoverCheckpoints(folder);
      const newest = listPartials(folder).filter(({ hash }) => hash === identify(before, parts))[0];
      const result = newest && tryRead(join(folder, newest.name), newest.done);
      if (result !== undefined)
        log(`Continues the interrupted attempt: ${result.done} of ${parts.length} parts are done.`);
      return result;
    },

    save(before, parts, { model, done }) {
      if (isBroken || performance.now() - since < 1000 * patience) return;
      const begun = performance.now();
      try {
        mkdirSync(folder, { recursive: true });
        const name = `${identify(before, parts)}-${done}`;
        writeCheckpoint(join(folder, name), { shape: model.shape, tensors: model.tensors });
        for (const other of listPartials(folder))
          if (other.name !== name) rmSync(join(folder, other.name), { recursive: true, force: true });
      } catch (thrown) {
        isBroken = true;
        log(
          `The unfinished result cannot be written, so this step restarts if it is interrupted: ${(thrown as Error).message}`,
        );
      }
      since = performance.now();
      patience = Math.max(seconds, (since - begun) / 1000 / largestShare);
    },
  };

  function tryRead(path: string, done: number): PartialResult | undefined {
    try {
      return { model: readCheckpoint(path), done };
    } catch (thrown) {
      log(`The unfinished result cannot be used, so it is computed again: ${(thrown as Error).message}`);
      return undefined;
    }
  }

  /** The weights are read once for each model. */
  function identify(before: Checkpoint, names: readonly string[]): string {
    const parts = names.join("\n");
    if (hashed?.before !== before || hashed.parts !== parts)
      hashed = {
        before,
        parts,
        hash: createHash("sha256")
          .update(toCanonicalJson([key, parts]))
          .update(hashModel(before))
          .digest("hex")
          .slice(0, 32),
      };
    return hashed.hash;
  }
}

/** The furthest first. */
function listPartials(folder: string) {
  return readdirSync(folder)
    .flatMap((name) => {
      const [, hash, done] = /^([0-9a-f]{32})-(\d+)$/.exec(name) ?? [];
      return hash === undefined ? [] : [{ name, hash, done: Number(done) }];
    })
    .sort((a, b) => b.done - a.done);
}
