/** The state of a training step, from its part of the history. */
import * as z from "zod";
import type { Block, CellValue } from "../../../protocol/blocks";
import type { LineRange, MetricColumn, MetricColumns } from "../metrics/metricColumns";
import { roundFigure } from "./stepBlocks";
import type { StepFiles } from "./stepFiles";

const data = z.object({
  rows: z
    .object({
      read: z.number(),
      filters: z.array(z.object({ text: z.string(), left: z.number() })).max(1000),
    })
    .optional(),
});

/** The number of rows left after each filter on forbidden text. */
export function createDataBlocks(files: StepFiles): readonly Block[] {
  return files.blocks("data.json", () => {
    if (!files.has("data.json")) return [];
    const { rows } = files.json("data.json", data);
    if (rows === undefined) return [];
    const left = rows.filters.map((filter, i): CellValue[] => {
      const before = rows.filters[i - 1]?.left ?? rows.read;
      return [`without “${filter.text.slice(0, 80)}”`, filter.left, before - filter.left];
    });
    const columns = ["rows", "left", "dropped"];
    return [{ kind: "table", title: "Data", columns, rows: [["with text", rows.read, null], ...left] }];
  });
}

export function createTrainBlocks(history: MetricColumns, lines: LineRange): Block[] {
  const losses = [
    ["train loss", findExtremes(history, "train/loss", lines)],
    ["eval loss", findExtremes(history, "eval/loss", lines)],
  ] as const;
  const rows = losses.flatMap(([name, lossExtremes]): CellValue[][] =>
    lossExtremes === undefined
      ? []
      : [[name, roundFigure(lossExtremes.last), roundFigure(lossExtremes.lowest), lossExtremes.lowestAt]],
  );
  if (rows.length === 0) return [];
  return [
    { kind: "table", title: "Training", columns: ["", "last", "lowest", "at step"], rows },
    {
      kind: "table",
      columns: ["steps", "tokens", "seconds", "tokens a second"],
      rows: [createWorkRow(history, lines)],
    },
  ];
}

interface Extremes {
  readonly last: number;
  readonly lowest: number;
  readonly lowestAt: number;
}

function findExtremes(history: MetricColumns, metric: string, { from, to }: LineRange): Extremes | undefined {
  const column = history.metrics.get(metric);
  if (column === undefined) return undefined;
  const [first, end] = [column.indexOfRow(from), column.indexOfRow(to)];
  if (end <= first) return undefined;
  const values = column.values.values;
  let lowest = first;
  // NaN is never the lowest.
  for (let place = first; place < end; place++)
    if (values[place]! < values[lowest]! || Number.isNaN(values[lowest]!)) lowest = place;
  const row = column.rows.values[lowest]!;
  return { last: values[end - 1]!, lowest: values[lowest]!, lowestAt: history.step.values[row]! };
}

/** Steps and tokens of this training step alone; the time between two lines belongs to the second. */
function createWorkRow(history: MetricColumns, { from, to }: LineRange): CellValue[] {
  const loss = history.metrics.get("train/loss");
  const rows =
    loss === undefined ? [] : [...loss.rows.values.subarray(loss.indexOfRow(from), loss.indexOfRow(to))];
  const last = rows.at(-1);
  if (loss === undefined || last === undefined) return [null, null, null, null];
  const before = findRowBefore(loss, from);
  const since = (column: { readonly values: Float64Array }) =>
    column.values[last]! - (before === undefined ? 0 : column.values[before]!);
  const [steps, tokens] = [since(history.step), since(history.tokens)];
  const start = from === 0 ? 0 : history.seconds.values[from - 1]!;
  const seconds = history.seconds.values[last]! - start;
  return [
    steps,
    roundFigure(tokens),
    roundFigure(seconds),
    seconds > 0 ? roundFigure(tokens / seconds) : null,
  ];
}

/** The last line of the previous training step. */
function findRowBefore(column: MetricColumn, from: number): number | undefined {
  const place = column.indexOfRow(from) - 1;
  return place < 0 ? undefined : column.rows.values[place];
}
