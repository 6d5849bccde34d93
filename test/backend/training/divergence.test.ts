import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { WorkbenchError } from "../../../src/protocol/errors";
import { readCheckpoint, writeCheckpoint } from "../../../src/backend/checkpoints/checkpoint";
import type { HostTensor } from "../../../src/backend/checkpoints/safetensors";
import { drawWeights } from "../../support/tinyModels";
import { createTemporaryFolder } from "../../support/temporary";
import { useTinyTraining } from "../../support/tinyTraining";

const training = useTinyTraining();
const { run, shape } = training;

describe("a training that diverges", () => {
  async function divergence(promise: Promise<unknown>): Promise<WorkbenchError> {
    const thrown: unknown = await promise.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(thrown).toBeInstanceOf(WorkbenchError);
    expect((thrown as WorkbenchError).code).toBe("diverged");
    return thrown as WorkbenchError;
  }

  it.each([1, 2])(
    "by a huge learning rate is stopped with the step and the tensor, %i micro-batches per step",
    async (parts) => {
      const folder = join(createTemporaryFolder(), "step");
      let saved = -1;
      const thrown = await divergence(
        run(
          {
            max_steps: 50,
            learning_rate: 1e18,
            max_grad_norm: 0,
            warmup_steps: 1,
            save_steps: 1,
            gradient_accumulation_steps: parts,
          },
          {
            onSave: ({ tensors, training }) => {
              writeCheckpoint(folder, { shape, tensors, training });
              saved = training.state.step;
            },
          },
        ),
      );
      const { step, tensors } = thrown.details as { step: number; tensors: string[] };
      expect(thrown.message).toMatch(new RegExp(`^Step ${step}: `));
      expect(thrown.message).toContain(tensors[0]!);
      expect([...drawWeights(shape).keys()]).toContain(tensors[0]);
      expect(thrown.message).toContain("Lower learning_rate");
      // The saved checkpoint is complete, and contains only numbers.
      expect(saved).toBeGreaterThan(0);
      expect(saved).toBeLessThan(step);
      const checkpoint = readCheckpoint(folder);
      expect(checkpoint.training?.state.step).toBe(saved);
      for (const [name, each] of checkpoint.tensors)
        expect(each.data.every(Number.isFinite), name).toBe(true);
    },
  );

  const poisoned = (name: string, number: number) => {
    const tensors = new Map(drawWeights(shape));
    const { shape: size, data: numbers } = tensors.get(name)! as HostTensor & { data: Float32Array };
    tensors.set(name, { shape: size, data: numbers.with(0, number) });
    return tensors;
  };

  it("by a NaN weight is stopped at the first step", async () => {
    const thrown = await divergence(run({ max_steps: 3 }, { tensors: poisoned("model.norm.weight", NaN) }));
    expect(thrown.message).toContain("Step 1: the loss is NaN");
    expect(thrown.details["tensors"]).toContain("model.norm.weight");
  });

  it("before the first step is stopped by the evaluation, naming the weight", async () => {
    const tensors = poisoned("lm_head.weight", Infinity);
    const thrown = await divergence(
      run({ max_steps: 3, eval_steps: 1 }, { tensors, validation: training.data.validation }),
    );
    expect(thrown.message).toContain("Step 0: the validation loss is");
    expect(thrown.message).toContain("these weights are not finite: lm_head.weight.");
  });

  it("in its last update neither ends as done nor is saved", async () => {
    const saves: number[] = [];
    const options = {
      max_steps: 2,
      learning_rate: 1e38,
      warmup_steps: 1,
      max_grad_norm: 0,
      optim: "sgd",
      momentum: 0,
    };
    const heavy = new Map(
      [...drawWeights(shape)].map(
        ([name, { shape: size, data: numbers }]) =>
          [name, { shape: size, data: (numbers as Float32Array).map((each) => each * 4) }] as const,
      ),
    );
    const thrown = await divergence(
      run(
        { ...options, learning_rate: 3e38 },
        { tensors: heavy, onSave: ({ training }) => saves.push(training.state.step) },
      ),
    );
    expect(thrown.message).toMatch(/^Step 2: these tensors are not finite after the update: /);
    expect(saves).toEqual([]);
  });
});
