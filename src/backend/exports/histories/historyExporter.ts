/** What a format of a run's history is: it writes every metric of one run for other programs. One file a format. */
import type { MetricLine } from "../../../protocol/run";

export interface HistorySubject {
  /** Of the run. */
  readonly id: string;
  /** Milliseconds since 1970 at which the run's own seconds began. */
  readonly startedAt: number;
  /** All lines, a bounded number at a time; may be asked for more than once. */
  readonly lines: () => AsyncIterable<readonly MetricLine[]>;
}

export interface HistoryExporter {
  readonly title: string;
  /** The name of the one file that is written. */
  readonly file: (subject: HistorySubject) => string;
  /** Its content, a piece at a time. */
  readonly content: (subject: HistorySubject) => AsyncIterable<Uint8Array | string>;
}
