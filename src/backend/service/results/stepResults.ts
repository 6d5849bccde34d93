/** The steps of one run with their states and results. */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import type { Block } from "../../../protocol/blocks";
import type { LruCache } from "../../../protocol/lruCache";
import { WorkbenchError } from "../../../protocol/errors";
import { isExecuting, type FoundRun, type RunRecord, type Step } from "../../../protocol/run";
import type { StepResult } from "../../../protocol/service/runs";
import { stampOf } from "../../runs/folder/boundedFile";
import type { LineRange } from "../metrics/metricColumns";
import type { MetricHistories } from "../metrics/metricHistories";
import {
  compressBlocks,
  evaluateBlocks,
  exportBlocks,
  figureBlocks,
  reportBlocks,
  roundFigure,
} from "./stepBlocks";
import { StepFiles } from "./stepFiles";
import { dataBlocks, trainBlocks } from "./trainBlocks";

/** Of a longer history only the summary of the record is shown; the charts draw the curve. */
const longestHistory = 32 * 2 ** 20;

const doneSchema = z.object({ lines: z.tuple([z.int().min(0), z.int().min(0)]) });

/** The blocks of ended steps, which no longer change. */
export type EndedSteps = LruCache<readonly Block[]>;

export async function stepResults(
  found: FoundRun,
  { histories, ended }: { readonly histories: MetricHistories; readonly ended: EndedSteps },
  signal: AbortSignal,
): Promise<StepResult[]> {
  if (found.record === undefined)
    throw new WorkbenchError("corrupt", found.failure.message, { run: found.id });
  const { record, folder } = found;
  const results: StepResult[] = [];
  const isGoing = isExecuting(record);
  let [from, isNext] = [0, true];
  for (const step of record.plan.steps) {
    const files = new StepFiles(folder, `steps/${step.index}-${step.action}`);
    const { done, damage } = doneOf(files);
    const state = done !== undefined ? "done" : isNext && isGoing ? "running" : "waiting";
    // The steps of a run execute in order: lines after those of the last ended step belong to the next.
    const lines = done ?? { from, to: isNext ? Infinity : from };
    if (done === undefined) isNext = false;
    const key =
      done === undefined
        ? undefined
        : `${folder}\0${step.index}\0${stampOf(join(folder, files.name, "done.json"))}`;
    const known = key === undefined ? undefined : ended.get(key);
    const blocks = known ?? [
      ...damage,
      ...(await blocksOf(step, record, files, { lines, state, histories, signal })),
    ];
    if (key !== undefined) ended.set(key, blocks);
    results.push({ index: step.index, action: step.action, state, blocks });
    from = done?.to ?? from;
  }
  return results;
}

function doneOf(files: StepFiles): { done?: LineRange; damage: readonly Block[] } {
  const result: { done?: LineRange } = {};
  const damage = files.blocks("done.json", () => {
    if (!files.has("done.json")) return [];
    const [from, to] = files.json("done.json", doneSchema).lines;
    result.done = { from, to };
    return [];
  });
  return { ...result, damage };
}

interface Circumstances {
  readonly lines: LineRange;
  readonly state: StepResult["state"];
  readonly histories: MetricHistories;
  readonly signal: AbortSignal;
}

async function blocksOf(
  step: Step,
  record: RunRecord,
  files: StepFiles,
  circumstances: Circumstances,
): Promise<readonly Block[]> {
  const { state } = circumstances;
  if (step.action === "train")
    return [...dataBlocks(files), ...(await trainingBlocks(record, files, circumstances))];
  // Before it has ended, an action has written only some of its files.
  if (state !== "done") return [];
  const blocks = {
    compress: compressBlocks,
    evaluate: evaluateBlocks,
    export: exportBlocks,
    report: reportBlocks,
  }[step.action](files, record);
  return [...blocks, ...figureBlocks(files)];
}

async function trainingBlocks(
  record: RunRecord,
  files: StepFiles,
  { lines, histories, signal }: Circumstances,
): Promise<readonly Block[]> {
  if (lines.to <= lines.from) return [];
  const bytes = lstatSync(join(files.run, "metrics.jsonl"), { throwIfNoEntry: false })?.size ?? 0;
  if (bytes === 0) return [];
  if (bytes > longestHistory) return [summaryBlock(record, bytes)];
  const history = histories.of(files.run);
  const read = await history.refresh(signal).then(
    () => () =>
      trainBlocks(history.columns, { from: lines.from, to: Math.min(lines.to, history.columns.rows) }),
    (thrown: unknown) => () => {
      throw thrown;
    },
  );
  signal.throwIfAborted();
  const blocks = files.blocks("metrics.jsonl", read);
  histories.makeRoom();
  return blocks;
}

/** The summary of the record, which covers all training steps together. */
function summaryBlock({ summary, plan }: RunRecord, bytes: number): Block {
  if (plan.steps.filter(({ action }) => action === "train").length > 1)
    return {
      kind: "text",
      text: `The history of this run (${bytes} bytes) is too long to be split by step.`,
    };
  const rows = [
    ["train loss", summary["train/loss"]],
    ["validation loss", summary["eval/loss"]],
  ] as const;
  return {
    kind: "table",
    title: "Training",
    columns: ["", "last", "lowest"],
    rows: rows.flatMap(([name, found]) =>
      found === undefined ? [] : [[name, roundFigure(found.last), roundFigure(found.min)]],
    ),
  };
}
