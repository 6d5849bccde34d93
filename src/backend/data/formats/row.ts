/** A row of any format of rows. */
import type { WorkbenchError } from "../../../protocol/errors";

export interface Row {
  readonly values: Readonly<Record<string, unknown>>;
  /** Its file and its 1-based line or number, for messages. */
  readonly where: string;
}

/** Receives what is wrong with a malformed row; throws it, or counts it where such rows are skipped. */
export type OnBadRow = (error: WorkbenchError) => void;
