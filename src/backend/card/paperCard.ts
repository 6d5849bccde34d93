/** A paper card: published numbers next to those of the runs, the models with their losses, and the conclusions. */
import { formatCount } from "../../protocol/quantities";
import type { Block, CellValue } from "../../protocol/blocks";
import { groupByProtocol } from "../../protocol/lossProtocol";
import type { Paper, Quantity } from "../../schema/paper";
import { type Answer, answerQuestion, exceedsSpread } from "./answers";
import { type SizedComparison, compareAtEqualSize, describeSizedComparison } from "./equalSize";
import { type Group, estimateGroup, groupRuns, type RunFigures } from "./figures";
import { type RateLine, createRateLines, describeRateLine } from "./rates";
import { createSavedTable } from "./savedTable";
import type { Estimate } from "../../statistics/studentT";
import { type CardRow, createCardRows, type Verdict } from "./verdicts";

export interface Card {
  readonly rows: readonly CardRow[];
  readonly groups: readonly Group[];
  readonly answers: readonly Answer[];
  readonly rates: readonly RateLine[];
  readonly sized: readonly SizedComparison[];
}

export function createPaperCard(paper: Paper, runs: readonly RunFigures[]): Card {
  const groups = groupRuns(runs);
  return {
    rows: createCardRows(paper, groups),
    groups,
    answers: paper.questions.map((question) => answerQuestion(question, groups)),
    rates: createRateLines(paper, groups),
    sized: compareAtEqualSize(paper, groups),
  };
}

export function createCardBlocks(paper: Paper, card: Card): Block[] {
  const blocks: Block[] = [];
  if (card.rows.length > 0)
    blocks.push({
      kind: "table",
      title: "Published and reproduced",
      columns: ["variant", "quantity", "published", "reproduced", "gap", "verdict", "source"],
      rows: card.rows.map(createPublishedCells),
    });
  if (card.groups.length > 0) blocks.push(...createModelTable(paper, card.groups));
  if (card.rates.length > 0) blocks.push(createRateTable(card.rates));
  if (card.sized.some(({ points }) => points.length > 0)) blocks.push(createSizedTable(card.sized));
  blocks.push(...createSavedTable(card.groups));
  return [...blocks, ...summarizeCard(card).map((text): Block => ({ kind: "text", text }))];
}

function createPublishedCells({ published: row, name, reproduced, gap, verdict }: CardRow): CellValue[] {
  const { quantity, value, printed, source, roles } = row;
  return [
    name,
    roles === undefined ? quantity : `${quantity} of ${[roles].flat().join(", ")}`,
    printed === undefined
      ? formatQuantity(quantity, value)
      : `${formatQuantity(quantity, value)} (${printed})`,
    reproduced === undefined ? null : formatInterval(quantity, reproduced),
    gap === undefined ? null : formatSigned(quantity, gap),
    verdict.reason === undefined ? verdict.kind : `${verdict.kind}: ${verdict.reason}`,
    source ?? null,
  ];
}

/** One row for each variant and sweep point, with means and intervals over the seeds and their count. */
export function createModelTable(
  paper: { readonly baseline?: string | undefined; readonly metrics: readonly string[] },
  groups: readonly Group[],
): Block[] {
  const baseline = groups.find(({ variant }) => variant === paper.baseline);
  const quantities: readonly (readonly [string, Quantity])[] = [
    ["non-embedding", "parameters/non_embedding"],
    ...(baseline === undefined ? [] : [["% of baseline", "parameters/non_embedding_percent"] as const]),
    ["whole model", "parameters/total"],
    ...(baseline === undefined ? [] : [["% of whole", "parameters/total_percent"] as const]),
    ["train loss", "train/loss"],
    ["eval loss", "eval/loss"],
    ["eval − train", "loss_gap"],
    ["perplexity", "perplexity"],
    ...paper.metrics.map((metric): readonly [string, Quantity] => [metric, metric]),
  ];
  const number = (value: number | undefined) => (value === undefined ? null : String(value));
  const measured = (quantity: string) =>
    groupByProtocol(
      quantity,
      groups.map(({ runs }) => runs.find(({ protocols }) => protocols?.[quantity])?.protocols?.[quantity]),
    );
  const protocols = measured("eval/loss");
  const isLettered = protocols.notes.length > 0;
  const rows = groups.map((group, index): CellValue[] => {
    const run = group.runs[0]!;
    const trained = group.runs.filter(({ tokens }) => tokens !== undefined);
    return [
      group.name,
      number(run.layers),
      number(run.intermediateSize),
      ...quantities.map(([, quantity]) => {
        const estimate = estimateGroup(group, quantity, baseline);
        return estimate === undefined ? null : formatInterval(quantity, estimate);
      }),
      run.tokens === undefined ? null : run.tokens.toExponential(2),
      run.flops === undefined ? null : run.flops.toExponential(2),
      String(trained.length),
      ...(isLettered ? [protocols.letters[index] ?? null] : []),
    ];
  });
  const names = quantities.map(([name]) => name);
  const columns = [
    "variant",
    "layers",
    "intermediate",
    ...names,
    "tokens",
    "training FLOPs",
    "seeds",
    ...(isLettered ? ["measured as"] : []),
  ];
  return [
    { kind: "table", title: "The models, with 95 % intervals over seeds", columns, rows },
    ...protocols.notes.map((text): Block => ({ kind: "text", text })),
  ];
}

