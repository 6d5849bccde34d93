/** Runs as the workbench shows them, and what may be done with them. */
import type { Empty } from "../connection";
import type { Counts } from "../counts";
import type { Block } from "../blocks";
import type { LossProtocols } from "../lossProtocol";
import type { Pruning, RunFailure, RunNotes, RunRecord, RunState } from "../run";

/** One row of a table of runs: what thousands of them can afford. `run` in every request is such a row's folder. */
export interface RunSummary {
  /** Absolute path of the run folder: what a run is known by in the whole window. */
  readonly folder: string;
  readonly id: string;
  /** The person's own name for it, or else the plan's. */
  readonly name: string;
  /** Absolute path of the experiment file, as far as that is known. */
  readonly experiment?: string;
  readonly variant: string;
  readonly sweep: Readonly<Record<string, unknown>>;
  readonly seed: number;
  readonly state: RunState | "unreadable";
  readonly failure?: RunFailure;
  /** Why successive halving ended it, where the state is `pruned`. */
  readonly pruned?: Pruning;
  /** ISO 8601. Empty where the record can't be read. */
  readonly createdAt: string;
  readonly startedAt?: string;
  readonly endedAt?: string;
  /** Seconds spent running. */
  readonly seconds?: number;
  readonly device?: RunRecord["device"];
  readonly progress?: RunRecord["progress"];
  readonly queuePosition?: number;
  /** Per metric: last, lowest and highest value. */
  readonly metrics: RunRecord["summary"];
  /** What was read, which need not be what the experiment names. */
  readonly dataTitle?: string;
  /** How the losses among them were measured: only equal protocols may be compared. */
  readonly losses?: LossProtocols;
  readonly counts?: { readonly nonEmbedding: Counts; readonly total: Counts };
  readonly references?: readonly ReferenceSeries[];
  /** Numbers that were published of whole models at the scale of the run. */
  readonly published?: readonly PublishedNumber[];
  readonly notices: readonly string[];
  readonly tags: readonly string[];
  readonly notes: string;
  readonly star: boolean;
}

export interface PublishedNumber {
  readonly quantity: string;
  readonly value: number;
  readonly variant: string;
}

/** A published curve that belongs beside those of a run. */
export interface ReferenceSeries {
  readonly name: string;
  readonly metric: string;
  readonly firstStep: number;
  readonly stepInterval: number;
  readonly tokensPerStep: number;
  readonly values: readonly number[];
  /** It was published at another scale than the run's, so one axis does not suit both. */
  readonly otherScale?: string;
}

/** What one step of a run has left behind, ready to be shown. */
export interface StepResult {
  readonly index: number;
  readonly action: string;
  readonly state: "waiting" | "running" | "done";
  readonly blocks: readonly Block[];
}

export interface StartRuns {
  /** Absolute path of the experiment file. */
  readonly experiment: string;
  /** Leave out the actions of later cells. */
  readonly throughCell?: number;
  readonly variant?: string;
  /** As `--set` takes them: `train.max_steps=100`. */
  readonly settings?: readonly string[];
  readonly device?: string;
  /** Take over no finished steps of earlier runs. */
  readonly fresh?: boolean;
  /** Don't wait for other runs of the same device. */
  readonly parallel?: boolean;
  /** Store the runs in `.lathe` of the experiment's own folder, also those that are started later. */
  readonly beside?: boolean;
}

export interface RunRequests {
  /** The runs of the opened folders, the newest first. Of thousands, the older ones follow as `runsChanged`. */
  "runs.list": { params: Empty; result: { readonly runs: readonly RunSummary[] } };
  /** Saved text only. Checks everything first: where one plan can't be, none is started. */
  "runs.start": { params: StartRuns; result: { readonly runs: readonly RunSummary[] } };
  /** `settings` change the plan first, as `lathe resume --set` does: `train.max_steps=200` also extends a finished run. */
  "runs.resume": {
    params: { readonly run: string; readonly settings?: readonly string[] };
    result: RunSummary;
  };
  /** Answered once the run has written its checkpoint and ended. */
  "runs.stop": { params: { readonly run: string }; result: RunSummary };
  "runs.pause": { params: { readonly run: string }; result: RunSummary };
  "runs.continue": { params: { readonly run: string }; result: RunSummary };
  "runs.checkpoint": { params: { readonly run: string }; result: RunSummary };
  /** Only for a waiting run: the first or last of those that wait for its device. */
  "runs.requeue": { params: { readonly run: string; readonly to: "first" | "last" }; result: RunSummary };
  /** What is given replaces what was; the rest of the notes stays. */
  "runs.annotate": { params: { readonly run: string; readonly notes: RunNotes }; result: RunSummary };
  /** Moves ended runs to `.lathe/trash`, all or none, and returns their new folders. */
  "runs.trash": {
    params: { readonly runs: readonly string[] };
    result: { readonly trashed: readonly string[] };
  };
  /** The runs in the trash of the opened folders, the newest first; each row's folder is where it is now. */
  "runs.trashed": { params: Empty; result: { readonly runs: readonly RunSummary[] } };
  /** Restores what `runs.trash` moved. */
  "runs.restore": { params: { readonly trashed: readonly string[] }; result: Empty };
  /** The settings in which these runs differ: `values[i]` belongs to `runs[i]`, in the order of `keys`. */
  "runs.differences": {
    params: { readonly runs: readonly string[] };
    result: {
      readonly keys: readonly string[];
      readonly values: readonly (readonly (string | number | boolean | null)[])[];
    };
  };
  "runs.results": { params: { readonly run: string }; result: { readonly steps: readonly StepResult[] } };
  /** The card of the paper that these runs are to reproduce, from those that are done; no blocks where they name none. */
  "runs.card": {
    params: { readonly runs: readonly string[] };
    result: { readonly blocks: readonly Block[] };
  };
  /** The tasks of lm-evaluation-harness: each of these runs against the first, document by document; no blocks without any. */
  "runs.tasks": {
    params: { readonly runs: readonly string[] };
    result: { readonly blocks: readonly Block[] };
  };
  /** The last part of the log as text; what came before it is left out. */
  "runs.log": { params: { readonly run: string; readonly bytes: number }; result: { readonly text: string } };
}

/** Something that a person should hear about once. */
export interface Alert {
  readonly kind: "not-a-number" | "spike" | "plateau" | "overfitting" | "low-disk" | "done" | "failed";
  readonly run: string;
  readonly name: string;
  readonly message: string;
}

export interface RunEvents {
  runsChanged: { readonly changed: readonly RunSummary[]; readonly removed: readonly string[] };
  alertRaised: Alert;
}
