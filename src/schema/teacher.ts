/** What a model learns from another one beside its labels: the losses of distillation, and how published recipes weigh them. */
import * as z from "zod";

const weight = (what: string) => z.number().min(0).optional().describe(what);

export const teacherSchema = z
  .strictObject({
    model: z
      .string()
      .min(1)
      .default("original")
      .describe(
        "`original`, the model of this run as it was before anything was shrunk, or a trained model as `base_model` names one. Trainings above the first `compress` have no `original` yet, and learn from labels alone.",
      ),
    recipe: z
      .enum(["hinton", "distilgpt2", "lightpaff", "ilkd", "quantgpt"])
      .default("hinton")
      .describe(
        "Weights of the losses as published, where they are not given one by one: soft targets and labels half and half, DistilGPT2 (5, 2 and 1 for soft targets, labels and the cosine), LightPAFF (half and half at temperature 1), KnGPT2's intermediate layers (0.5 each, labels 0.1), QuantGPT (soft targets and contrast, 1 each).",
      ),
    temperature: z
      .number()
      .positive()
      .optional()
      .describe("Logits of both are divided by it before they are compared; 2, or what the recipe says."),
    alpha_ce: weight("Weight of T² times the divergence of the teacher's distribution of the next token."),
    alpha_clm: weight("Weight of the cross-entropy of the labels."),
    alpha_cos: weight("Weight of one minus the cosine between the last hidden states."),
    alpha_hidden: weight("Weight of the mean squared difference of hidden states, summed over layers."),
    alpha_embedding: weight("Weight of the mean squared difference of embeddings."),
    alpha_attention: weight("Weight of the divergence of attention, summed over layers."),
    alpha_contrast: weight(
      "Weight of telling the teacher's last hidden state of a token from those of its sequence's other tokens.",
    ),
    top_k: z
      .int()
      .min(1)
      .optional()
      .describe(
        "Keep only that many of the teacher's most likely next tokens, with shares that add up to 1. They are worked out once for each sequence and kept in memory, so that the teacher need not run again in later epochs; only for `alpha_ce` and `alpha_clm`.",
      ),
    layers: z
      .array(z.int().min(0))
      .min(1)
      .optional()
      .describe(
        "For each layer of the model the layer of the teacher that it is held against, from 0; spread evenly up to the last when left out.",
      ),
  })
  .describe("A model to learn from beside the labels (distillation).");
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

export function lossWeights(options: TeacherOptions): LossWeights {
  const recipe = recipes[options.recipe];
  const weights: Partial<Record<LossName, number>> = {};
  for (const name of lossNames) {
    const own = options[`alpha_${name}`] ?? recipe.weights[name] ?? 0;
    if (own > 0) weights[name] = own;
  }
  return { temperature: options.temperature ?? recipe.temperature, weights };
}
