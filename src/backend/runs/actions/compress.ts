/** Compresses the model with the named methods, one after the other. */
import { join } from "node:path";
import { WorkbenchError } from "../../../protocol/errors";
import { Pace } from "../../../statistics/pace";
import { matchToModel } from "../../data/labels";
import { getHead } from "../../models/classifier";
import { countModel } from "../../models/accounting";
import { refuseExits } from "../../models/exits";
import { methods } from "../../methods/catalog";
import { refuseAdapters } from "../../compression/adapters";
import type { AnyMethod, Trial } from "../../compression/method";
import type { ModelShape } from "../../models/model";
import { strategies } from "../../strategies/catalog";
import { type Checkpoint, readWrittenTensors, writeCheckpoint } from "../../checkpoints/checkpoint";
import type { Action } from "../steps/action";
import { writeAtomic } from "../folder/atomicFile";
import { openPartialResults, partialFolderName } from "../steps/partialResults";
import { type CountingLab, createMethodLab } from "../steps/methodLab";
import type { Workpiece, Workshop } from "../steps/workshop";

type Options = Readonly<Record<string, unknown>>;

/** Methods, and the strategies that apply them. */
const treatments: Readonly<
  Record<string, Pick<AnyMethod, "title" | "options" | "needs" | "plan" | "apply">>
> = { ...methods, ...strategies };

const action: Action = {
  partialFiles: [partialFolderName],
  async perform({ step, workpiece, workshop, folder }) {
    const { context } = workshop;
    let model: Checkpoint = { shape: workpiece.shape, tensors: workpiece.tensors };
    const trials: Trial[] = [];
    await using lab = createLab(workshop, workpiece, trials);
    for (const [index, [name, values]] of Object.entries(step.options).entries()) {
      const method = treatments[name]!;
      const options: unknown = method.options.parse(values);
      refuseAdapters(model.shape, `compress.${name}`);
      refuseExits(model.shape, `compress.${name}`);
      // A method that does not support this model refuses here, before anything changes.
      const { before, after } = method.plan(model.shape, options);
      context.folder.write(
        join("steps", `${step.index}-${step.action}`, "plan.json"),
        `${JSON.stringify({ method: name, options, before, after }, undefined, 2)}\n`,
      );
      // A strategy applies methods with options that the key of the step does not hold.
      const partial = !(name in methods)
        ? undefined
        : openPartialResults(join(folder, partialFolderName, `${index}-${name}`), {
            key: [step.key, name],
            log: (message) => context.log(message),
          });
      model = await method.apply(model, options, { ...lab, partial });
      context.log(
        `${method.title}: ${before.total.stored} stored scalars before, ${after.total.stored} after.`,
      );
    }
    if (trials.length > 0)
      writeAtomic(
        join(folder, "trials.json"),
        `${JSON.stringify(
          trials.map(({ shape, ...trial }) => ({ ...trial, ...countModel(shape).total })),
          undefined,
          2,
        )}\n`,
        { durable: true },
      );
    const checkpoint = join(folder, "checkpoint");
    writeCheckpoint(checkpoint, { shape: model.shape, tensors: model.tensors });
    return {
      shape: model.shape,
      // The next step reads the weights from the checkpoint, so that memory does not hold both models.
      tensors: readWrittenTensors(checkpoint),
      step: workpiece.step + lab.steps,
      tokens: workpiece.tokens + lab.tokens,
      checkpoint,
    };
  },
};

export default action;

function createLab(workshop: Workshop, { step, tokens, shape }: Workpiece, trials: Trial[]): CountingLab {
  const { context, data } = workshop;
  const pace = new Pace(1);
  const lab = createMethodLab({
    ...workshop,
    data: data && matchToModel(data, data.labels && getHead(shape.config)),
    seed: context.plan.seed,
    signal: context.signal,
    log: (message) => context.log(message),
    progress: (done, total, what) => {
      const secondsLeft = pace.estimate(done, total, what);
      context.progress({
        step: context.control.step,
        steps: context.control.step,
        action: `${what} ${done}/${total}`,
        ...(secondsLeft === undefined ? {} : { secondsLeft }),
      });
    },
    metrics: (trained, counted, values) =>
      context.metric({ step: step + trained, tokens: tokens + counted, ...values }),
    verdict: (trained) => context.control.checkpoint(step + trained),
    trial: (trial) => {
      trials.push(trial);
      context.metric({ step: step + lab.steps, "compress/rate": trial.rate, "compress/value": trial.value });
    },
  });
  return lab;
}

/** Refuses options whose requirements the experiment does not meet. */
export function refuseNeeds(options: Options, has: { readonly text: boolean }): void {
  for (const [name, values] of Object.entries(options)) {
    const method = treatments[name]!;
    const needs = method.needs?.(method.options.parse(values)) ?? [];
    if (needs.includes("text") && !has.text)
      throw new WorkbenchError(
        "invalid-input",
        `compress.${name} reads text with these options, but there is none. Add a data cell above it.`,
      );
  }
}

/** The shape after the methods, computed without weights or data. Refuses with the reason that the method gives. */
export function planMethods(shape: ModelShape, options: Options): ModelShape {
  return Object.entries(options).reduce((before, [name, values]) => {
    const method = treatments[name]!;
    refuseAdapters(before, `compress.${name}`);
    refuseExits(before, `compress.${name}`);
    return method.plan(before, method.options.parse(values)).shape;
  }, shape);
}
