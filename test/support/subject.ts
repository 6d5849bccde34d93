/** A tiny model of any family with drawn weights, and a text of the built-in grammar for it, for tests of what uses models. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DataSet, openData } from "../../src/backend/data/dataSet";
import type { Engine } from "../../src/backend/engine/engine";
import type { EvaluationLab, Subject } from "../../src/backend/evaluation/metric";
import { models } from "../../src/backend/models/catalog";
import { type ModelShape, parametersOf, shapeFromConfig } from "../../src/backend/models/model";
import type { HostTensors } from "../../src/backend/training/safetensors";
import { dataSchema } from "../../src/protocol/experiment";
import { drawTensors } from "./tensors";

export interface TemporaryFolder extends Disposable {
  readonly path: string;
}

/** A folder that is gone once it is disposed. */
export function temporaryFolder(): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), "lathe-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export function grammarData(
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

export function tinyShape(family: string, changes: Readonly<Record<string, unknown>> = {}): ModelShape {
  return shapeFromConfig({ ...models[family]!.tiny, ...changes });
}

export function drawnTensors(shape: ModelShape, seed: number): HostTensors {
  const specs = parametersOf(shape);
  const drawn = drawTensors(specs, seed);
  return new Map(specs.map((spec) => [spec.name, { shape: spec.shape, data: drawn.get(spec.name)! }]));
}

/** The family's smallest model with the vocabulary of the data's tokenizer. */
export function tinySubject(family: string, data: DataSet): Subject {
  const shape = tinyShape(family, { vocab_size: data.tokenizer.vocabSize });
  return {
    shape,
    tensors: drawnTensors(shape, 5),
    tokenizer: data.tokenizer,
    data: { title: "grammar", train: data.train, validation: data.validation, test: data.test },
  };
}

export function quietLab(engine: Engine, signal: AbortSignal = new AbortController().signal): EvaluationLab {
  return { engine, seed: 1, signal, progress: () => undefined };
}
