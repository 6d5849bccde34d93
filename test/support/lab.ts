/** What methods are given in tests: a lab of the real parts, over a text where one is named. */
import type { DataSet } from "../../src/backend/data/dataSet";
import type { Engine } from "../../src/backend/engine/engine";
import type { Lab } from "../../src/backend/methods/method";
import { observe } from "../../src/backend/methods/observe";

/** For methods that look at nothing but the model. */
export const plainLab: Lab = {
  seed: 1,
  signal: new AbortController().signal,
  progress: () => undefined,
  log: () => undefined,
  observe: () => Promise.reject(new Error("This lab has no text.")),
};

export function labWithText(
  engine: Engine,
  { train }: Pick<DataSet, "train">,
  changes: Partial<Lab> = {},
): Lab {
  const lab = { ...plainLab, ...changes };
  const { seed, signal, progress } = lab;
  return {
    ...lab,
    observe: (model, taps, calibration) =>
      observe(model, taps, calibration, { engine, train, seed, signal, progress }),
  };
}
