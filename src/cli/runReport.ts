/** Reports of runs: one run in detail, or a comparison of several. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { watchFileName } from "../backend/runs/metrics/watchFile";
import { stepFolderName } from "../backend/runs/steps/finishedSteps";
import { getExitStatus, WorkbenchError, type ErrorCode } from "../protocol/errors";
import { describeProtocol, type LossProtocol } from "../protocol/lossProtocol";
import { describePruning } from "../protocol/pruning";
import type { RunRecord, RunState } from "../protocol/run";
import type { ExitStatus } from "./command";
import { alignSamples, type NamedSamples } from "../protocol/blocks";
import { collectValues, readEvaluations, formatEvaluations, readSamples } from "./evaluations";
import { formatFields } from "./fields";
import { appendNotes, createLossCells, evaluationLosses, findLoss } from "./lossCells";
import { plotLoss } from "./lossPlot";
import {
  formatAligned,
  formatCount,
  formatDuration,
  formatNumber,
  missingText,
} from "../protocol/quantities";
import type { RunHistory } from "./runHistory";
import { labelRuns } from "./sweepProgress";
import { formatTable } from "./table";
import { toPlainText, toPlainLine, type Colors, type Terminal } from "./terminal";
import { wrapText } from "./textWidth";

export interface ReportedRun {
  readonly folder: string;
  readonly record: RunRecord;
  readonly history: RunHistory;
}

/** What `--json` prints of a run. */
export function createRunDocument({
  folder,
  record,
}: Pick<ReportedRun, "folder" | "record">): Record<string, unknown> {
  return { ...record, process: undefined, folder, evaluations: readEvaluations(folder) };
}

/** A run that is still active when a command detaches is not a failure. */
export function getRunStatus({ state, failure }: RunRecord): ExitStatus {
  if (state === "stopped") return 3;
  if (state === "interrupted") return 1;
  if (state !== "failed") return 0;
  return getExitStatus(
    new WorkbenchError((failure?.code ?? "internal") as ErrorCode, failure?.message ?? ""),
  );
}

export function formatState(state: RunState, colors: Colors): string {
  const paint = {
    done: colors.green,
    failed: colors.red,
    interrupted: colors.red,
    stopped: colors.yellow,
    held: colors.dim,
    pruned: colors.dim,
    running: colors.cyan,
    paused: colors.yellow,
    queued: colors.dim,
  }[state];
  return paint(state);
}

/** Numbers of a run by name: what its steps measured, then what its evaluations found. */
function collectNumbers({ folder, record }: ReportedRun): Readonly<Record<string, number>> {
  const lastValues = Object.entries(record.summary).map(([name, { last: value }]) => [name, value] as const);
  return { ...Object.fromEntries(lastValues), ...collectValues(readEvaluations(folder)) };
}

function getSizes(run: ReportedRun): readonly [nonEmbedding: number | undefined, total: number | undefined] {
  const numbers = collectNumbers(run);
  const { counts } = run.record;
  return [
    counts?.nonEmbedding.stored ?? numbers["parameters/non_embedding"],
    counts?.total.stored ?? numbers["parameters/total"],
  ];
}

const formatOptional = (value: number | undefined, format: (value: number) => string) =>
  value === undefined ? missingText : format(value);

/** How the losses were measured; values of one measurement share a protocol. */
function listProtocols({ losses = {} }: RunRecord): (readonly [string, LossProtocol])[] {
  return ["eval/loss", "perplexity/token", "perplexity/word"].flatMap((metric) =>
    losses[metric] === undefined ? [] : [[metric, losses[metric]] as const],
  );
}

/** Metrics of the machine belong in charts, not in the result. */
const isResult = (name: string) => !/^(system|gpu)\//.test(name);

/** Relative to the folder. */
function listWatchFiles(folder: string, { plan }: RunRecord): string[] {
  return plan.steps
    .map((step) => join("steps", stepFolderName(step), watchFileName))
    .filter((file) => existsSync(join(folder, file)));
}

