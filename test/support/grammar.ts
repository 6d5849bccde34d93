/** The engine and a text of the built-in grammar, for tests that run models. */
import { afterAll, beforeAll } from "vitest";
import type { DataSet } from "../../src/backend/data/dataSet";
import type { Engine } from "../../src/backend/engine/engine";
import { openEngine } from "../../src/backend/engine/open";
import { testDevice } from "./device";
import { openGrammarData, createTemporaryFolder } from "./subject";

/** Opens both before the tests of the calling file or group, and closes them after. */
export function useGrammar() {
  const folder = createTemporaryFolder();
  let engine: Engine;
  let data: DataSet;
  beforeAll(async () => {
    engine = await openEngine(testDevice);
    data = await openGrammarData(folder.path);
  });
  afterAll(async () => {
    data[Symbol.dispose]();
    await engine[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });
  return {
    folder: folder.path,
    get engine(): Engine {
      return engine;
    },
    get data(): DataSet {
      return data;
    },
  };
}
