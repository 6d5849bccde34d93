/**
 * The output of a notebook cell. It is self-contained, so that it can be shown without the extension; while a run is active,
 * the renderer follows it with `metrics.watch` and `runsChanged` through its messaging.
 */
import { alignSamples, type Block, formatMarkdown, type NamedSamples } from "./blocks";
import type { PageRequests } from "./page";
import { formatCount, formatNumber } from "./quantities";
import type { Series } from "./service/metrics";
import type { RunSummary, StepResult } from "./service/runs";

export const cellOutputType = "application/vnd.lathe.cell+json";

export interface CellOutput {
  readonly version: 1;
  readonly runs: readonly CellRun[];
  /** Training and validation loss of all runs, thinned; empty for a cell that does not train. */
  readonly series: readonly Series[];
  /** What all runs together come to, in a cell that reports. */
  readonly card?: readonly Block[];
}

export interface CellRun {
  readonly summary: RunSummary;
  /** Only the steps of this cell. */
  readonly steps: readonly StepResult[];
  /** The text has changed since. */
  readonly stale: boolean;
}

/** What the renderer may ask through its messaging. */
export const rendererRequests = [
  "metrics.series",
  "metrics.watch",
  "runs.results",
  "page.save",
  "page.copy",
  "page.openFile",
  "page.openPanel",
  "page.command",
  "page.slots",
  "page.look",
  "page.log",
] as const satisfies readonly (keyof PageRequests)[];

/** An empty cell where there is no number. */
function formatOptional(value: number | undefined, format: (value: number) => string): string | null {
  return value === undefined ? null : format(value);
}

/** The plain alternative: what each run came to, as Markdown. */
export function formatCellMarkdown(output: CellOutput): string {
  const metrics = ["train/loss", "eval/loss"];
  const rows = output.runs.map(({ summary, stale }) => [
    summary.name,
    stale ? `${summary.state}, from an earlier version` : summary.state,
    summary.progress === undefined ? null : `${summary.progress.step} of ${summary.progress.steps}`,
    ...metrics.map((metric) =>
      formatOptional(summary.metrics[metric]?.last, (value) => formatNumber(value, 5)),
    ),
    formatOptional(summary.counts?.nonEmbedding.stored, formatCount),
  ]);
  const table: Block = {
    kind: "table",
    columns: ["run", "state", "step", "train loss", "eval loss", "non-embedding parameters"],
    rows,
  };
  const failures = output.runs.flatMap(({ summary: { name, failure } }): Block[] =>
    failure === undefined ? [] : [{ kind: "text", text: `${name}: ${failure.message}` }],
  );
  const sampledRuns = output.runs.flatMap(({ summary: { name }, steps }) => {
    const samples = steps.flatMap(({ blocks }) =>
      blocks.flatMap((block) => (block.kind === "samples" ? block.samples : [])),
    );
    return samples.length === 0 ? [] : [{ name, samples }];
  });
  const hasSeveral = sampledRuns.length > 1;
  const results = output.runs.flatMap(({ steps }) =>
    steps.flatMap(({ blocks }) => blocks.filter(({ kind }) => !hasSeveral || kind !== "samples")),
  );
  return formatMarkdown([
    table,
    ...failures,
    ...(output.card ?? []),
    ...results,
    ...(hasSeveral ? [createSampleTable(sampledRuns)] : []),
  ]);
}

function createSampleTable(runs: readonly NamedSamples[]): Block {
  return {
    kind: "table",
    title: "Samples",
    columns: ["prompt", ...runs.map(({ name }) => name)],
    rows: alignSamples(runs).map(({ prompt, texts }) => [prompt, ...texts]),
  };
}