function createRateTable(lines: readonly RateLine[]): Block {
  return {
    kind: "table",
    title: "Along the rate, against the baseline seed by seed",
    columns: ["variant", "quantity", "rate", "difference", "95 % interval", "seeds", "verdict"],
    rows: lines.flatMap(({ variant, rule: { quantity }, points }) =>
      points.map(({ rate, difference: { mean, half, count }, verdict }): CellValue[] => [
        variant,
        quantity,
        String(rate),
        formatSigned(quantity, mean),
        half === undefined
          ? null
          : `${formatSigned(quantity, mean - half)} to ${formatSigned(quantity, mean + half)}`,
        String(count),
        verdict,
      ]),
    ),
  };
}

function createSizedTable(comparisons: readonly SizedComparison[]): Block {
  return {
    kind: "table",
    title: "Against dense models of as many stored bits, seed by seed",
    columns: ["variant", "quantity", "stored bits", "own", "dense of equal size", "difference", "verdict"],
    rows: comparisons.flatMap(({ rule: { quantity }, points }) =>
      points.map(({ name, bits, own, control, difference, standing }): CellValue[] => [
        name,
        quantity,
        formatQuantity("parameters/bits", bits),
        formatInterval(quantity, own),
        formatInterval(quantity, control),
        formatInterval(quantity, difference, formatSigned),
        standing,
      ]),
    ),
  };
}

/** Sentences derived from the numbers. */
export function summarizeCard({ rows, groups, answers, rates, sized }: Card): string[] {
  const count = (kind: Verdict["kind"]) => rows.filter(({ verdict }) => verdict.kind === kind).length;
  const scales = [...new Set(groups.flatMap(({ runs }) => runs.map(({ scale }) => scale ?? "")))].filter(
    Boolean,
  );
  const at = scales.length === 0 ? "" : ` at scale ${scales.join(" and ")}`;
  const summary =
    rows.length === 0
      ? []
      : [
          `Of ${rows.length} published numbers, ${count("reproduced")} are reproduced${at}, ${count("not reproduced")} are not, and ${count("not comparable")} cannot be compared.`,
        ];
  return [
    ...summary,
    ...rates.map(describeRateLine),
    ...sized.flatMap(describeSizedComparison),
    ...answers.map(describeAnswer),
  ];
}

function describeAnswer({ question: definition, answer, own, other, difference, reason }: Answer): string {
  const { question, variant, against, quantity, tolerance } = definition;
  const head = `${question} ${answer.charAt(0).toUpperCase()}${answer.slice(1)}`;
  const why = reason === undefined ? "" : `, ${reason}`;
  if (own === undefined || other === undefined || difference === undefined) return `${head}${why}.`;
  const { mean, half, count } = difference;
  const range =
    half === undefined
      ? "of one seed"
      : `95 % interval ${formatSigned(quantity, mean - half)} to ${formatSigned(quantity, mean + half)} over ${count} seeds`;
  const isBeyond = exceedsSpread(difference);
  const spread =
    isBeyond === undefined
      ? ""
      : isBeyond
        ? "; larger than the spread of the seeds"
        : "; within the spread of the seeds";
  const allowed = tolerance === 0 ? "" : `; up to ${formatQuantity(quantity, tolerance)} counts as equal`;
  const figures = `${quantity} of ${variant} ${formatInterval(quantity, own)}, of ${against} ${formatInterval(quantity, other)}`;
  return `${head}${why}: ${figures}; difference ${formatSigned(quantity, mean)}, ${range}${spread}${allowed}.`;
}

/** Four decimals of a loss: a tenth of the variation between seeds. Parameters are exact. */
function formatQuantity(quantity: Quantity, value: number): string {
  if (quantity.endsWith("_percent")) return `${value.toFixed(2)} %`;
  if (quantity.startsWith("parameters/")) return formatCount(Math.round(value));
  return quantity === "perplexity" ? value.toFixed(3) : value.toFixed(4);
}

function formatInterval(quantity: Quantity, { mean, half }: Estimate, text = formatQuantity): string {
  const value = text(quantity, mean);
  return half === undefined || quantity.startsWith("parameters/")
    ? value
    : `${value} ± ${formatQuantity(quantity, half)}`;
}

function formatSigned(quantity: Quantity, value: number): string {
  return `${value < 0 ? "−" : "+"}${formatQuantity(quantity, Math.abs(value))}`;
}
