/** The five counts of `accounting` as a metric, under names that curves and comparisons can use. */
import * as z from "zod";
import type { Counts, ModelCounts } from "../../protocol/counts";
import { formatCount } from "../../protocol/quantities";
import { countModel } from "../models/accounting";
import { defineMetric } from "./metric";

const names: Readonly<Record<keyof Counts, string>> = {
  trainable: "trainable",
  stored: "parameters",
  nonZero: "non_zero",
  bits: "bits",
  bytes: "bytes",
};

export default defineMetric<Record<string, never>, ModelCounts>({
  title: "Parameters, non-zeros, bits and bytes",
  options: z.strictObject({}),
  needs: [],
  inference: "any",
  goals: {
    "trainable/*": "minimize",
    "parameters/*": "minimize",
    "non_zero/*": "minimize",
    "bits/*": "minimize",
    "bytes/*": "minimize",
  },
  samples: [{}],
  evaluate: async ({ shape, tensors, file }) => {
    const counts = countModel(shape, {
      tensors: (name) => {
        const data = tensors.get(name)?.data;
        if (data === undefined || data instanceof Int32Array)
          throw new Error(`${name} is not a weight or mask.`);
        return data;
      },
      ...(file === undefined ? {} : { file }),
    });
    const { nonEmbedding, total } = counts;
    return {
      values: { ...prefixCounts("non_embedding", nonEmbedding), ...prefixCounts("total", total) },
      lines: [formatLine("non-embedding", nonEmbedding), formatLine("whole model", total)],
      details: counts,
    };
  },
});

function prefixCounts(part: string, counts: Counts): Record<`${string}/${string}`, number> {
  return Object.fromEntries(
    Object.entries(names).map(([key, name]) => [`${name}/${part}`, counts[key as keyof Counts]]),
  );
}

function formatLine(part: string, { trainable, stored, nonZero, bits, bytes }: Counts): string {
  return (
    `${part}: ${formatCount(trainable)} trainable, ${formatCount(stored)} stored, ${formatCount(nonZero)} non-zero, ` +
    `${formatCount(bits)} bits, ${formatCount(bytes)} bytes`
  );
}
