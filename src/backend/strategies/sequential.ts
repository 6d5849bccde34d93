/**
 * Applies methods from the embedding to the last layer, each part after the earlier ones are compressed and trained
 * (Belhaouari and Kraidia, Scientific Reports 15:10171, 2025, equation 3).
 */
import * as z from "zod";
import { planBetween } from "../compression/method";
import { trainingSchema } from "../compression/training";
import type { ModelShape } from "../models/model";
import { layersOf } from "../models/roles";
import type { Checkpoint } from "../checkpoints/checkpoint";
import {
  changeOptions,
  type ChosenMethod,
  chooseMethod,
  defineStrategy,
  methodSchema,
  listChangedRoles,
} from "./strategy";

const optionsSchema = z.strictObject({
  stages: z
    .array(methodSchema)
    .min(1)
    .describe("Methods with their options, in the order in which they are applied within a layer."),
  train: trainingSchema,
});
type Options = z.output<typeof optionsSchema>;

export default defineStrategy<Options>({
  title: "Sequential compression",
  paper:
    "Belhaouari, Kraidia: Efficient self-attention with smart pruning for sustainable large language models, 2025",
  options: optionsSchema,
  needs: ({ stages, train }) => [
    ...(train === undefined ? [] : (["text"] as const)),
    ...stages.flatMap((stage) => {
      const { method, options: methodOptions } = chooseMethod(stage);
      return method.needs?.(methodOptions) ?? [];
    }),
  ],
  samples: [
    { stages: [{ magnitude: { sparsity: 0.4, targets: ["embed_tokens", "layers.*.mlp.*"] } }, { irc: {} }] },
    { stages: [{ dwc: { rate: 0.5 } }], train: { max_steps: 1 } },
  ],

  plan(before, options) {
    let shape = before;
    let exact: ReturnType<typeof planBetween>["exact"] = "roles";
    for (const { method, options: methodOptions } of orderStages(before, options)) {
      const plan = method.plan(shape, methodOptions);
      shape = plan.shape;
      if (plan.exact !== "roles") exact = plan.exact;
    }
    return planBetween(before, shape, exact);
  },

  async apply(before, options, lab) {
    let model: Checkpoint = { shape: before.shape, tensors: before.tensors };
    const parts = orderStages(before.shape, options);
    for (const [i, { name, method, options: methodOptions }] of parts.entries()) {
      model = await method.apply(model, methodOptions, lab);
      if (options.train !== undefined) model = await lab.train(model, options.train);
      lab.log(`${name} of ${String(methodOptions["targets"])}.`);
      lab.progress(i + 1, parts.length, "parts");
    }
    return model;
  },
});

/** Each method for a part of the model: first the parts outside the layers, then layer by layer. */
function orderStages(shape: ModelShape, { stages }: Options): ChosenMethod[] {
  const parts = stages.flatMap((stage, order) => {
    const chosen = chooseMethod(stage);
    const byLayer = new Map<number, string[]>();
    const layers = layersOf(shape);
    for (const role of listChangedRoles(shape, chosen)) {
      const layer = layers.get(role) ?? -1;
      byLayer.set(layer, [...(byLayer.get(layer) ?? []), role]);
    }
    return [...byLayer].map(([layer, targets]) => ({
      layer,
      order,
      chosen: changeOptions(chosen, { targets }),
    }));
  });
  return parts.sort((a, b) => a.layer - b.layer || a.order - b.order).map(({ chosen }) => chosen);
}
