/** Trainings of one small phi3 on noise, for tests of the training procedure. */
import { afterAll, beforeAll } from "vitest";
import type { DataSet } from "../../src/backend/data/dataSet";
import type { Engine } from "../../src/backend/engine/engine";
import { openEngine } from "../../src/backend/engine/open";
import { testDevice } from "./device";
import { createTinyShape, createTrainOptions } from "./tinyModels";
import { openNoiseData, type TinyTraining, type TinyTrainingResult, trainTiny } from "./tinyRun";

/** Opens engine and data before the tests of the calling file, and closes them after. */
export function useTinyTraining() {
  let engine: Engine;
  let data: DataSet;
  beforeAll(async () => {
    engine = await openEngine(testDevice, { threads: 1 });
    data = await openNoiseData(3000);
  });
  afterAll(async () => {
    data[Symbol.dispose]();
    await engine[Symbol.asyncDispose]();
  });
  const shape = createTinyShape("phi3");
  return {
    shape,
    get data(): DataSet {
      return data;
    },
    run: (
      options: Readonly<Record<string, unknown>>,
      overrides: Partial<TinyTraining> = {},
    ): Promise<TinyTrainingResult> =>
      trainTiny({
        engine,
        shape,
        data,
        options: createTrainOptions({ learning_rate: 0.01, lr_scheduler_type: "constant", ...options }),
        ...overrides,
      }),
  };
}
