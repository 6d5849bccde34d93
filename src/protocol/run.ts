/** What a run folder holds, as records: `run.json`, a line of `metrics.jsonl`, `notes.json`. */
import type { BaseModel } from "../schema/baseModel";
import { compareText } from "./compareText";
import type { Counts } from "./counts";
import type { LossProtocols } from "./lossProtocol";
import type { ActionKey } from "../schema/cellKeys";
import type { ParallelOptions } from "../schema/parallel";

export type RunState =
  | "queued"
  | "running"
  | "paused"
  /** At a rung of successive halving, until the other runs of the rung are there. */
  | "held"
  /** Ended at a rung of successive halving, because others had a lower loss. */
  | "pruned"
  | "stopped"
  | "failed"
  | "done"
  | "interrupted";

/** A state, or what is shown where the record of a run cannot be read. */
interface Stateful {
  readonly state: RunState | "unreadable";
}

/** Whether a run has not ended: it waits for its device, runs or is paused. */
export function isActive({ state }: Stateful): boolean {
  return state === "queued" || isExecuting({ state });
}

/** Whether a run has its device: it runs or is paused. */
export function isExecuting({ state }: Stateful): boolean {
  return state === "running" || state === "paused";
}

/** Whether a run ended early, so that resuming it makes sense. */
export function isResumable({ state }: Stateful): boolean {
  return state === "stopped" || state === "failed" || state === "interrupted";
}

/** For sorting: the run that was created last comes first, whatever the language of the machine. */
export function compareNewestFirst(
  a: Pick<RunRecord, "id" | "createdAt">,
  b: Pick<RunRecord, "id" | "createdAt">,
): number {
  return compareText(b.createdAt, a.createdAt) || compareText(b.id, a.id);
}

export interface RunFailure {
  readonly code: string;
  readonly message: string;
}

/** One resolved action of a run: `{ index: 0, action: "train", options: {…} }`. */
export interface Step {
  readonly index: number;
  readonly action: ActionKey;
  readonly options: Readonly<Record<string, unknown>>;
  /** Hash of everything that this step's result depends on; equal keys give equal results. */
  readonly key: string;
  /** Of a training whose plan was changed on the way: its earlier plans, each with the steps that were done by its end. */
  readonly earlier?: readonly {
    readonly steps: number;
    readonly options: Readonly<Record<string, unknown>>;
  }[];
}

/** One rung of successive halving: so many runs train to this step. */
export interface HalvingRung {
  readonly runs: number;
  readonly steps: number;
}

/** The place of a run among those that successive halving chooses from. */
export interface HalvingPlan {
  /** Equal for the candidates of one search; a search that starts again is another one. */
  readonly bracket: string;
  /** Position among the candidates, from 0. Of equal losses, the earlier candidate continues. */
  readonly candidate: number;
  readonly candidates: number;
  /** The loss that ranks them. */
  readonly metric: string;
  readonly factor: number;
  /** The last one is the whole training. */
  readonly rungs: readonly HalvingRung[];
}

/** Why successive halving ended a run. */
export interface Pruning {
  readonly step: number;
  /** Steps of the whole training. */
  readonly steps: number;
  readonly metric: string;
  /** Null where the run had no finite loss. */
  readonly value: number | null;
  /** The highest loss of the runs that continue. */
  readonly needed: number | null;
}

export interface HalvingProgress {
  /** The rung that the run may train to. */
  readonly rung: number;
  /** The loss at each rung that the run has reached; null where it is not finite or was not measured. */
  readonly values: readonly (number | null)[];
  readonly pruned?: Pruning;
}

/** A variant at one sweep point with one seed, everything filled in: what one run process executes. */
export interface RunPlan {
  /** Path of the experiment file, relative to the folder that holds `.lathe`. */
  readonly experiment: string;
  readonly name: string;
  /** Folder that relative paths of the plan start from: the experiment's own, unless it names another. */
  readonly folder: string;
  /** Empty where the experiment has no variants. */
  readonly variant: string;
  /** The one of the experiment's scales that it is run at, where it has scales. */
  readonly scale?: string;
  /** Sweep assignments of this run, empty without a sweep: `{ "train.learning_rate": 0.001 }`. */
  readonly sweep: Readonly<Record<string, unknown>>;
  readonly seed: number;
  readonly device: string;
  /** Absent where the run has one process. */
  readonly parallel?: ParallelOptions;
  readonly data: Readonly<Record<string, unknown>> | undefined;
  /** A configuration in Hugging Face's key names with `model_type`, or undefined when `baseModel` is given. */
  readonly model: Readonly<Record<string, unknown>> | undefined;
  readonly baseModel: BaseModel | undefined;
  /** The publication that the run is compared with. */
  readonly paper?: Readonly<Record<string, unknown>>;
  readonly steps: readonly Step[];
  readonly halving?: HalvingPlan;
  /** Carry out every step, also where an earlier run has finished an equal one. */
  readonly fresh?: boolean;
}

