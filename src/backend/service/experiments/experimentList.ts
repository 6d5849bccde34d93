/**
 * The experiments of the window with their variants. Only their text is read: invalid ones are listed too, and
 * nothing is planned.
 */
import { setImmediate } from "node:timers/promises";
import type { ExperimentEntry } from "../../../protocol/service/experiments";
import { createOutlineHead } from "../../language/outline";
import { readBounded, getFileStamp } from "../../runs/folder/boundedFile";

/** Larger files were not written by a person. */
const maxBytes = 4 * 2 ** 20;

interface CachedEntry {
  readonly stamp: string;
  readonly entry: ExperimentEntry;
}

export class ExperimentList {
  /** By file; an unchanged file is not read again. */
  private cache: ReadonlyMap<string, CachedEntry> = new Map();

  async read(files: readonly string[], signal: AbortSignal): Promise<ExperimentEntry[]> {
    const next = new Map<string, CachedEntry>();
    for (const file of files) {
      const stamp = getFileStamp(file);
      const cached = this.cache.get(file);
      if (cached?.stamp === stamp) {
        next.set(file, cached);
        continue;
      }
      next.set(file, { stamp, entry: readEntry(file) });
      await setImmediate();
      signal.throwIfAborted();
    }
    this.cache = next;
    return [...next.values()].map(({ entry }) => entry);
  }
}

/** An unreadable file is listed without a title; requests about it report the reason. */
function readEntry(file: string): ExperimentEntry {
  try {
    const { title, variants } = createOutlineHead({ file, text: readBounded(file, maxBytes) });
    return { file, title, variants: variants.map(({ name }) => name) };
  } catch {
    return { file, title: "", variants: [] };
  }
}
