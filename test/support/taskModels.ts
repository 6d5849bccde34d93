/** The models, rows and figures that scripts/reference/tasks.py writes. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openTokenizer } from "../../src/backend/data/tokenizers/openTokenizer";
import type { Subject } from "../../src/backend/evaluation/metric";
import { createShape, parametersOf } from "../../src/backend/models/model";
import { createReferenceTensor } from "./referenceModel";

export const taskFolder = fileURLToPath(new URL("../fixtures/tasks", import.meta.url));

export type ReferenceDocument = Readonly<Record<string, number>> & {
  readonly resps: readonly (string | number | readonly [number, boolean])[];
};

export interface ReferenceRun {
  readonly num_fewshot: number;
  readonly documents: Readonly<Record<string, readonly ReferenceDocument[]>>;
  /** By task and by `<metric>,<filter>`. */
  readonly results: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export interface TaskFixture {
  readonly lm_eval: string;
  readonly models: Readonly<
    Record<
      string,
      {
        readonly config: Readonly<Record<string, unknown>>;
        readonly runs: readonly ReferenceRun[];
        readonly perplexities: readonly {
          readonly add_bos: boolean | null;
          readonly gptq: number;
          readonly strided: number;
          readonly strided_scored: number;
          readonly harness: readonly number[];
        }[];
      }
    >
  >;
}

export function readTaskFixture(): TaskFixture {
  return JSON.parse(readFileSync(`${taskFolder}/results.json`, "utf8")) as TaskFixture;
}

const bound = 0.3;

export async function openTaskSubject(fixture: TaskFixture, name: string): Promise<Subject> {
  const shape = createShape({ model_type: name, ...fixture.models[name]!.config });
  const tensors = new Map(
    parametersOf(shape).map((spec) => [
      spec.name,
      { shape: spec.shape, data: createReferenceTensor(spec.name, spec.shape, bound) },
    ]),
  );
  return { shape, tensors, tokenizer: await openTokenizer(`${taskFolder}/${name}`, ".") };
}
