/** Reports of runs: one run in detail, or a comparison of several. */
import { exitStatus, WorkbenchError, type ErrorCode } from "../protocol/errors";
import type { RunRecord, RunState } from "../protocol/run";
import type { ExitStatus } from "./command";
import { besideEachOther, type NamedSamples } from "../protocol/blocks";
import { evaluatedValues, evaluationsOf, evaluationText, samplesOf } from "./evaluations";
import { lossPlot } from "./lossPlot";
import { count, duration, figure } from "../protocol/quantities";
import type { RunHistory } from "./runHistory";
import { table } from "./table";
import { plain, plainLine, type Colors, type Terminal } from "./terminal";

export interface ReportedRun {
  readonly folder: string;
  readonly record: RunRecord;
  readonly history: RunHistory;
}

/** What `--json` prints of a run. */
export function runDocument({
  folder,
  record,
}: Pick<ReportedRun, "folder" | "record">): Record<string, unknown> {
  return { ...record, process: undefined, folder, evaluations: evaluationsOf(folder) };
}

/** A run that is still active when a command detaches is not a failure. */
export function statusOf({ state, failure }: RunRecord): ExitStatus {
  if (state === "stopped") return 3;
  if (state === "interrupted") return 1;
  if (state !== "failed") return 0;
  return exitStatus(new WorkbenchError((failure?.code ?? "internal") as ErrorCode, failure?.message ?? ""));
}

export function coloredState(state: RunState, colors: Colors): string {
  const paint = {
    done: colors.green,
    failed: colors.red,
    interrupted: colors.red,
    stopped: colors.yellow,
    running: colors.cyan,
    paused: colors.yellow,
    queued: colors.dim,
  }[state];
  return paint(state);
}

/** Numbers of a run by name: what its steps measured, then what its evaluations found. */
function numbersOf({ folder, record }: ReportedRun): Readonly<Record<string, number>> {
  const last = Object.entries(record.summary).map(([name, { last: value }]) => [name, value] as const);
  return { ...Object.fromEntries(last), ...evaluatedValues(evaluationsOf(folder)) };
}

function sizesOf(run: ReportedRun): readonly [nonEmbedding: number | undefined, total: number | undefined] {
  const numbers = numbersOf(run);
  const { counts } = run.record;
  return [
    counts?.nonEmbedding.stored ?? numbers["parameters/non_embedding"],
    counts?.total.stored ?? numbers["parameters/total"],
  ];
}

const optional = (value: number | undefined, format: (value: number) => string) =>
  value === undefined ? "–" : format(value);

/** Metrics of the machine belong in charts, not in the result. */
const isResult = (name: string) => !/^(system|gpu)\//.test(name);

export function runReport(run: ReportedRun, terminal: Terminal): string {
  const { record, folder, history } = run;
  const { colors } = terminal;
  const rows: [string, string][] = [
    ["run", record.id],
    ["state", coloredState(record.state, colors)],
    [
      "experiment",
      record.plan.experiment + (record.plan.variant === "" ? "" : `, variant ${record.plan.variant}`),
    ],
    ["seed", String(record.plan.seed)],
  ];
  if (record.dataTitle !== undefined) rows.push(["data", record.dataTitle]);
  const { device, git, progress, failure, seconds } = record;
  if (device !== undefined) rows.push(["device", `${device.name}: ${device.description} (${device.reason})`]);
  if (git !== undefined) {
    rows.push(["code", `${git.commit.slice(0, 10)} on ${git.branch}${git.dirty ? ", with changes" : ""}`]);
  }
  if (progress !== undefined) rows.push(["step", `${progress.step} of ${progress.steps}`]);
  if (seconds !== undefined) rows.push(["time", duration(seconds)]);
  const { energy } = record;
  if (energy !== undefined)
    rows.push([
      "energy",
      `${figure(1000 * energy.kwh)} Wh ${energy.how}, ${figure(energy.co2_grams)} g of CO2, ${figure(energy.water_litres)} l of water (${energy.assumptions})`,
    ]);
  const [nonEmbedding, total] = sizesOf(run);
  if (total !== undefined) {
    rows.push(["parameters", `${count(total)}, ${optional(nonEmbedding, count)} without embeddings`]);
  }
  rows.push(["folder", folder]);
  if (failure !== undefined) rows.push(["failure", `${failure.code}: ${failure.message}`]);
  const width = Math.max(...rows.map(([name]) => name.length));
  const text = rows.map(([name, value]) => {
    // Only the state has colors from Lathe.
    return `${colors.dim(name.padEnd(width))}  ${name === "state" ? value : plainLine(value)}`;
  });
  for (const notice of record.notices) text.push(colors.yellow(plain(notice)));
  const found = plain(evaluationText(folder));
  return joined([
    text.join("\n"),
    summaryTable(record, colors),
    lossPlot(history, terminal.width, colors),
    found,
  ]);
}

/** The same of several runs, in the order they ran, each with what a table has no room for. */
export function runsReport(runs: readonly ReportedRun[], terminal: Terminal): string {
  const { colors, width } = terminal;
  const sampled = runs.flatMap(({ record: { name }, folder }) => {
    const samples = samplesOf(folder);
    return samples.length === 0 ? [] : [{ name, samples }];
  });
  const several = sampled.length > 1;
  const each = runs.map(({ record, folder, history }) =>
    joined([
      `${colors.bold(plainLine(record.name))}  ${plainLine(folder)}`,
      lossPlot(history, width, colors),
      plain(evaluationText(folder, { samples: !several })),
    ]),
  );
  return joined([...each, several ? samplesBesides(sampled, colors) : "", comparison(runs, colors)]);
}

/** Each prompt with what every run wrote after it. */
function samplesBesides(runs: readonly NamedSamples[], colors: Colors): string {
  const indented = (text: string) => plain(text.trim()).replaceAll("\n", "\n    ");
  return besideEachOther(runs)
    .map(({ prompt, texts }) => {
      const lines = texts.map((text, i) =>
        text === null ? [] : [`  ${colors.dim(plainLine(runs[i]!.name))}\n    ${indented(text)}`],
      );
      return [colors.bold(plain(prompt.trim())), ...lines.flat()].join("\n");
    })
    .join("\n\n");
}

function joined(parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== "").join("\n\n");
}

function summaryTable({ summary }: RunRecord, colors: Colors): string {
  const rows = Object.entries(summary).filter(([name]) => isResult(name));
  if (rows.length === 0) return "";
  return table(
    ["metric", "last", "lowest", "highest"],
    rows.map(([name, { last, min, max }]) => [plainLine(name), figure(last), figure(min), figure(max)]),
    colors,
  );
}

/** One row a run: what came out, and what it cost. */
export function comparison(runs: readonly ReportedRun[], colors: Colors): string {
  const head = [
    "variant",
    "state",
    "non-embedding",
    "total",
    "train loss",
    "eval loss",
    "perplexity",
    "time",
  ];
  const rows = runs.map((run) => {
    const { state, seconds, summary } = run.record;
    const numbers = numbersOf(run);
    const [nonEmbedding, total] = sizesOf(run);
    return [
      plainLine(run.record.name),
      coloredState(state, colors),
      optional(nonEmbedding, count),
      optional(total, count),
      optional(summary["train/loss"]?.last, figure),
      optional(summary["eval/loss"]?.last ?? numbers["perplexity/loss"], figure),
      optional(numbers["perplexity/token"] ?? numbers["perplexity/word"], figure),
      optional(seconds, duration),
    ];
  });
  return table(head, rows, colors);
}
