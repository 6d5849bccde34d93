/** The weighted mean of models (model soups, Wortsman et al. 2022, arXiv 2203.05482). */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { defineMergeMethod, modelNameSchema } from "./mergeMethod";
import { evaluateSetting, settingSchema } from "./setting";

const weight = settingSchema.default(1);

const optionsSchema = z.strictObject({
  models: z
    .array(z.strictObject({ model: modelNameSchema, weight: weight.describe("Weight of this model.") }))
    .min(1)
    .describe("The models to average with the current one."),
  weight: weight.describe("Weight of the current model."),
  normalize: z.boolean().default(true).describe("Divide by the sum of the weights."),
});
type Options = z.output<typeof optionsSchema>;

export default defineMergeMethod<Options>({
  title: "Weighted mean",
  paper:
    "Wortsman et al.: Model soups, averaging weights of multiple fine-tuned models improves accuracy without increasing inference time, 2022",
  options: optionsSchema,
  samples: [
    { models: [{ model: "other" }] },
    { models: [{ model: "other", weight: [0, 1] }], weight: 0.5, normalize: false },
  ],
  models: ({ models }) => models.map(({ model }) => model),
  merge(current, others, { models, weight: own, normalize }, place) {
    const weights = [own, ...models.map((each) => each.weight)].map(
      (setting) => evaluateSetting(setting, place) ?? 1,
    );
    const sum = weights.reduce((a, b) => a + b, 0);
    if (normalize && Math.abs(sum) < 1e-8)
      throw new WorkbenchError(
        "invalid-input",
        `merge.linear cannot divide by the weights of ${place.name}, whose sum is 0. Change a weight, or write normalize: false.`,
      );
    const divisor = normalize ? sum : 1;
    return current.map((value, i) => {
      const total = others.reduce((all, other, k) => all + weights[k + 1]! * other[i]!, weights[0]! * value);
      return total / divisor;
    });
  },
});
