/**
 * The order in which AWQ's kernels read eight codes of four bits in a word of 32. Source: AutoAWQ, `modules/linear/gemm.py`,
 * `WQLinear_GEMM.from_linear`.
 */

export const awqBits = 4;
/** Codes of a word. */
export const awqCodesPerWord = 32 / awqBits;
/** The place within a word of each of eight consecutive outputs. */
const places = [0, 4, 1, 5, 2, 6, 3, 7] as const;

/** The place of an output among the codes of a row of words. */
export function getAwqPlace(output: number): number {
  const within = output % awqCodesPerWord;
  return output - within + places[within]!;
}
