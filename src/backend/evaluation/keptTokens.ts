/** The tokens that a cache policy kept of a text, as `evaluate.cache` writes them; apart, for readers of its results. */
import * as z from "zod";

const maxTokens = 65_536;

const keptTokens = z.object({
  /** The text of each token. */
  tokens: z.array(z.string()).max(maxTokens),
  /** Positions in each layer and key-value head, in order. */
  layers: z.array(z.array(z.array(z.int().min(0)).max(maxTokens))).max(1000),
});
export type KeptTokens = z.output<typeof keptTokens>;

/** Undefined if there are none, such as for the cache of all tokens. */
export function parseKeptTokens(details: unknown): { policy: string; kept: KeptTokens } | undefined {
  const parsed = z.object({ policy: z.string(), kept: keptTokens }).safeParse(details);
  return parsed.success ? parsed.data : undefined;
}
