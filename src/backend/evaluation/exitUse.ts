/** Where tokens left a model with exits, and what that saved. */
export interface ExitUse {
  /** Numbers of layers that tokens passed: those of the exits, then all. */
  readonly layers: readonly number[];
  /** Tokens by the number of layers. With drafts, those that a draft had right, and the others. */
  readonly tokens: readonly number[];
  /** Tokens that were drafted. */
  readonly drafted: number;
  /** Floating-point operations of matrix products, apart from those that read prompts. */
  readonly flops: number;
  /** The same of the whole model for the same tokens, one at a time. */
  readonly fullFlops: number;
}

/** Sums of the same model. */
export function addExitUse(a: ExitUse, b: ExitUse): ExitUse {
  return {
    layers: a.layers,
    tokens: a.tokens.map((count, i) => count + b.tokens[i]!),
    drafted: a.drafted + b.drafted,
    flops: a.flops + b.flops,
    fullFlops: a.fullFlops + b.fullFlops,
  };
}

/** Share of the tokens that passed each number of layers; of no tokens 0. */
export function computeExitShares({ tokens }: Pick<ExitUse, "tokens">): number[] {
  const all = tokens.reduce((sum, count) => sum + count, 0);
  return tokens.map((count) => (all === 0 ? 0 : count / all));
}
