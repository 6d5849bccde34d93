/** The tokens that a cache policy kept of a text, as `evaluate.cache` writes them; apart, for readers of its results. */
import * as z from "zod";

const maxTokens = 65_536;
/** About 3 MB in a file of results, of which readers accept 8 MiB. */
const maxPositions = 500_000;

const keptTokens = z
  .object({
    /** The text of each token. */
    tokens: z.array(z.string()).min(1).max(maxTokens),
    /** Positions in each layer and key-value head, in order. */
    layers: z
      .array(z.array(z.array(z.int().min(0)).max(maxTokens)).min(1))
      .min(1)
      .max(1000),
  })
  .refine(({ tokens, layers }) => layers.flat(2).every((position) => position < tokens.length));
export type KeptTokens = z.output<typeof keptTokens>;

/** Undefined if there are none, such as for the cache of all tokens. */
export function parseKeptTokens(details: unknown): { policy: string; kept: KeptTokens } | undefined {
  const parsed = z.object({ policy: z.string(), kept: keptTokens }).safeParse(details);
  return parsed.success ? parsed.data : undefined;
}

/** Whether they can be written with the results of an evaluation. */
export function fitsResults({ tokens, layers }: KeptTokens): boolean {
  return (
    tokens.length <= maxTokens && layers.flat().reduce((sum, { length }) => sum + length, 0) <= maxPositions
  );
}
