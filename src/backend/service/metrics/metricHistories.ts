/** The histories in memory: the needed ones and the most recently used. */
import { join } from "node:path";
import { LruCache } from "../../../protocol/lruCache";
import { MetricHistory } from "./metricHistory";

/** Two histories of a million lines and many small ones. */
const defaultBytes = 256 * 2 ** 20;

export interface HistoriesOptions {
  /** Total bytes of all columns. */
  readonly limit?: number;
  /** Whether a history must stay in memory because it would be read again at once. */
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

  /** Drops histories that are neither needed nor the most recently used. Call it after reading histories. */
  makeRoom(): void {
    this.#histories.trim();
  }

  has(run: string): boolean {
    return this.#histories.has(run);
  }
}
