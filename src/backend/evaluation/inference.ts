/** How a model runs during an evaluation, from the `inference` key of an evaluate cell. */
import { WorkbenchError } from "../../protocol/errors";
import type { InferencePart } from "../../schema/inference";
import { cachePolicies } from "../caches/catalog";
import type { ChosenPolicy } from "../caches/compactCache";
import type { HeadScores } from "../caches/policy";

export interface Inference {
  readonly cache?: ChosenCache;
}

/** A cache policy with its options, and its name. */
export interface ChosenCache extends ChosenPolicy {
  readonly name: string;
  /** The scores by which `heads` were found, if they were. */
  readonly headScores?: HeadScores;
}

/** Parses the options of a policy. */
export function chooseCache(name: string, values: unknown): ChosenCache {
  const policy = cachePolicies[name]!;
  const options = policy.options.parse(values) as unknown;
  return { name, policy, options, heads: policy.retrieval?.given(options) };
}

/** Splits the options of an evaluate cell into its metrics and how the model runs in them. */
export function splitEvaluation({ inference, ...metrics }: Readonly<Record<string, unknown>>): {
  readonly metrics: Readonly<Record<string, unknown>>;
  readonly inference: Inference;
} {
  return { metrics, inference: inference === undefined ? {} : parseInference(inference) };
}

function parseInference(options: unknown): Inference {
  const { cache } = options as { readonly cache?: Readonly<Record<string, unknown>> };
  const [chosen] = Object.entries(cache ?? {});
  if (chosen === undefined) return {};
  return { cache: chooseCache(...chosen) };
}

/** Which parts of its inference the results of a metric reflect; `any` if it does not run the model. */
export type SupportedInference = readonly InferencePart[] | "any";

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
        `evaluate.${name} does not generate token by token, so inference.${part} would have no effect on it. Measure it in another evaluate cell without inference, or use evaluate.cache or evaluate.generate here.`,
      );
}
