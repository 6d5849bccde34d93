/** A bar of block characters. */
import type { Colors } from "./terminal";

export function drawBar(share: number, width: number, { cyan, dim }: Colors): string {
  const filled = Math.round(Math.max(0, Math.min(1, Number.isFinite(share) ? share : 0)) * width);
  return cyan("█".repeat(filled)) + dim("░".repeat(width - filled));
}
