/** The histories in memory: those that are needed, and those that were used last. */
import { join } from "node:path";
import { LruCache } from "../../../protocol/lruCache";
import { MetricHistory } from "./metricHistory";

/** Two histories of a million lines and many small ones. */
const defaultBytes = 256 * 2 ** 20;

export interface HistoriesOptions {
  /** Bytes of all columns together. */
  readonly limit?: number;
  /** Whether a history stays, since it would be read again at once. */
  readonly isNeeded?: (run: string) => boolean;
}

export class MetricHistories {
  readonly #histories: LruCache<MetricHistory>;

  constructor({ limit = defaultBytes, isNeeded = () => false }: HistoriesOptions = {}) {
    this.#histories = new LruCache({ limit, sizeOf: ({ columns }) => columns.bytes, isPinned: isNeeded });
  }

  of(run: string): MetricHistory {
    return this.#histories.getOrCreate(run, () => new MetricHistory(join(run, "metrics.jsonl")));
  }

  /** Drops histories that are neither needed nor the last one used. Call it when histories have been read. */
  makeRoom(): void {
    this.#histories.trim();
  }

  has(run: string): boolean {
    return this.#histories.has(run);
  }
}
