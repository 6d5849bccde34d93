/** What a training is asked to do. */
import type { TrainOptions } from "../../schema/experiment";
import type { Split } from "../data/split";
import type { Engine } from "../engine/engine";
import type { TrainingSnapshot } from "../checkpoints/checkpoint";
import type { HostTensors } from "../checkpoints/safetensors";
import type { Prepare } from "./objective";
import type { Trainee } from "./trainee";

export interface TrainingRequest {
  readonly engine: Engine;
  readonly trainee: Trainee;
  readonly tensors: HostTensors;
  /** Those of the trainee's teacher, where it has one. */
  readonly teacherTensors?: HostTensors | undefined;
  readonly train: Split;
  readonly validation: Split | undefined;
  /** What becomes of each batch before it is read; nothing when left out. */
  readonly prepare?: Prepare | undefined;
  readonly options: TrainOptions;
  readonly seed: number;
  /** Go on from here instead of from step 0; `tensors` are then those of the checkpoint. */
  readonly resume?: TrainingSnapshot | undefined;
  /** Which action of the run this is: kept in checkpoints, so that a resumed run knows where it stood. */
  readonly action: number;
  /** Evaluate before the first step, where the curve begins; only together with `eval_steps`. */
  readonly evaluateFirst?: boolean;
}

export function batchSizeOf(options: TrainOptions): number {
  return options.micro_batch_size ?? options.per_device_train_batch_size;
}

/** Whether documents are drawn and packed block by block, rather than packed once and drawn as sequences. */
export function hasBlocks(options: TrainOptions): boolean {
  return options.block_rows !== undefined || options.sample_with_replacement || options.restart_optimizer;
}

/** Optimizer steps of a training without blocks: `max_steps`, or as many as the epochs take. */
export function stepsOf(options: TrainOptions, sequences: number): number {
  const perStep = batchSizeOf(options) * options.gradient_accumulation_steps;
  return options.max_steps ?? Math.max(1, Math.ceil((options.num_train_epochs * sequences) / perStep));
}

/** Sequences that an evaluation reads from the start of the split: the same text whatever the batch. */
export function evaluationSequences(
  { eval_tokens: tokens, eval_batches: batches }: Pick<TrainOptions, "eval_tokens" | "eval_batches">,
  { layout }: Pick<Split, "layout">,
): number {
  if (batches !== undefined) return batches === 0 ? Infinity : batches * sequencesOfEvaluationBatch;
  return tokens === 0 ? Infinity : Math.ceil(tokens / layout.sequenceLength);
}

/** Of `eval_batches`, an older way to say how much an evaluation reads. */
const sequencesOfEvaluationBatch = 8;
