/** Time of a forward pass, and its speedup over the same model with dense matrices, timed alternately. */
import * as z from "zod";
import { dimensionsOf } from "../models/model";
import { formatBytes } from "../../protocol/quantities";
import { defineMetric, type EvaluationLab, type Subject } from "./metric";
import { createDenseCounterpart, isDense, openPass, measurePeakGrowth } from "./passes";
import { type Interval, computeMean, computeQuantile, resampleIntervals } from "../../statistics/resampling";

const optionsSchema = z.strictObject({
  batch_sizes: z
    .array(z.int().min(1))
    .min(1)
    .default([1, 8, 32])
    .describe("Batch sizes to time. Curves show the first."),
  sequence_len: z
    .int()
    .min(1)
    .optional()
    .describe(
      "Tokens per text. The default is `data.sequence_len`, or without data the model's context up to 256.",
    ),
  warmup: z.int().min(0).default(3).describe("Untimed passes before the first timed one."),
  repeats: z
    .int()
    .min(3)
    .default(50)
    .describe("Timed passes of this model and of the dense model, which alternate."),
});
type Options = z.output<typeof optionsSchema>;

export interface BatchLatency {
  readonly batch_size: number;
  readonly sequence_len: number;
  readonly median_ms: number;
  readonly p95_ms: number;
  readonly mean_ms: number;
  readonly examples_per_second: number;
  readonly tokens_per_second: number;
  /** Median of the dense model divided by that of this model; 1 if this model is dense. */
  readonly speedup: number;
  /** 95 % intervals over the passes. */
  readonly median_interval: Interval;
  readonly speedup_interval: Interval;
}

export interface Latency {
  readonly device: string;
  readonly batches: readonly BatchLatency[];
  /** Peak growth of the process in bytes for a batch of the first size; null if the system does not report it. */
  readonly peak_memory_bytes: number | null;
}

export default defineMetric<Options, Latency>({
  title: "Latency",
  options: optionsSchema,
  needs: [],
  changes: true,
  goals: {
    "latency/median_ms": "minimize",
    "latency/p95_ms": "minimize",
    "latency/examples_per_second": "maximize",
    "latency/tokens_per_second": "maximize",
    "latency/speedup": "maximize",
    "latency/peak_memory_bytes": "minimize",
  },
  samples: [{ batch_sizes: [1, 2], repeats: 3, warmup: 1, sequence_len: 4 }],
  evaluate: async (subject, options, lab) => {
    const details = await measure(subject, options, lab);
    const first = details.batches[0]!;
    const peak = details.peak_memory_bytes;
    return {
      values: {
        "latency/median_ms": first.median_ms,
        "latency/p95_ms": first.p95_ms,
        "latency/examples_per_second": first.examples_per_second,
        "latency/tokens_per_second": first.tokens_per_second,
        "latency/speedup": first.speedup,
        ...(peak === null ? {} : { "latency/peak_memory_bytes": peak }),
      },
      lines: [
        ...details.batches.map(
          (each) =>
            `batch of ${each.batch_size}: median ${each.median_ms.toFixed(2)} ms (95 % ${each.median_interval[0].toFixed(2)} to ${each.median_interval[1].toFixed(2)}), p95 ${each.p95_ms.toFixed(2)} ms; ` +
            `${each.tokens_per_second.toFixed(0)} tokens/s; ${each.speedup.toFixed(2)} × as fast as dense (${each.speedup_interval[0].toFixed(2)} to ${each.speedup_interval[1].toFixed(2)})`,
        ),
        `${details.device}, ${first.sequence_len} tokens a text, ${options.repeats} passes after ${options.warmup}${peak === null ? "" : `; memory grew by at most ${formatBytes(peak)}`}`,
      ],
      details,
    };
  },
});

async function measure(subject: Subject, options: Options, lab: EvaluationLab): Promise<Latency> {
  const { context } = dimensionsOf(subject.shape);
  const defaultLength = subject.data?.train.layout.sequenceLength ?? Math.min(context, 256);
  const length = Math.min(context, options.sequence_len ?? defaultLength);
  const batches: BatchLatency[] = [];
  const peak = await measurePeakGrowth(lab.engine, subject, options.batch_sizes[0]!, length, lab.signal);
  for (const [i, rows] of options.batch_sizes.entries()) {
    batches.push(await measureBatch(subject, rows, length, options, lab));
    lab.progress(i + 1, options.batch_sizes.length, "batch sizes timed");
  }
  return { device: lab.engine.device.name, batches, peak_memory_bytes: peak ?? null };
}

async function measureBatch(
  subject: Subject,
  rows: number,
  length: number,
  { warmup, repeats }: Options,
  { engine, seed, signal }: EvaluationLab,
): Promise<BatchLatency> {
  await using pass = await openPass(engine, subject, rows, length);
  const isSame = isDense(subject.shape);
  await using dense = isSame
    ? undefined
    : await openPass(engine, createDenseCounterpart(subject, seed), rows, length);
  const times: number[] = [];
  const denseTimes: number[] = [];
  for (let i = -warmup; i < repeats; i++) {
    // Alternate, so that other load on the machine affects both.
    const [time, denseTime] = [await pass.run(signal), await dense?.run(signal)];
    if (i < 0) continue;
    times.push(time);
    if (denseTime !== undefined) denseTimes.push(denseTime);
  }
  const median = computeQuantile(times, 0.5);
  const ratio = (indices: readonly number[]) =>
    isSame
      ? 1
      : computeQuantile(
          indices.map((at) => denseTimes[at]!),
          0.5,
        ) /
        computeQuantile(
          indices.map((at) => times[at]!),
          0.5,
        );
  const all = times.map((_, i) => i);
  const intervals = resampleIntervals(repeats, { resamples: 500, seed }, (indices) => ({
    median: computeQuantile(
      indices.map((at) => times[at]!),
      0.5,
    ),
    speedup: ratio(indices),
  }))!;
  return {
    batch_size: rows,
    sequence_len: length,
    median_ms: median,
    p95_ms: computeQuantile(times, 0.95),
    mean_ms: computeMean(times),
    examples_per_second: (1000 * rows) / median,
    tokens_per_second: (1000 * rows * length) / median,
    speedup: ratio(all),
    median_interval: intervals.median,
    speedup_interval: intervals.speedup,
  };
}
