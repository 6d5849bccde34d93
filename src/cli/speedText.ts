/** Text of the figures of `lathe bench`. */
import type { CostRow } from "../backend/bench/costTable";
import type { GenerationComparison } from "../backend/bench/generationAgainstTorch";
import type { GenerationSpeed } from "../backend/bench/generationSpeed";
import type { TrainingComparison } from "../backend/bench/againstTorch";
import { median } from "../backend/bench/median";
import { describeProduct } from "../backend/bench/productRate";
import type { StepProfile, TimeShare } from "../backend/bench/profile";
import { flopsFormula, type Speed } from "../backend/bench/trainingSpeed";
import { describeSavings } from "../backend/training/memorySavings";
import { formatBytes, formatCount, formatNumber } from "../protocol/quantities";
import { formatTable } from "./table";
import type { Terminal } from "./terminal";

const formatFlopRate = (flops: number) => `${(flops / 1e9).toFixed(1)} GFLOP/s`;

export function formatSpeed(title: string, speed: Speed): string {
  const { seconds } = speed;
  const lines: readonly (readonly [string, string])[] = [
    ["model", `${title}, ${formatCount(speed.parameters)} parameters`],
    ["batch", `${speed.rows} × ${speed.length} tokens, optimizer inside the step`],
    [
      "step",
      `${speed.secondsPerStep.toFixed(3)} s (median of ${seconds.map((each) => each.toFixed(3)).join(", ")})`,
    ],
    ["memory", describeSavings(speed.savings) ?? "no recomputation, no chunks"],
    ["tokens", `${formatCount(speed.tokensPerSecond)} a second`],
    ["model rate", `${formatFlopRate(speed.flopsPerSecond)} (${flopsFormula})`],
    [
      "products",
      `${formatFlopRate(speed.productFlopsPerSecond)} in the matrix products that a step computes`,
    ],
    [
      "ceiling",
      `${formatFlopRate(speed.ceiling.flopsPerSecond)} in ${describeProduct(speed.ceiling.product)}, the fastest product of the step at its best, measured between the steps`,
    ],
    ["ratio", `${speed.ratio.toFixed(3)} of the ceiling`],
    [
      "peak memory",
      `${formatBytes(speed.peakBytes)} of the process; ${formatBytes(speed.estimatedBytes)} expected for the graph`,
    ],
    ["loss", `${speed.lossFirst.toFixed(4)} → ${speed.lossLast.toFixed(4)}`],
  ];
  return formatList(lines);
}

export function formatGenerationSpeed({
  promptTokens,
  newTokens,
  cached,
  uncached,
  ratio,
  memoryLimit,
  readRate,
}: GenerationSpeed): string {
  const formatSpeeds = (speed: GenerationSpeed["cached"]) =>
    `${formatNumber(speed.promptTokensPerSecond)} tokens of a prompt a second, ${formatNumber(speed.newTokensPerSecond)} new ones`;
  return formatList([
    ["writing", `${newTokens} tokens after a prompt of ${promptTokens}, one text (medians)`],
    ["with cache", formatSpeeds(cached)],
    ["without", formatSpeeds(uncached)],
    ["ratio", `${formatNumber(ratio)} times as many new tokens with the cache`],
    ["limit", formatMemoryLimit({ memoryLimit, readRate }, cached.newTokensPerSecond)],
  ]);
}

function formatList(lines: readonly (readonly [string, string])[]): string {
  return lines.map(([name, value]) => `${name.padEnd(12)} ${value}`).join("\n");
}

export function formatCostTable(rows: readonly CostRow[], terminal: Terminal): string {
  const head = ["axis", "value", "parameters", "ms a step", "tokens/s", "model GFLOP/s", "ratio"];
  return formatTable(
    head,
    rows.map(({ axis, value, speed }) => [
      axis,
      String(value),
      formatCount(speed.parameters),
      (speed.secondsPerStep * 1000).toFixed(1),
      formatCount(speed.tokensPerSecond),
      (speed.flopsPerSecond / 1e9).toFixed(1),
      speed.ratio.toFixed(2),
    ]),
    terminal,
  );
}

function formatMemoryLimit(
  { memoryLimit, readRate }: Pick<GenerationSpeed, "memoryLimit" | "readRate">,
  rate: number,
): string {
  return `${formatNumber(memoryLimit)} new tokens a second if reading the weights at ${(readRate / 1e9).toFixed(1)} GB/s took all the time; ${(rate / memoryLimit).toFixed(3)} of it`;
}

/** The time of the fastest step, by operation and by part. */
export function formatProfile(profile: StepProfile, terminal: Terminal): string {
  const { seconds, nodeSeconds, kinds, parts, productFlopsPerSecond } = profile;
  const format = (title: string, shares: readonly TimeShare[]) =>
    formatTable(
      [title, "ms", "share", "nodes", "GFLOP/s"],
      shares.map((share) => [
        share.name,
        (share.seconds * 1000).toFixed(1),
        `${((100 * share.seconds) / nodeSeconds).toFixed(1)} %`,
        String(share.nodes),
        share.flops === 0 ? "–" : (share.flops / share.seconds / 1e9).toFixed(1),
      ]),
      terminal,
    );
  return [
    `The fastest profiled step took ${(seconds * 1000).toFixed(1)} ms, ${(nodeSeconds * 1000).toFixed(1)} of them in operations. Its matrix products reach ${formatFlopRate(productFlopsPerSecond)}.`,
    format("operation", kinds),
    format("part", parts),
  ].join("\n\n");
}

export function formatTrainingComparison(title: string, comparison: TrainingComparison): string {
  const { torch, threads, model, pairs, missing } = comparison;
  const seconds = (all: readonly number[]) => `${median(all).toFixed(3)} s`;
  return formatList([
    ["model", title],
    ["PyTorch", `${torch}, ${threads} threads, float32, fused AdamW; ${model}`],
    ["Lathe", `${seconds(pairs[0]!.lathe)} a step (median of ${pairs[0]!.lathe.length})`],
    ...pairs.map(({ mode, torch: times, ratio, lossDifference }): [string, string] => [
      mode,
      `${seconds(times)} a step; ratio ${ratio.toFixed(3)} (PyTorch / Lathe, median of pairs); losses differ by at most ${lossDifference.toExponential(1)}`,
    ]),
    ...missing.map(({ mode, reason }): [string, string] => [mode, reason]),
  ]);
}

export function formatGenerationComparison(title: string, comparison: GenerationComparison): string {
  const { torch, threads, model, promptTokens, newTokens, lathe, torchRate, ratio, promptRatio } = comparison;
  return formatList([
    ["model", title],
    ["writing", `${newTokens} tokens after a prompt of ${promptTokens}, one text`],
    ["Lathe", `${formatNumber(lathe)} new tokens a second`],
    [
      "PyTorch",
      `${formatNumber(torchRate)} new tokens a second (${torch}, ${threads} threads, ${model}); ${comparison.sameText ? "the same text" : "another text"}`,
    ],
    [
      "ratio",
      `${ratio.toFixed(3)} for new tokens, ${promptRatio.toFixed(3)} for the prompt (PyTorch / Lathe in seconds, medians of pairs)`,
    ],
    [
      "limit",
      `Lathe: ${formatMemoryLimit(comparison, lathe)}; PyTorch: ${(torchRate / comparison.memoryLimit).toFixed(3)}`,
    ],
  ]);
}
