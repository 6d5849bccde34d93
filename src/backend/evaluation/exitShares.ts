/** Where tokens left a model, as `evaluate.exits` and `evaluate.generate` write it; apart, for readers of their results. */
import * as z from "zod";

const use = z
  .object({
    /** Numbers of layers of the exits, then of the whole model. */
    layers: z.array(z.int().positive()).min(1).max(1000),
    /** Share of the tokens that passed each. */
    shares: z.array(z.number().min(0).max(1)),
  })
  .refine(({ layers, shares }) => layers.length === shares.length);
export type ExitShares = Readonly<z.output<typeof use>>;

const measured = z.object({
  thresholds: z
    .array(z.intersection(use, z.object({ threshold: z.number() })))
    .min(1)
    .max(64),
});

/** At each threshold of `evaluate.exits`; undefined if the details are not its. */
export function parseThresholds(
  details: unknown,
): readonly (ExitShares & { readonly threshold: number })[] | undefined {
  return measured.safeParse(details).data?.thresholds;
}

const generated = z.object({ exits: z.intersection(use, z.object({ drafted: z.literal(0) })) });

/** Of the texts of `evaluate.generate`; undefined for those of a whole model or of drafts. */
export function parseGeneratedShares(details: unknown): ExitShares | undefined {
  return generated.safeParse(details).data?.exits;
}