export function formatRunReport(run: ReportedRun, terminal: Terminal): string {
  const { record, folder, history } = run;
  const { colors } = terminal;
  const rows: [string, string][] = [
    ["run", record.id],
    ["state", formatState(record.state, colors)],
    [
      "experiment",
      record.plan.experiment + (record.plan.variant === "" ? "" : `, variant ${record.plan.variant}`),
    ],
    ["seed", String(record.plan.seed)],
  ];
  if (record.dataTitle !== undefined) rows.push(["data", record.dataTitle]);
  for (const [metric, protocol] of listProtocols(record)) rows.push([metric, describeProtocol(protocol)]);
  const { device, git, progress, failure, seconds, halving } = record;
  if (halving?.pruned !== undefined) rows.push(["search", describePruning(halving.pruned)]);
  if (device !== undefined) rows.push(["device", `${device.name}: ${device.description} (${device.reason})`]);
  if (git !== undefined) {
    rows.push(["code", `${git.commit.slice(0, 10)} on ${git.branch}${git.dirty ? ", with changes" : ""}`]);
  }
  if (progress !== undefined) rows.push(["step", `${progress.step} of ${progress.steps}`]);
  if (seconds !== undefined) rows.push(["time", formatDuration(seconds)]);
  const { energy } = record;
  if (energy !== undefined)
    rows.push([
      "energy",
      `${formatNumber(1000 * energy.kwh)} Wh ${energy.how}, ${formatNumber(energy.co2_grams)} g of CO2, ${formatNumber(energy.water_litres)} l of water (${energy.assumptions})`,
    ]);
  const [nonEmbedding, total] = getSizes(run);
  if (total !== undefined) {
    rows.push([
      "parameters",
      `${formatCount(total)}, ${formatOptional(nonEmbedding, formatCount)} without embeddings`,
    ]);
  }
  const histograms = listWatchFiles(folder, record);
  if (histograms.length > 0)
    rows.push(["histograms", `${histograms.join(", ")}; the Weights panel shows them over steps`]);
  rows.push(["folder", folder]);
  if (failure !== undefined) rows.push(["failure", `${failure.code}: ${failure.message}`]);
  // Only the state has colors from Lathe.
  const fields = rows.map(([name, value]) => [name, name === "state" ? value : toPlainLine(value)] as const);
  const notices = record.notices
    .map(toPlainText)
    .filter((notice) => !terminal.hasShown(notice))
    .map((notice) => colors.yellow(wrapText(`Notice: ${notice}`, terminal.textWidth)));
  const evaluations = toPlainText(formatEvaluations(folder));
  return joinParts([
    [formatFields(fields, terminal), ...notices].join("\n"),
    formatSummary(record, terminal),
    plotLoss(history, terminal.width, colors),
    wrapText(evaluations, terminal.textWidth),
  ]);
}

/** More than these are compared in the table alone. */
const maxDetailedRuns = 6;

/** The same of several runs, in the order they ran, each with what a table has no room for. */
export function formatRunsReport(runs: readonly ReportedRun[], terminal: Terminal): string {
  if (runs.length > maxDetailedRuns)
    return `${formatComparison(runs, terminal)}\n\n${terminal.colors.dim("Show one of them with `lathe show RUN`.")}`;
  const { colors, width, textWidth } = terminal;
  const sampledRuns = runs.flatMap(({ record: { name }, folder }) => {
    const samples = readSamples(folder);
    return samples.length === 0 ? [] : [{ name, samples }];
  });
  const hasSeveral = sampledRuns.length > 1;
  const reports = runs.map(({ record, folder, history }) =>
    joinParts([
      `${colors.bold(toPlainLine(record.name))}  ${toPlainLine(folder)}`,
      plotLoss(history, width, colors),
      wrapText(toPlainText(formatEvaluations(folder, { samples: !hasSeveral })), textWidth),
    ]),
  );
  return joinParts([
    ...reports,
    hasSeveral ? formatSamples(sampledRuns, colors) : "",
    formatComparison(runs, terminal),
  ]);
}

/** Each prompt with what every run wrote after it. */
function formatSamples(runs: readonly NamedSamples[], colors: Colors): string {
  const indent = (text: string) => toPlainText(text.trim()).replaceAll("\n", "\n    ");
  return alignSamples(runs)
    .map(({ prompt, texts }) => {
      const lines = texts.map((text, i) =>
        text === null ? [] : [`  ${colors.dim(toPlainLine(runs[i]!.name))}\n    ${indent(text)}`],
      );
      return [colors.bold(toPlainText(prompt.trim())), ...lines.flat()].join("\n");
    })
    .join("\n\n");
}

function joinParts(parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== "").join("\n\n");
}

function formatSummary({ summary }: RunRecord, terminal: Terminal): string {
  const rows = Object.entries(summary).filter(([name]) => isResult(name));
  if (rows.length === 0) return "";
  return formatTable(
    ["metric", "last", "lowest", "highest"],
    rows.map(([name, { last, min, max }]) => [
      toPlainLine(name),
      formatNumber(last),
      formatNumber(min),
      formatNumber(max),
    ]),
    terminal,
  );
}

/** One row a run: what came out, and what it cost. */
export function formatComparison(runs: readonly ReportedRun[], terminal: Terminal): string {
  const head = ["run", "state", "eval loss", "train loss", "perplexity", "non-embedding", "total", "time"];
  const labels = labelRuns(runs.map(({ record }) => record.plan));
  const records = runs.map(({ record }) => record);
  const evaluations = createLossCells(
    "eval loss",
    records.map((record) => findLoss(record, evaluationLosses)),
  );
  const perplexities = createLossCells(
    "perplexity",
    records.map((record) => findLoss(record, ["perplexity/token", "perplexity/word"])),
  );
  const rows = runs.map((run, index) => {
    const { state, seconds, summary } = run.record;
    const [nonEmbedding, total] = getSizes(run);
    return [
      toPlainLine(labels[index]!),
      formatState(state, terminal.colors),
      evaluations.cells[index]!,
      formatOptional(summary["train/loss"]?.last, formatAligned),
      perplexities.cells[index]!,
      formatOptional(nonEmbedding, formatCount),
      formatOptional(total, formatCount),
      formatOptional(seconds, formatDuration),
    ];
  });
  // A quantity that no run has takes no room.
  const shown = head.flatMap((_, column) =>
    rows.every((row) => row[column] === missingText) ? [] : [column],
  );
  return appendNotes(
    formatTable(
      shown.map((column) => head[column]!),
      rows.map((row) => shown.map((column) => row[column]!)),
      terminal,
    ),
    [...evaluations.notes, ...perplexities.notes],
    terminal,
  );
}
