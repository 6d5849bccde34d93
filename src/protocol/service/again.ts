/** Running a run again with other settings. */
import type { RunSummary } from "./runs";

export interface RunSetting {
  /** As `--set` takes it: `train.learning_rate`. */
  readonly path: string;
  /** As YAML; absent where nothing is set. */
  readonly value?: string;
  readonly description: string;
  /** In words: `whole number above 0`. */
  readonly type: string;
  /** The allowed values, if they can be listed. */
  readonly values: readonly string[];
}

/** `settings` as `--set` takes them: `train.max_steps=100`. */
interface Changed {
  readonly run: string;
  readonly settings: readonly string[];
}

export interface AgainRequests {
  "runs.settings": { params: { readonly run: string }; result: { readonly settings: readonly RunSetting[] } };
  /** What would run. Fails where the changes are not valid. */
  "runs.planAgain": { params: Changed; result: { readonly name: string } };
  /** A new run; the old one stays as it is. */
  "runs.again": { params: Changed; result: RunSummary };
  /** The settings as the text of an experiment that is to be written as `file`, an absolute path. */
  "runs.asCells": { params: Changed & { readonly file: string }; result: { readonly text: string } };
}
