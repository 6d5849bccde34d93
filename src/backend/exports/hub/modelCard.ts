/** The model card of a published export: README.md with the metadata of the hub, sizes, measures and how the model was made. */
import type { Counts } from "../../../protocol/counts";
import { describeProtocol, type LossProtocol } from "../../../protocol/lossProtocol";
import { formatBytes, formatCount, formatNumber, formatPercent } from "../../../protocol/quantities";
import { version } from "../../../protocol/version";
import { getHead } from "../../models/classifier";
import { familyOf, type ModelShape } from "../../models/model";
import type { SizeRow } from "../savings";

export const cardName = "README.md";
export const experimentName = "experiment.yaml";

/** A number that was measured on the model, before it was written. */
export interface CardMeasure {
  readonly metric: string;
  readonly value: number;
  readonly error?: number | undefined;
  /** Undefined for a number that depends on no text, such as a size. */
  readonly protocol?: LossProtocol | undefined;
}

/** What is known about the run of the model. */
export interface CardRun {
  /** Lines such as seed, data and device: a name and its text. */
  readonly facts: readonly (readonly [string, string])[];
  /** The steps up to the export as YAML. */
  readonly steps: string;
  readonly measures: readonly CardMeasure[];
  /** The experiment that makes the same model again. */
  readonly experiment: string;
  /** The model of the hub that it started from. */
  readonly baseModel?: string | undefined;
  /** Methods that compressed it. */
  readonly methods: readonly string[];
}

export interface CardSubject {
  readonly repository: string;
  readonly license?: string | undefined;
  readonly format: { readonly id: string; readonly title: string; readonly library?: string | undefined };
  readonly formatOptions: Readonly<Record<string, unknown>>;
  readonly shape: ModelShape;
  readonly counts: { readonly nonEmbedding: Counts; readonly total: Counts };
  readonly sizes: readonly SizeRow[];
  readonly notices: readonly string[];
  /** The model of the hub that it is an export of, where there is no run. */
  readonly baseModel?: string | undefined;
  readonly run?: CardRun | undefined;
}

export function createModelCard(subject: CardSubject): string {
  const { repository, format, formatOptions, shape, run, notices } = subject;
  const options = Object.entries(formatOptions).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  const settings = options.length === 0 ? "" : ` (${options.join(", ")})`;
  const base = subject.baseModel ?? run?.baseModel;
  return [
    ...createFrontMatter(subject),
    "",
    `# ${repository.split("/")[1]!}`,
    "",
    `A ${shape.family} model, exported by Lathe ${version} as ${format.id}${settings}: ${format.title}.` +
      (base === undefined ? "" : ` It started from [${base}](https://huggingface.co/${base}).`),
    "",
    "## Size",
    "",
    ...createSizeTable(subject),
    "",
    ...(run === undefined ? [] : [...createMeasures(run, format.id), ...createHistory(run)]),
    ...(notices.length === 0 ? [] : ["## Notes", "", ...notices.map((notice) => `- ${toLine(notice)}`), ""]),
  ].join("\n");
}

/** YAML in which each value is written as JSON, which is YAML too. */
function createFrontMatter({ license, format, shape, run, baseModel }: CardSubject): string[] {
  const base = baseModel ?? run?.baseModel;
  const tags = ["lathe", format.id, shape.family, ...(run?.methods ?? [])];
  const entries: readonly (readonly [string, unknown])[] = [
    ["base_model", base],
    ["base_model_relation", base !== undefined && format.id === "peft" ? "adapter" : undefined],
    ["library_name", format.library],
    ["license", license],
    ["pipeline_tag", getPipeline(shape)],
    ["tags", [...new Set(tags)]],
  ];
  return [
    "---",
    ...entries.flatMap(([key, value]) => (value === undefined ? [] : [`${key}: ${JSON.stringify(value)}`])),
    "---",
  ];
}

function getPipeline({ family, config }: ModelShape): string | undefined {
  const head = getHead(config);
  // The hub has no pipeline for a number of a text.
  if (head !== undefined) return head.kind === "classes" ? "text-classification" : undefined;
  return familyOf(family).heads.language.task === "causal-lm" ? "text-generation" : "fill-mask";
}

function createSizeTable({ counts: { total, nonEmbedding }, sizes }: CardSubject): string[] {
  const weights = sizes.find(({ kind }) => kind === "weights");
  const rows: (readonly [string, string])[] = [
    ["stored parameters", formatCount(total.stored)],
    ["of these without embeddings", formatCount(nonEmbedding.stored)],
    ["non-zero parameters", formatCount(total.nonZero)],
    ["stored bits per parameter", formatNumber(total.bits / Math.max(1, total.stored))],
  ];
  if (weights !== undefined) {
    const { before, after } = weights;
    rows.push(["weights as dense float32", formatBytes(before)], ["weights as written", formatBytes(after)]);
    if (before > 0)
      rows.push([after <= before ? "saved" : "added", formatPercent(Math.abs(1 - after / before))]);
  }
  return ["| | |", "|---|---:|", ...rows.map(([name, value]) => `| ${name} | ${value} |`)];
}

function createMeasures({ measures }: CardRun, format: string): string[] {
  if (measures.length === 0)
    return ["## Measures", "", "The model was not measured after its last change.", ""];
  const rows = measures.map(({ metric, value, error, protocol }) => {
    const number = `${formatNumber(value)}${error === undefined ? "" : ` ± ${formatNumber(error)}`}`;
    return `| ${toCell(metric)} | ${number} | ${protocol === undefined ? "" : toCell(describeProtocol(protocol))} |`;
  });
  return [
    "## Measures",
    "",
    `Measured on the model before it was written as ${format}. Numbers with different protocols are different quantities; ± is a standard error.`,
    "",
    "| measure | value | protocol |",
    "|---|---:|---|",
    ...rows,
    "",
  ];
}

function createHistory({ facts, steps, experiment }: CardRun): string[] {
  const fence = createFence(steps);
  return [
    "## How it was made",
    "",
    ...facts.map(([name, text]) => `- ${name}: ${toLine(text)}`),
    "",
    `${fence}yaml`,
    steps.trimEnd(),
    fence,
    "",
    ...(experiment === "" ? [] : [`\`lathe run ${experimentName}\` runs the whole experiment again.`, ""]),
  ];
}

/** Longer than any run of backticks in the text. */
function createFence(text: string): string {
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map(({ length }) => length));
  return "`".repeat(Math.max(3, longest + 1));
}

function toLine(text: string): string {
  return text.replace(/\s+/g, " ").replace(/[<>]/g, (sign) => (sign === "<" ? "&lt;" : "&gt;"));
}

function toCell(text: string): string {
  return toLine(text).replaceAll("|", "\\|");
}
