/** A checkpoint whose files all contain their step, large enough that a process can be killed while writing it. */
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import type { HostTensor } from "../../../src/backend/checkpoints/safetensors";
import { createTinyShape, drawWeights } from "../../support/tinyModels";

const shape = createTinyShape("gpt2", { layers: 1, n_embd: 64 });
const shapes = [...drawWeights(shape)].map(
  ([name, tensor]) => [name, tensor.shape, tensor.data.length] as const,
);

export function numberedCheckpoint(step: number): Checkpoint {
  const filled = new Map<string, HostTensor>(
    shapes.map(([name, size, length]) => [name, { shape: size, data: new Float32Array(length).fill(step) }]),
  );
  const state = { step, tokens: step, seconds: 0, sampler: {}, action: 0 };
  return { shape, tensors: filled, training: { optimizer: filled, state } };
}

/** The step of a checkpoint, or what is wrong with it. */
export function stepOf({ tensors, training }: Checkpoint): number | string {
  const step = training?.state.step;
  if (step === undefined) return "no training state";
  for (const held of [tensors, training!.optimizer])
    for (const [name, { data }] of held)
      if (!data.every((each) => each === step)) return `${name} is of another step`;
  return step;
}
