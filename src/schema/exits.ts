/** Exits of a model: how they are trained, and when a text leaves at one. */
import * as z from "zod";

const layer = z.int().positive();

export const trainExitsSchema = z
  .strictObject({
    layers: z
      .union([z.literal("all"), z.array(layer).min(1)])
      .describe(
        "Numbers of layers after which the model gets an exit; 1 is after the first, and `all` is after each but the last. Exits that it has are trained further.",
      ),
    loss: z
      .enum(["labels", "full"])
      .default("labels")
      .describe(
        "What an exit learns: the next token of the text (`labels`), or the distribution of the whole model (`full`).",
      ),
  })
  .describe(
    "Train exits instead of the weights, which are frozen: small heads on the hidden states between layers, with a classifier that decides when to leave.",
  );
export type TrainExits = z.output<typeof trainExitsSchema>;

export const inferenceExitsSchema = z
  .strictObject({
    threshold: z
      .number()
      .positive()
      .optional()
      .describe(
        "A text leaves at the first exit whose confidence is at least this, token by token; above 1 it never leaves. Keys and values of the layers that it skips come from the hidden state at the exit.",
      ),
    confidence: z
      .enum(["probability", "classifier"])
      .optional()
      .describe(
        "What the threshold is compared with: the probability of the most likely token, which needs the logits of every exit (`probability`, the default), or that of `exit` by the exit's classifier (`classifier`).",
      ),
    stop: z
      .number()
      .positive()
      .optional()
      .describe(
        "A text ends at an exit whose classifier gives `stop`, that no layer knows the next token, at least this probability; never when left out. For `confidence: classifier`.",
      ),
    draft: layer
      .optional()
      .describe(
        "Number of layers before the exit that drafts tokens, which the whole model then checks at once. The text is that of the whole model.",
      ),
    tokens: z.int().positive().optional().describe("Tokens of a draft; 4 when left out."),
  })
  .superRefine((value, context) => {
    const refuse = (path: string, message: string) =>
      context.addIssue({ code: "custom", path: [path], message, input: value });
    if ((value.threshold === undefined) === (value.draft === undefined))
      refuse(
        value.threshold === undefined ? "threshold" : "draft",
        "set either threshold, to leave early, or draft, to draft tokens",
      );
    if (value.draft === undefined && value.tokens !== undefined)
      refuse("tokens", "has an effect only with draft; remove it");
    if (value.draft !== undefined && value.confidence !== undefined)
      refuse("confidence", "has an effect only with threshold; remove it");
    if (value.stop !== undefined && value.confidence !== "classifier")
      refuse("stop", "needs confidence: classifier, whose class it is; set it, or remove stop");
  })
  .describe("Where a text may leave a model that has exits (`train.exits`).");
export type InferenceExits = z.output<typeof inferenceExitsSchema>;