/** What a run took from the socket. */
export interface RunEnergy {
  readonly kwh: number;
  readonly co2_grams: number;
  readonly water_litres: number;
  readonly how: "measured" | "estimated";
  /** The assumptions behind the figures, in a sentence. */
  readonly assumptions: string;
}

export interface RunRecord {
  readonly id: string;
  readonly name: string;
  readonly state: RunState;
  readonly plan: RunPlan;
  readonly createdAt: string;
  readonly startedAt?: string;
  readonly endedAt?: string;
  /** Seconds spent running, pauses and interruptions left out. */
  readonly seconds?: number;
  readonly process?: RunProcessRecord;
  /** Absolute path of the folder that the plan's paths are relative to. */
  readonly workspace?: string;
  /** How many runs of the same device go first, while the state is `queued`. */
  readonly queuePosition?: number;
  /** The device that was really used, and why. */
  readonly device?: { readonly name: string; readonly description: string; readonly reason: string };
  readonly versions?: Readonly<Record<string, string>>;
  readonly git?: { readonly commit: string; readonly branch: string; readonly dirty: boolean };
  readonly dataHash?: string;
  /** What was read, which need not be what the experiment names: `grammar` where a fallback was used. */
  readonly dataTitle?: string;
  /** Nats a token below which no model of this data comes in the long run, where that is known. */
  readonly floor?: number;
  /** How its losses were measured, by metric; absent in runs of earlier versions. */
  readonly losses?: LossProtocols;
  /** Of all the run's processes together, as far as they have ended. */
  readonly energy?: RunEnergy;
  /** The model's current size, after all steps so far. */
  readonly counts?: { readonly nonEmbedding: Counts; readonly total: Counts };
  readonly progress?: {
    readonly step: number;
    readonly steps: number;
    readonly secondsLeft?: number;
    readonly action: string;
  };
  /** Of a candidate of successive halving. */
  readonly halving?: HalvingProgress;
  /** Per metric: last, lowest and highest value seen. */
  readonly summary: Readonly<
    Record<string, { readonly last: number; readonly min: number; readonly max: number }>
  >;
  /** Lines that a reader must not miss: a fallback to another device, a changed default. */
  readonly notices: readonly string[];
  readonly failure?: RunFailure;
}

/** The process in charge of a run. `startedAt` is the system's own text: compare it, but don't parse it. */
export interface RunProcessRecord {
  readonly pid: number;
  readonly startedAt: string;
  readonly host: string;
  /** Address of the control socket; empty while the run is being launched. */
  readonly socket: string;
}

/** A run as found on disk: its record with the state that is true now, or why the record can't be read. */
export type FoundRun =
  | { readonly folder: string; readonly id: string; readonly record: RunRecord }
  | {
      readonly folder: string;
      readonly id: string;
      readonly record: undefined;
      readonly failure: RunFailure;
    };

/** One line of `metrics.jsonl`. `seconds` counts from the start of the run. */
export interface MetricLine {
  readonly step: number;
  readonly tokens?: number;
  readonly seconds: number;
  readonly [metric: `${string}/${string}`]: number;
}

/** A person's own remarks, the only file beside a run that somebody else than the run writes. */
export interface RunNotes {
  readonly name?: string;
  readonly tags?: readonly string[];
  readonly notes?: string;
  readonly star?: boolean;
}

/** Requests to a running process over its control socket, one JSON line each; every one is answered. */
export type ControlRequest =
  | { readonly command: "status" }
  | { readonly command: "stop" }
  | { readonly command: "pause" }
  | { readonly command: "continue" }
  | { readonly command: "checkpoint" };
export type ControlAnswer =
  | { readonly ok: true; readonly state: RunState; readonly step: number }
  | { readonly ok: false; readonly code: string; readonly message: string };
