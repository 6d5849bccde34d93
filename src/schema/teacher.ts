/** Distillation: the losses that compare a model with its teacher, and the weights of published recipes. */
import * as z from "zod";

const createWeightOption = (what: string) => z.number().min(0).optional().describe(what);

export const teacherSchema = z
  .strictObject({
    model: z
      .string()
      .min(1)
      .default("original")
      .describe(
        "`original`, the model of this run before compression, or a trained model as for `base_model`. A `train` action before the first `compress` has no `original` yet and learns only from labels.",
      ),
    recipe: z
      .enum(["hinton", "distilgpt2", "lightpaff", "ilkd", "quantgpt"])
      .default("hinton")
      .describe(
        "Published weights of the losses, for those that are not set: soft targets and labels half and half, DistilGPT2 (5, 2 and 1 for soft targets, labels and the cosine), LightPAFF (half and half at temperature 1), KnGPT2's intermediate layers (0.5 each, labels 0.1), QuantGPT (soft targets and contrast, 1 each).",
      ),
    temperature: z
      .number()
      .positive()
      .optional()
      .describe(
        "Logits of both models are divided by it before they are compared. Defaults to the recipe's, usually 2.",
      ),
    alpha_ce: createWeightOption(
      "Weight of T² times the divergence from the teacher's distribution of the next token.",
    ),
    alpha_clm: createWeightOption("Weight of the cross-entropy of the labels."),
    alpha_cos: createWeightOption("Weight of one minus the cosine between the last hidden states."),
    alpha_hidden: createWeightOption(
      "Weight of the mean squared difference of hidden states, summed over layers.",
    ),
    alpha_embedding: createWeightOption("Weight of the mean squared difference of embeddings."),
    alpha_attention: createWeightOption("Weight of the divergence of attention, summed over layers."),
    alpha_contrast: createWeightOption(
      "Weight of the contrastive loss: to distinguish the teacher's last hidden state of a token from those of the other tokens in its sequence.",
    ),
    top_k: z
      .int()
      .min(1)
      .optional()
      .describe(
        "Keep only this many of the teacher's most likely next tokens, normalized to sum to 1. They are computed once per sequence and kept in memory, so that the teacher does not run again in later epochs. Only for `alpha_ce` and `alpha_clm`.",
      ),
    layers: z
      .array(z.int().min(0))
      .min(1)
      .optional()
      .describe(
        "For each layer of the model, the teacher's layer to compare with, from 0. By default spread evenly up to the last.",
      ),
  })
  .describe("A model to learn from in addition to the labels (distillation).");
export type TeacherOptions = z.infer<typeof teacherSchema>;

export const lossNames = ["ce", "clm", "cos", "hidden", "embedding", "attention", "contrast"] as const;
export type LossName = (typeof lossNames)[number];

/** What counts, by weight; none of them is 0. */
export interface LossWeights {
  readonly temperature: number;
  readonly weights: Readonly<Partial<Record<LossName, number>>>;
}

/**
 * Hinton et al. 2015; Sanh et al. 2019, of which distilgpt2 follows the causal form; Song et al. 2020 with λ = 0.5; Edalati et
 * al. 2022; Tao et al. 2022, whose weights are not printed.
 */
const recipes: Readonly<Record<TeacherOptions["recipe"], LossWeights>> = {
  hinton: { temperature: 2, weights: { ce: 0.5, clm: 0.5 } },
  distilgpt2: { temperature: 2, weights: { ce: 5, clm: 2, cos: 1 } },
  lightpaff: { temperature: 1, weights: { ce: 0.5, clm: 0.5 } },
  quantgpt: { temperature: 1, weights: { ce: 1, contrast: 1 } },
  ilkd: { temperature: 1, weights: { embedding: 0.5, attention: 0.5, hidden: 0.5, clm: 0.1 } },
};

export function resolveLossWeights(options: TeacherOptions): LossWeights {
  const recipe = recipes[options.recipe];
  const weights: Partial<Record<LossName, number>> = {};
  for (const name of lossNames) {
    const lossWeight = options[`alpha_${name}`] ?? recipe.weights[name] ?? 0;
    if (lossWeight > 0) weights[name] = lossWeight;
  }
  return { temperature: options.temperature ?? recipe.temperature, weights };
}
