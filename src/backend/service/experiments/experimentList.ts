/**
 * The experiments of the window with their variants. Only their text is read: invalid ones are listed too, and
 * nothing is planned.
 */
import { setImmediate } from "node:timers/promises";
import type { ExperimentEntry } from "../../../protocol/service/experiments";
import { headOf } from "../../language/outline";
import { readBounded, stampOf } from "../../runs/folder/boundedFile";

/** Larger files were not written by a person. */
const mostBytes = 4 * 2 ** 20;

interface Known {
  readonly stamp: string;
  readonly entry: ExperimentEntry;
}

export class ExperimentList {
  /** By file; an unchanged file is not read again. */
  private known: ReadonlyMap<string, Known> = new Map();

  async read(files: readonly string[], signal: AbortSignal): Promise<ExperimentEntry[]> {
    const next = new Map<string, Known>();
    for (const file of files) {
      const stamp = stampOf(file);
      const cached = this.known.get(file);
      if (cached?.stamp === stamp) {
        next.set(file, cached);
        continue;
      }
      next.set(file, { stamp, entry: entryOf(file) });
      await setImmediate();
      signal.throwIfAborted();
    }
    this.known = next;
    return [...next.values()].map(({ entry }) => entry);
  }
}

/** An unreadable file is listed without a title; requests about it report the reason. */
function entryOf(file: string): ExperimentEntry {
  try {
    const { title, variants } = headOf({ file, text: readBounded(file, mostBytes) });
    return { file, title, variants: variants.map(({ name }) => name) };
  } catch {
    return { file, title: "", variants: [] };
  }
}
