/** A training ends once its loss has stopped improving, also across a stop and a resume. */
import { describe, expect, it } from "vitest";
import { EarlyStopping } from "../../../src/backend/training/earlyStopping";
import { trainSchema } from "../../../src/schema/experiment";
import { encodeTensors } from "../../support/tinyRun";
import { useTinyTraining } from "../../support/tinyTraining";

const training = useTinyTraining();

const createStopping = (options: object) =>
  new EarlyStopping(trainSchema.parse({ early_stopping: options }).early_stopping!, undefined);

describe("early stopping", () => {
  it("counts evaluations without an improvement of more than min_delta", () => {
    const stopping = createStopping({ patience: 2, min_delta: 0.1 });
    const reasons = [3, 2.5, 2.45, 2.3, 2.25, 2.21].map((loss, i) => {
      stopping.judge(10 * (i + 1), loss);
      return stopping.reason;
    });
    expect(reasons).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      "eval/loss has not improved by more than 0.1 in 2 evaluations since step 40, where it was 2.3000",
    ]);
  });

  it("takes the mean of the training losses between evaluations", () => {
    const stopping = createStopping({ patience: 1, metric: "train/loss" });
    for (const [step, losses] of [
      [10, [4, 2]],
      [20, [2, 2]],
      [30, [1, 4]],
    ] as const) {
      for (const loss of losses) stopping.add(loss);
      stopping.judge(step, NaN);
    }
    expect(stopping.reason).toBe(
      "train/loss has not improved in 1 evaluation since step 20, where it was 2.0000",
    );
  });

  // Steps that only make it worse: the first evaluation stays the best.
  const options = {
    max_steps: 40,
    learning_rate: 0.5,
    eval_steps: 2,
    per_device_train_batch_size: 2,
    max_grad_norm: 0,
    early_stopping: { patience: 3 },
  };
  const { run } = training;

  it("ends the training with a checkpoint, and the best one kept", async () => {
    const { result, saves, metrics } = await run(options, { validation: training.data.validation });
    const evaluations = metrics["eval/loss"]!.filter(([step]) => step > 0);
    const best = evaluations.reduce((lowest, each) => (each[1] < lowest[1] ? each : lowest));
    expect(result.outcome).toBe("done");
    expect(result.endedEarly).toMatch(
      new RegExp(`^eval/loss has not improved in 3 evaluations since step ${best[0]},`),
    );
    expect(result.state.step).toBe(best[0] + 6);
    expect(result.state.step).toBeLessThan(40);
    expect(saves.at(-1)!.training.state.step).toBe(result.state.step);
    expect(saves.filter((save) => save.best).at(-1)!.training.state.step).toBe(best[0]);
  });

  it("ends at the same step after a stop, with the same weights, and at once where it had ended", async () => {
    const given = { validation: training.data.validation };
    const whole = await run(options, given);
    const first = await run(options, { ...given, stopAt: 3 });
    const { tensors, training: resume } = first.saves.at(-1)!;
    const second = await run(options, { ...given, tensors, resume });
    expect(second.result.state.step).toBe(whole.result.state.step);
    expect(second.result.endedEarly).toBe(whole.result.endedEarly);
    expect(encodeTensors(second.result.tensors)).toEqual(encodeTensors(whole.result.tensors));
    const end = whole.saves.at(-1)!;
    const again = await run(options, { ...given, tensors: end.tensors, resume: end.training });
    expect(again.result.state.step).toBe(whole.result.state.step);
    expect(again.losses).toEqual([]);
  });
});
