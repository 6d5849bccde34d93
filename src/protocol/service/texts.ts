/** What text a folder holds, for an experiment that is about to be written. */
export interface TextSurvey {
  /** For `data.text`: the kind of files with the most text. */
  readonly pattern: string;
  readonly files: number;
  /** Of the first files, relative to the folder. */
  readonly names: readonly string[];
  readonly bytes: number;
}

/** Below one token for training per parameter, a model can memorize its text. */
export const enoughTokensPerParameter = 1;

export interface TextRequests {
  /** Looks for text below `folder`, which is absolute, as `data.text` does. */
  "texts.survey": { params: { readonly folder: string }; result: TextSurvey };
}
