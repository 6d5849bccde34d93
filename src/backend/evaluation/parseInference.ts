/** The `inference` key of an evaluate cell. */
import { WorkbenchError } from "../../protocol/errors";
import { inferenceExitsSchema } from "../../schema/exits";
import { type InferencePart, quantizedCacheSchema } from "../../schema/inference";
import { cachePolicies } from "../caches/catalog";
import type { ChosenCache, Inference, SupportedInference } from "./inference";
import { promptPolicies } from "./prompts/catalog";
import type { ChosenPromptPolicy } from "./prompts/promptPolicy";

/** Splits the options of an evaluate cell into its metrics and how the model runs in them. */
export function splitEvaluation({ inference, ...metrics }: Readonly<Record<string, unknown>>): {
  readonly metrics: Readonly<Record<string, unknown>>;
  readonly inference: Inference;
} {
  return { metrics, inference: inference === undefined ? {} : parseInference(inference) };
}

type Choices = Readonly<Record<string, unknown>>;

function parseInference(options: unknown): Inference {
  const { cache, prompt, exits } = options as {
    readonly cache?: Choices;
    readonly prompt?: Choices;
    readonly exits?: unknown;
  };
  return {
    ...(cache === undefined ? {} : { cache: parseCache(cache) }),
    ...(prompt === undefined ? {} : { prompt: choosePrompt(...getFirst(prompt)) }),
    ...(exits === undefined ? {} : { exits: inferenceExitsSchema.parse(exits) }),
  };
}

const getFirst = (choices: Choices): [name: string, values: unknown] => Object.entries(choices)[0]!;

/** A policy, the form of what it keeps, or both. */
function parseCache({ quantized, ...policies }: Choices): ChosenCache {
  const [name, values] = Object.entries(policies)[0] ?? ["full", {}];
  const chosen = chooseCache(name, values);
  if (quantized === undefined) return chosen;
  const store = quantizedCacheSchema.parse(quantized);
  return { ...chosen, store, name: `${name} in ${store.bits} bits` };
}

/** Parses the options of a cache policy. */
export function chooseCache(name: string, values: unknown): ChosenCache {
  const policy = cachePolicies[name]!;
  const options = policy.options.parse(values) as unknown;
  return { name, policy, options, heads: policy.retrieval?.given(options) };
}

function choosePrompt(name: string, values: unknown): ChosenPromptPolicy {
  const policy = promptPolicies[name]!;
  return { name, policy, options: policy.options.parse(values) as ChosenPromptPolicy["options"] };
}

/** Metrics that reflect a part, besides `generate`. */
const others: Readonly<Record<InferencePart, string>> = {
  cache: "evaluate.cache or ",
  prompt: "evaluate.retrieval or ",
  exits: "evaluate.decoding or ",
};

/** Refuses a metric whose result would not be that of the model as it runs. */
export function refuseUnsupported(
  name: string,
  { inference: supported = [] }: { readonly inference?: SupportedInference },
  inference: Inference,
): void {
  if (supported === "any") return;
  for (const part of Object.keys(inference) as InferencePart[])
    if (!supported.includes(part))
      throw new WorkbenchError(
        "unsupported",
        `evaluate.${name} ${part === "prompt" ? "has no prompts" : "does not generate token by token"}, so inference.${part} would have no effect on it. Measure it in another evaluate cell without inference.${part}, or use ${others[part]}evaluate.generate here.`,
      );
}
