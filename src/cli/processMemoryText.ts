/** Memory and placement of one process, as `lathe plan` prints them. */
import type { ProcessMemory } from "../backend/runs/planning/processMemory";
import { formatBytes, formatCount, pluralize } from "../protocol/quantities";

export function formatProcessMemory(memory: ProcessMemory): string[] {
  const { processes, nodes, sharding, rows, undivided } = memory;
  const { weightBytes, gradientBytes, optimizerBytes, activationBytes } = memory;
  const all = weightBytes + gradientBytes + optimizerBytes + activationBytes;
  const machines = nodes === 1 ? "" : ` on ${nodes} machines`;
  const divided = {
    none: "nothing",
    optimizer: "gradients and optimizer",
    full: "weights, gradients and optimizer",
  };
  return [
    `     Each of ${processes} processes${machines}: ${formatBytes(all)} (weights ${formatBytes(weightBytes)}, gradients ${formatBytes(gradientBytes)}, optimizer ${formatBytes(optimizerBytes)}, activations of ${pluralize(rows, "sequence")} ${formatBytes(activationBytes)})`,
    `     Divided among the processes besides the batch: ${divided[sharding]}${undivided.tensors === 0 ? "" : `, except ${formatCount(undivided.tensors)} parameters (${formatBytes(undivided.bytes)}) whose first axis is not divisible by ${processes}`}`,
  ];
}
