/** Holds a training at the rung that its search lets it train to. */
import { WorkbenchError } from "../../../protocol/errors";
import { readMetrics } from "../metrics/metricsReader";
import type { RunContext } from "../steps/runContext";
import { measureRung } from "./measureRung";

export interface Rungs {
  /** Steps of the training at which the loss is measured. */
  readonly steps: readonly number[];
  /** Called between steps, with those of the training that are done and those of the run before it. */
  visit(done: number, before: number): Promise<void>;
}

export function openRungs(context: RunContext, isEvaluated: boolean): Rungs {
  const plan = context.plan.halving;
  if (plan === undefined) return { steps: [], visit: () => Promise.resolve() };
  if (plan.metric === "eval/loss" && !isEvaluated)
    throw new WorkbenchError(
      "invalid-input",
      "The search ranks runs by eval/loss, but there is no validation split to measure it on. Set val_fraction, or metric: train/loss.",
    );
  const { rungs } = plan;
  return {
    steps: rungs.map(({ steps }) => steps),
    async visit(done, before) {
      const { rung, values } = context.folder.record.halving ?? { rung: 0, values: [] };
      if (rung >= rungs.length - 1 || done !== rungs[rung]!.steps) return;
      context.sync();
      const { lines } = await readMetrics(context.folder.inside("metrics.jsonl"));
      const shifted = lines.map((line) => ({ ...line, step: line.step - before }));
      const value = measureRung(shifted, plan, rung);
      context.describe({ halving: { rung, values: [...values.slice(0, rung), value] } });
      context.control.hold();
    },
  };
}
