/** Merges the current model with others of its architecture. */
import { join } from "node:path";
import { readWrittenTensors, writeCheckpoint } from "../../checkpoints/checkpoint";
import { mergeModels } from "../../merging/mergeModels";
import { writeAtomic } from "../folder/atomicFile";
import type { Action } from "../steps/action";
import { getMerge, refuseMerge } from "../steps/merges";

const action: Action = {
  async perform({ step, workpiece, workshop, folder }) {
    const { context, mergedModels } = workshop;
    const merge = getMerge(step)!;
    const { method, options, models } = merge;
    const { shape, tensors } = workpiece;
    refuseMerge(merge, shape, new Map([...mergedModels].map(([name, other]) => [name, other.shape])));
    const others = models.map((name) => mergedModels.get(name)!);
    const merged = await mergeModels({ shape, tensors }, others, method, options, {
      seed: context.plan.seed,
      signal: context.signal,
      progress: (done, total, what) =>
        context.progress({
          step: workpiece.step,
          steps: workpiece.step,
          action: `${what} ${done}/${total}`,
        }),
    });
    context.log(`${method.title}: merged with ${models.join(", ")}.`);
    writeAtomic(
      join(folder, "merge.json"),
      `${JSON.stringify({ title: method.title, models, options }, undefined, 2)}\n`,
      { durable: true },
    );
    const checkpoint = join(folder, "checkpoint");
    writeCheckpoint(checkpoint, { shape, tensors: merged });
    // The next step reads the weights from the checkpoint, so that memory does not hold all models.
    return { ...workpiece, tensors: readWrittenTensors(checkpoint), checkpoint };
  },
};

export default action;
