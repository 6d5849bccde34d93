/** How a model runs during an evaluation. */
import type { InferenceExits } from "../../schema/exits";
import type { InferencePart } from "../../schema/inference";
import type { ChosenPolicy } from "../caches/compactCache";
import type { HeadScores } from "../caches/policy";
import type { ChosenPromptPolicy } from "./prompts/promptPolicy";

export interface Inference {
  readonly cache?: ChosenCache;
  readonly prompt?: ChosenPromptPolicy;
  readonly exits?: InferenceExits;
}

/** A cache policy with its options, and its name. */
export interface ChosenCache extends ChosenPolicy {
  readonly name: string;
  /** The scores by which `heads` were found, if they were. */
  readonly headScores?: HeadScores;
}

/** Which parts of its inference the results of a metric reflect; `any` if it does not run the model. */
export type SupportedInference = readonly InferencePart[] | "any";
