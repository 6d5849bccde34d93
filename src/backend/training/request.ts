/** The request to train a model. */
import type { TrainOptions } from "../../schema/experiment";
import type { Split } from "../data/split";
import type { Engine } from "../engine/engine";
import type { TrainingSnapshot } from "../checkpoints/checkpoint";
import type { HostTensors } from "../checkpoints/safetensors";
import type { Prepare } from "./objective";
import type { Reference } from "./referenceLogProbs";
import type { Trainee } from "./trainee";

export interface TrainingRequest {
  readonly engine: Engine;
  readonly trainee: Trainee;
  readonly tensors: HostTensors;
  /** Tensors of the trainee's teacher, if it has one. */
  readonly teacherTensors?: HostTensors | undefined;
  /** What DPO compares the trainee with. */
  readonly reference?: Reference | undefined;
  readonly train: Split;
  readonly validation: Split | undefined;
  /** Prepares each batch for the objective of the model (`createPrepare`); undefined to use batches unchanged. */
  readonly prepare: Prepare | undefined;
  readonly options: TrainOptions;
  readonly seed: number;
  /** The checkpoint to resume from, instead of step 0; `tensors` are then from the checkpoint. */
  readonly resume?: TrainingSnapshot | undefined;
  /** Index of this action in the run; checkpoints store it, so that a resumed run continues with the right action. */
  readonly action: number;
  /** Steps after which there is an evaluation in addition to those of `eval_steps`. */
  readonly evaluateAt?: readonly number[];
  /** Evaluate before the first step, to start the curve there; requires `eval_steps`. */
  readonly evaluateFirst?: boolean;
}

export function getBatchSize(options: TrainOptions): number {
  return options.micro_batch_size ?? options.per_device_train_batch_size;
}

/** Whether documents are sampled and packed block by block, instead of packed once and sampled as sequences. */
export function hasBlocks(options: TrainOptions): boolean {
  return options.block_rows !== undefined || options.sample_with_replacement || options.restart_optimizer;
}

/** Optimizer steps of a training without blocks: `max_steps`, or the steps of its epochs. */
export function countSteps(options: TrainOptions, sequences: number): number {
  const perStep = getBatchSize(options) * options.gradient_accumulation_steps;
  return options.max_steps ?? Math.max(1, Math.ceil((options.num_train_epochs * sequences) / perStep));
}

/** Number of sequences, or of preference pairs, that an evaluation reads from the start of the split: the same text for every batch size. */
export function countEvaluationSequences(
  { eval_tokens: tokens, eval_batches: batches }: Pick<TrainOptions, "eval_tokens" | "eval_batches">,
  { layout }: Pick<Split, "layout">,
): number {
  if (batches !== undefined) return batches === 0 ? Infinity : batches * sequencesOfEvaluationBatch;
  const texts = layout.pairs === true ? 2 : 1;
  return tokens === 0 ? Infinity : Math.ceil(tokens / (texts * layout.sequenceLength));
}

/** Batch size for `eval_batches`, an older option for how much an evaluation reads. */
const sequencesOfEvaluationBatch = 8;
