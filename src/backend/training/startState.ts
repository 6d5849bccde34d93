/** The start of a training: its first sequence with zero optimizer slots, or the state of its checkpoint. */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { type BlockOptions, BlockSampler, type BlockState } from "../data/blockSampler";
import { Sampler, type SamplerState } from "../data/sampler";
import { type Shape, sizeOf } from "../graph/op";
import { listOptimizerSlots } from "./optimizerSlots";
import type { HostTensor, HostTensors } from "../checkpoints/safetensors";
import { getBatchSize, hasBlocks, type TrainingRequest } from "./request";
import { slotName } from "./trainStep";

const samplerStateSchema: z.ZodType<SamplerState> = z.object({
  seed: z.int(),
  epoch: z.int().min(0),
  position: z.int().min(0),
  sequences: z.int().min(0),
});
const blockStateSchema: z.ZodType<BlockState> = z.object({
  seed: z.int(),
  block: z.int().min(0),
  position: z.int().min(0),
  documents: z.int().min(0),
});

/** Draws training sequences from the start, or from the position in `saved`. */
export function createSampler(
  request: TrainingRequest,
  saved: unknown = request.resume?.state.sampler,
): Sampler | BlockSampler {
  const { train, options, seed } = request;
  const size = getBatchSize(options);
  const dataSeed = options.data_seed ?? seed;
  if (hasBlocks(options)) {
    const blocks: BlockOptions = {
      batchSize: size,
      batchesPerStep: options.gradient_accumulation_steps,
      seed: dataSeed,
      rows: options.block_rows ?? train.documents,
      replacement: options.sample_with_replacement,
      epochs: options.max_steps === undefined ? options.num_train_epochs : undefined,
    };
    if (saved === undefined) return new BlockSampler(train, blocks);
    return BlockSampler.restore(train, blocks, parseSavedState(blockStateSchema, saved));
  }
  if (saved === undefined) return new Sampler(train, size, dataSeed);
  return Sampler.restore(train, size, parseSavedState(samplerStateSchema, saved));
}

function parseSavedState<T>(schema: z.ZodType<T>, saved: unknown): T {
  const { data, error } = schema.safeParse(saved);
  if (error === undefined) return data;
  throw new WorkbenchError(
    "corrupt",
    `The checkpoint has no valid position in the training data: ${z.prettifyError(error)}. Use another checkpoint of the run.`,
  );
}

/** Optimizer slots of each parameter: from the checkpoint, or zero. */
export function createSlots({ trainee, options, resume }: TrainingRequest): HostTensors {
  const slots = new Map<string, HostTensor>();
  for (const { name, shape } of trainee.parameters.filter(({ trainable }) => trainable))
    for (const slot of listOptimizerSlots(options).map((each) => slotName(name, each))) {
      const saved = resume?.optimizer.get(slot);
      if (resume !== undefined && saved?.shape.join() !== shape.join())
        throw new WorkbenchError(
          "invalid-input",
          `The checkpoint has no ${slot} of [${shape.join(", ")}]: it was written for a different model, or for an optimizer other than ${options.optim}. Resume with the options of the run.`,
        );
      slots.set(slot, saved ?? createZeros(shape));
    }
  return slots;
}

export function createZeros(shape: Shape): HostTensor {
  return { shape, data: new Float32Array(sizeOf(shape)) };
}
