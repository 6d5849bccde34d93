/** Where a training begins: at its first sequence with empty optimizer slots, or where its checkpoint left off. */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { Sampler, type SamplerState } from "../data/sampler";
import { type Shape, sizeOf } from "../graph/op";
import { optimizers } from "./optimizers/catalog";
import type { HostTensor, HostTensors } from "./safetensors";
import { batchSizeOf, type TrainingRequest } from "./request";
import { slotName } from "./trainStep";

const samplerStateSchema: z.ZodType<SamplerState> = z.object({
  seed: z.int(),
  epoch: z.int().min(0),
  position: z.int().min(0),
  sequences: z.int().min(0),
});

/** Draws training sequences from where the training stands. */
export function samplerOf({ train, options, seed, resume }: TrainingRequest): Sampler {
  const size = batchSizeOf(options);
  if (resume === undefined) return new Sampler(train, size, seed);
  const { data, error } = samplerStateSchema.safeParse(resume.state.sampler);
  if (error !== undefined)
    throw new WorkbenchError(
      "corrupt",
      `The checkpoint does not say where its training stood in the data: ${z.prettifyError(error)}. Use another checkpoint of the run.`,
    );
  return Sampler.restore(train, size, data);
}

/** What the optimizer keeps beside each parameter: from the checkpoint, or nothing yet. */
export function slotsOf({ trainee, options, resume }: TrainingRequest): HostTensors {
  const slots = new Map<string, HostTensor>();
  for (const { name, shape } of trainee.parameters.filter(({ trainable }) => trainable))
    for (const slot of optimizers[options.optim].slots.map((each) => slotName(name, each))) {
      const saved = resume?.optimizer.get(slot);
      if (resume !== undefined && saved?.shape.join() !== shape.join())
        throw new WorkbenchError(
          "invalid-input",
          `The checkpoint has no ${slot} of [${shape.join(", ")}]: it was written with another model or optimizer than ${options.optim}. Resume with the options of the run.`,
        );
      slots.set(slot, saved ?? zeros(shape));
    }
  return slots;
}

export function zeros(shape: Shape): HostTensor {
  return { shape, data: new Float32Array(sizeOf(shape)) };
}
