/** Preference optimization: a model learns from pairs of a chosen and a rejected answer to the same prompt. */
import * as z from "zod";

/** Keys that only DPO reads, since ORPO has neither a reference nor these forms of the loss. */
const dpoKeys = ["loss_type", "label_smoothing", "reference"] as const;

export const preferenceSchema = z
  .strictObject({
    loss: z
      .enum(["dpo", "orpo"])
      .default("dpo")
      .describe(
        "`dpo` compares the log-probabilities of both answers with those of a reference model. `orpo` adds the log odds ratio of the answers to the loss of the chosen text, and needs no reference.",
      ),
    loss_type: z
      .enum(["sigmoid", "hinge", "ipo", "robust"])
      .optional()
      .describe(
        "Form of the DPO loss, by TRL's names: `sigmoid` (DPO, the default), `hinge` (SLiC), `ipo` (squared distance from 1/(2·beta), per token) or `robust` (unbiased where `label_smoothing` of the preferences are wrong).",
      ),
    beta: z
      .number()
      .positive()
      .default(0.1)
      .describe(
        "DPO: how strongly the model is held to the reference; higher stays closer. ORPO: weight of the log odds ratio, λ in the paper.",
      ),
    label_smoothing: z
      .number()
      .min(0)
      .lt(0.5, "has to be less than 0.5")
      .optional()
      .describe(
        "Share of the preferences that may be wrong, for `sigmoid` (conservative DPO) and `robust`; 0 when left out.",
      ),
    reference: z
      .string()
      .min(1)
      .optional()
      .describe(
        "The frozen model that DPO compares with: `start` (the default), the model at the start of this train cell; `original`, the model before compression; or a trained model as for `base_model`.",
      ),
  })
  .superRefine((value, context) => {
    const refuse = (path: string, message: string) =>
      context.addIssue({ code: "custom", path: [path], message, input: value });
    for (const key of dpoKeys)
      if (value.loss === "orpo" && value[key] !== undefined)
        refuse(key, "has an effect only with loss: dpo; remove it");
    const smoothed = value.loss_type ?? "sigmoid";
    if (value.label_smoothing !== undefined && (smoothed === "hinge" || smoothed === "ipo"))
      refuse(
        "label_smoothing",
        `has no effect with loss_type: ${smoothed}; use sigmoid or robust, or remove it`,
      );
  })
  .describe(
    "Learn from pairs of a chosen and a rejected answer (`data.chosen_column`, `data.rejected_column`). A batch counts pairs.",
  );
export type PreferenceOptions = z.output<typeof preferenceSchema>;

/** The reference that is the model at the start of the train cell. */
export const startReference = "start";

/** The model that DPO compares with, by name; undefined for ORPO. */
export function getReferenceName({
  loss,
  reference = startReference,
}: Pick<PreferenceOptions, "loss" | "reference">): string | undefined {
  return loss === "dpo" ? reference : undefined;
}
