/** Shrinks the model by the named methods, one after the other. */
import { join } from "node:path";
import { methods } from "../../methods/catalog";
import type { ModelShape } from "../../models/model";
import { type Checkpoint, writeCheckpoint } from "../../training/checkpoint";
import type { Action } from "../action";

type Options = Readonly<Record<string, unknown>>;

const action: Action = {
  async perform({ step, workpiece, workshop: { context }, folder }) {
    let model: Checkpoint = { shape: workpiece.shape, tensors: workpiece.tensors };
    const lab = {
      seed: context.plan.seed,
      signal: context.signal,
      log: (message: string) => context.log(message),
      progress: (done: number, total: number, what: string) =>
        context.progress({ step: workpiece.step, steps: workpiece.step, action: `${what} ${done}/${total}` }),
    };
    for (const [name, given] of Object.entries(step.options)) {
      const method = methods[name]!;
      const options: unknown = method.options.parse(given);
      // A method that cannot treat this model says so here, before anything is changed.
      const { before, after } = method.plan(model.shape, options);
      context.folder.write(
        join("steps", `${step.index}-${step.action}`, "plan.json"),
        `${JSON.stringify({ method: name, options, before, after }, undefined, 2)}\n`,
      );
      model = await method.apply(model, options, lab);
      context.log(
        `${method.title}: ${before.total.stored} stored scalars before, ${after.total.stored} after.`,
      );
    }
    const checkpoint = join(folder, "checkpoint");
    writeCheckpoint(checkpoint, { shape: model.shape, tensors: model.tensors });
    return { ...workpiece, shape: model.shape, tensors: model.tensors, checkpoint };
  },
};

export default action;

/** The shape that the methods would leave, without weights or data; refuses with a method's own reason. */
export function methodPlan(shape: ModelShape, options: Options): ModelShape {
  return Object.entries(options).reduce((before, [name, given]) => {
    const method = methods[name]!;
    return method.plan(before, method.options.parse(given)).shape;
  }, shape);
}
