/** The steps of one run with their states and results. */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import type { Block } from "../../../protocol/blocks";
import type { LruCache } from "../../../protocol/lruCache";
import { WorkbenchError } from "../../../protocol/errors";
import { isExecuting, type FoundRun, type RunRecord, type Step } from "../../../protocol/run";
import type { StepResult } from "../../../protocol/service/runs";
import { getFileStamp } from "../../runs/folder/boundedFile";
import type { LineRange } from "../metrics/metricColumns";
import type { MetricHistories } from "../metrics/metricHistories";
import {
  createCompressBlocks,
  createEvaluateBlocks,
  createExportBlocks,
  createFigureBlocks,
  createMergeBlocks,
  createReportBlocks,
  roundFigure,
} from "./stepBlocks";
import { StepFiles } from "./stepFiles";
import { createDataBlocks, createTrainBlocks } from "./trainBlocks";

/** Of a longer history only the summary of the record is shown; the charts draw the curve. */
const maxHistoryBytes = 32 * 2 ** 20;

const doneSchema = z.object({ lines: z.tuple([z.int().min(0), z.int().min(0)]) });

/** The blocks of ended steps, which no longer change. */
export type EndedSteps = LruCache<readonly Block[]>;

export async function collectStepResults(
  run: FoundRun,
  { histories, ended }: { readonly histories: MetricHistories; readonly ended: EndedSteps },
  signal: AbortSignal,
): Promise<StepResult[]> {
  if (run.record === undefined) throw new WorkbenchError("corrupt", run.failure.message, { run: run.id });
  const { record, folder } = run;
  const results: StepResult[] = [];
  const isActiveRun = isExecuting(record);
  let [from, isNext] = [0, true];
  for (const step of record.plan.steps) {
    const files = new StepFiles(folder, `steps/${step.index}-${step.action}`);
    const { done, damage } = readDone(files);
    const state = done !== undefined ? "done" : isNext && isActiveRun ? "running" : "waiting";
    // The steps of a run execute in order: lines after those of the last ended step belong to the next.
    const lines = done ?? { from, to: isNext ? Infinity : from };
    if (done === undefined) isNext = false;
    const key =
      done === undefined
        ? undefined
        : `${folder}\0${step.index}\0${getFileStamp(join(folder, files.name, "done.json"))}`;
    const cached = key === undefined ? undefined : ended.get(key);
    const blocks = cached ?? [
      ...damage,
      ...(await createStepBlocks(step, record, files, { lines, state, histories, signal })),
    ];
    if (key !== undefined) ended.set(key, blocks);
    results.push({ index: step.index, action: step.action, state, blocks });
    from = done?.to ?? from;
  }
  return results;
}

function readDone(files: StepFiles): { done?: LineRange; damage: readonly Block[] } {
  const result: { done?: LineRange } = {};
  const damage = files.blocks("done.json", () => {
    if (!files.has("done.json")) return [];
    const [from, to] = files.json("done.json", doneSchema).lines;
    result.done = { from, to };
    return [];
  });
  return { ...result, damage };
}

interface StepContext {
  readonly lines: LineRange;
  readonly state: StepResult["state"];
  readonly histories: MetricHistories;
  readonly signal: AbortSignal;
}

async function createStepBlocks(
  step: Step,
  record: RunRecord,
  files: StepFiles,
  circumstances: StepContext,
): Promise<readonly Block[]> {
  const { state } = circumstances;
  if (step.action === "train")
    return [...createDataBlocks(files), ...(await createTrainingBlocks(record, files, circumstances))];
  // Before it has ended, an action has written only some of its files.
  if (state !== "done") return [];
  const blocks = {
    compress: createCompressBlocks,
    merge: createMergeBlocks,
    evaluate: createEvaluateBlocks,
    export: createExportBlocks,
    report: createReportBlocks,
  }[step.action](files, record);
  return [...blocks, ...createFigureBlocks(files)];
}

async function createTrainingBlocks(
  record: RunRecord,
  files: StepFiles,
  { lines, histories, signal }: StepContext,
): Promise<readonly Block[]> {
  if (lines.to <= lines.from) return [];
  const bytes = lstatSync(join(files.run, "metrics.jsonl"), { throwIfNoEntry: false })?.size ?? 0;
  if (bytes === 0) return [];
  if (bytes > maxHistoryBytes) return [createSummaryBlock(record, bytes)];
  const history = histories.of(files.run);
  const read = await history.refresh(signal).then(
    () => () =>
      createTrainBlocks(history.columns, { from: lines.from, to: Math.min(lines.to, history.columns.rows) }),
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
function createSummaryBlock({ summary, plan }: RunRecord, bytes: number): Block {
  if (plan.steps.filter(({ action }) => action === "train").length > 1)
    return {
      kind: "text",
      text: `The history of this run (${bytes} bytes) is too long to be split by step.`,
    };
  const rows = [
    ["train loss", summary["train/loss"]],
    ["eval loss", summary["eval/loss"]],
  ] as const;
  return {
    kind: "table",
    title: "Training",
    columns: ["", "last", "lowest"],
    rows: rows.flatMap(([name, value]) =>
      value === undefined ? [] : [[name, roundFigure(value.last), roundFigure(value.min)]],
    ),
  };
}
