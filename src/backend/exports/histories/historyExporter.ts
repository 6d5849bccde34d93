/** The interface of a history format, which writes all metrics of a run for other programs. Each format is one file. */
import type { MetricLine } from "../../../protocol/run";

export interface HistorySubject {
  /** The id of the run. */
  readonly id: string;
  /** The time at which the `seconds` of the run are 0, in milliseconds since 1970. */
  readonly startedAt: number;
  /** Iterates over all lines in batches of bounded size. Can be called more than once. */
  readonly lines: () => AsyncIterable<readonly MetricLine[]>;
}

export interface HistoryExporter {
  readonly title: string;
  /** The name of the file that is written. */
  readonly file: (subject: HistorySubject) => string;
  /** The content of the file, in chunks. */
  readonly content: (subject: HistorySubject) => AsyncIterable<Uint8Array | string>;
}
