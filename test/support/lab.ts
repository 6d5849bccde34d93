/** The lab for methods in tests, made of the real parts, with a text if one is given. */
import type { DataSet } from "../../src/backend/data/dataSet";
import type { Engine } from "../../src/backend/engine/engine";
import type { Lab } from "../../src/backend/compression/method";
import { loopAlgebra } from "../../src/backend/compression/algebra/products";
import { type CountingLab, type LabParts, createMethodLab } from "../../src/backend/runs/steps/methodLab";

const rejectText = () => Promise.reject(new Error("This lab has no text."));

/** For methods that use only the model. */
export const plainLab: Lab = {
  seed: 1,
  signal: new AbortController().signal,
  progress: () => undefined,
  log: () => undefined,
  algebra: loopAlgebra,
  observe: rejectText,
  readTokens: () => {
    throw new Error("This lab has no text.");
  },
  readLayers: rejectText,
  gradients: rejectText,
  // eslint-disable-next-line require-yield
  losses: async function* () {
    await rejectText();
  },
  train: rejectText,
  fit: rejectText,
  evaluate: rejectText,
  trial: () => undefined,
};

export function createLabWithText(
  engine: Engine,
  data: DataSet,
  changes: Partial<LabParts> = {},
): CountingLab {
  return createMethodLab({
    engine,
    data: { ...data, title: "grammar" },
    tokenizer: data.tokenizer,
    seed: 1,
    signal: new AbortController().signal,
    progress: () => undefined,
    log: () => undefined,
    metrics: () => undefined,
    trial: () => undefined,
    verdict: async () => "run",
    ...changes,
  });
}
