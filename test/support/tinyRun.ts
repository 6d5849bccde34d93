/** Small data, and trainings whose observer records all reports. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { dataSchema, type TrainOptions } from "../../src/schema/experiment";
import { type DataSet, openData } from "../../src/backend/data/dataSet";
import type { Engine } from "../../src/backend/engine/engine";
import type { ModelShape } from "../../src/backend/models/model";
import type { TrainingSnapshot } from "../../src/backend/checkpoints/checkpoint";
import type { HostTensors } from "../../src/backend/checkpoints/safetensors";
import type { TrainingRequest } from "../../src/backend/training/request";
import { createTrainee } from "../../src/backend/training/trainee";
import { train, type TrainingObserver, type TrainingResult } from "../../src/backend/training/trainer";
import type { WatchRecord } from "../../src/backend/training/watch";
import { createTemporaryFolder } from "./temporary";
import { drawWeights } from "./tinyModels";

/** Data of the given options; `rows` is content, written to a file. Without `text_column` each row is `{ text }`. */
export async function openTinyData({
  rows,
  ...options
}: Readonly<Record<string, unknown>> & {
  readonly rows?: readonly Readonly<Record<string, string>>[];
}): Promise<DataSet> {
  const folder = createTemporaryFolder();
  if (rows !== undefined)
    writeFileSync(path.join(folder, "rows.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
  const source = rows === undefined ? {} : { text: "rows.jsonl" };
  return openData(dataSchema.parse({ tokenizer: "characters", ...options, ...source }), {
    baseFolder: folder,
    cacheFolder: path.join(folder, "cache"),
    dataFolder: "",
  });
}

/** 32 symbols with little structure: these tests check the training procedure, not the learning. */
export const openNoiseData = (length: number, sequenceLength = 16): Promise<DataSet> =>
  openTinyData({ grammar: { length, branching: 8 }, sequence_len: sequenceLength, val_fraction: 0.2 });

export interface SavedCheckpoint {
  readonly tensors: HostTensors;
  readonly training: TrainingSnapshot;
  readonly best: boolean;
}

export interface TinyTrainingResult {
  readonly result: TrainingResult;
  /** Name → [step, value], in the order of reporting. */
  readonly metrics: Readonly<Record<string, readonly (readonly [number, number])[]>>;
  readonly saves: readonly SavedCheckpoint[];
  readonly logs: readonly string[];
  readonly losses: readonly number[];
  readonly records: readonly WatchRecord[];
}

export interface TinyTraining extends Partial<TrainingRequest> {
  readonly engine: Engine;
  readonly shape: ModelShape;
  readonly data: DataSet;
  readonly options: TrainOptions;
  /** Step after which to stop. */
  readonly stopAt?: number;
  readonly onSave?: (saved: SavedCheckpoint) => void;
}

export async function trainTiny(training: TinyTraining): Promise<TinyTrainingResult> {
  const { shape, data, stopAt, onSave, ...request } = training;
  const metrics: Record<string, [number, number][]> = {};
  const saves: SavedCheckpoint[] = [];
  const logs: string[] = [];
  const records: WatchRecord[] = [];
  const observer: TrainingObserver = {
    metrics: (step, _tokens, values) => {
      for (const [name, value] of Object.entries(values)) (metrics[name] ??= []).push([step, value]);
    },
    progress: () => undefined,
    watched: (record) => records.push(record),
    verdict: async (step) => (step === stopAt ? "stop" : "run"),
    save: (tensors, training, best) => {
      saves.push({ tensors, training, best });
      onSave?.({ tensors, training, best });
    },
    log: (message) => logs.push(message),
  };
  const result = await train(
    {
      trainee: createTrainee(shape),
      tensors: drawWeights(shape),
      train: data.train,
      validation: undefined,
      prepare: undefined,
      seed: 7,
      action: 0,
      ...request,
    },
    observer,
  );
  const losses = (metrics["train/loss"] ?? []).map(([, loss]) => loss);
  return { result, metrics, saves, logs, losses, records };
}

/** Bytes of each tensor, for comparisons bit for bit. */
export function encodeTensors(tensors: HostTensors): Record<string, string> {
  return Object.fromEntries(
    [...tensors].map(([name, { shape, data }]) => {
      const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      return [name, `[${shape.join(",")}] ${bytes.toString("base64")}`];
    }),
  );
}

/** The largest difference of two sequences of numbers, relative to the larger of each pair. */
export function computeLargestRatio(actual: readonly number[], expected: readonly number[]): number {
  if (actual.length !== expected.length) return Infinity;
  return Math.max(
    ...actual.map(
      (each, i) => Math.abs(each - expected[i]!) / Math.max(Math.abs(each), Math.abs(expected[i]!)),
    ),
  );
}
