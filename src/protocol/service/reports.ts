/** The report of an experiment: one HTML document that runs and loads nothing. */
export interface ReportDocument {
  readonly title: string;
  /** For files, without an ending. */
  readonly name: string;
  readonly html: string;
  /** Plans of the current text with a finished run, and all of them. */
  readonly finished: number;
  readonly planned: number;
  /** Absolute path, if it was written. */
  readonly file?: string;
}

export interface ReportRequests {
  /** Of the saved text. With `write`, the pages are also written where `lathe report` writes them. */
  "experiment.report": {
    params: { readonly experiment: string; readonly write?: boolean };
    result: ReportDocument;
  };
}
