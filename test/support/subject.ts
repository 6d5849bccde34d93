/** A tiny model of any family with random weights, and a text of the built-in grammar, for tests that use models. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DataSet, openData } from "../../src/backend/data/dataSet";
import type { Engine } from "../../src/backend/engine/engine";
import type { EvaluationLab, Subject } from "../../src/backend/evaluation/metric";
import { models } from "../../src/backend/models/catalog";
import { createClassifierShape } from "../../src/backend/models/classifier";
import { type ModelShape, parametersOf, createShape } from "../../src/backend/models/model";
import type { HostTensors } from "../../src/backend/checkpoints/safetensors";
import { dataSchema } from "../../src/schema/experiment";
import { createUniform } from "./sampleValues";
import { drawTensors } from "./tensors";

export interface TemporaryFolder extends Disposable {
  readonly path: string;
}

/** A folder that is removed when disposed. */
export function createTemporaryFolder(): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), "lathe-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export function openGrammarData(
  folder: string,
  options: Readonly<Record<string, unknown>> = {},
): Promise<DataSet> {
  return openData(
    dataSchema.parse({
      grammar: { symbols: 12, length: 600 },
      tokenizer: "characters",
      sequence_len: 8,
      ...options,
    }),
    { baseFolder: folder, cacheFolder: folder },
  );
}

export function createTinyShape(family: string, changes: Readonly<Record<string, unknown>> = {}): ModelShape {
  return createShape({ ...models[family]!.tiny, ...changes });
}

export function drawModelTensors(shape: ModelShape, seed: number): HostTensors {
  const specs = parametersOf(shape);
  const tensors = drawTensors(specs, seed);
  return new Map(specs.map((spec) => [spec.name, { shape: spec.shape, data: tensors.get(spec.name)! }]));
}

/** Rows of a random word and its label, as a labeled dataset. */
function openWordData(
  folder: string,
  file: string,
  seed: number,
  getLabel: (drawWord: string) => string | number,
  options: Readonly<Record<string, unknown>>,
): Promise<DataSet> {
  const random = createUniform(seed);
  const drawWord = () => Array.from({ length: 4 }, () => "abcdef"[Math.floor(random() * 6)]!).join("");
  const rows = Array.from({ length: 120 }, drawWord).map((text) => `${getLabel(text)}\t${text}`);
  writeFileSync(join(folder, file), rows.join("\n"));
  return openData(
    dataSchema.parse({
      text: file,
      header: false,
      label_column: "1",
      text_column: "2",
      tokenizer: "characters",
      sequence_len: 8,
      val_fraction: 0.25,
      ...options,
    }),
    { baseFolder: folder, cacheFolder: folder },
  );
}

/** The class of a word is whether it begins with a, b or c, which a tiny model learns quickly. */
export function openLabeledData(
  folder: string,
  options: Readonly<Record<string, unknown>> = {},
): Promise<DataSet> {
  return openWordData(folder, "words.tsv", 9, (text) => (/^[abc]/.test(text) ? "even" : "odd"), options);
}

/** The label of a word is the number of its letters a, b and c and a half. */
export function openScoredData(folder: string): Promise<DataSet> {
  return openWordData(folder, "scores.tsv", 11, (text) => text.replace(/[^abc]/g, "").length + 0.5, {});
}

/** The family's smallest model with a head for the labels of the data. */
export function createTinyClassifier(family: string, data: DataSet): Subject {
  const plain = createTinyShape(family, { vocab_size: data.tokenizer.vocabSize });
  const shape = createClassifierShape(plain, data.labels!);
  return {
    shape,
    tensors: drawModelTensors(shape, 5),
    tokenizer: data.tokenizer,
    data,
  };
}

/** The family's smallest model with the vocabulary of the data's tokenizer. */
export function createTinySubject(
  family: string,
  data: DataSet,
  changes: Readonly<Record<string, unknown>> = {},
): Subject {
  const shape = createTinyShape(family, { vocab_size: data.tokenizer.vocabSize, ...changes });
  return {
    shape,
    tensors: drawModelTensors(shape, 5),
    tokenizer: data.tokenizer,
    data: { title: "grammar", train: data.train, validation: data.validation, test: data.test },
  };
}

export function createQuietLab(
  engine: Engine,
  signal: AbortSignal = new AbortController().signal,
): EvaluationLab {
  return { engine, seed: 1, signal, progress: () => undefined };
}
