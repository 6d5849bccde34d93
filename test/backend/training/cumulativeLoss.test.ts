/** The interpretations of a cumulative loss: one changes nothing, one is two batches, one is equivalent to momentum. */
import { describe, expect, it } from "vitest";
import { encodeTensors, computeLargestRatio } from "../../support/tinyRun";
import { useTinyTraining } from "../../support/tinyTraining";
import type { HostTensors } from "../../../src/backend/checkpoints/safetensors";

const training = useTinyTraining();

/** SGD whose step is exactly the gradient. */
const plain = { optim: "sgd", momentum: 0, max_grad_norm: 0, per_device_train_batch_size: 4 };

function differences(after: HostTensors, before: HostTensors): number[] {
  return [...before].flatMap(([name, { data }]) =>
    Array.from(data, (each, i) => after.get(name)!.data[i]! - each),
  );
}

/** Largest difference relative to the largest element. */
function error(got: readonly number[], wanted: readonly number[]): number {
  const scale = Math.max(...wanted.map(Math.abs));
  return Math.max(...got.map((each, i) => Math.abs(each - wanted[i]!))) / scale;
}

describe("a cumulative loss", () => {
  it("that is a number changes no weight, bit for bit: the added term does not depend on the weights", async () => {
    const options = { max_steps: 12, weight_decay: 0.1, per_device_train_batch_size: 2 };
    const [without, literal] = [
      await training.run(options),
      await training.run({ ...options, cumulative_loss: "literal" }),
    ];
    expect(encodeTensors(literal.result.tensors)).toEqual(encodeTensors(without.result.tensors));
    expect(literal.losses).toEqual(without.losses);
    const cumulative = literal.metrics["train/cumulative_loss"]!.map(([, value]) => value);
    let sum = 0;
    expect(cumulative).toEqual(without.losses.map((loss) => (sum += loss)));
  });

  it("of two batches follows the gradients of both under the current weights", async () => {
    const options = { ...plain, learning_rate: 0.2 };
    const first = await training.run({ ...options, max_steps: 1 });
    const two = await training.run({ ...options, max_steps: 2, cumulative_loss: "two-batch" });
    // One step on both batches has the mean of their losses, which is half of the sum.
    const both = await training.run(
      { ...options, max_steps: 1, gradient_accumulation_steps: 2 },
      { tensors: first.result.tensors },
    );
    const { tensors: start } = first.result;
    const wanted = differences(both.result.tensors, start).map((each) => 2 * each);
    expect(error(differences(two.result.tensors, start), wanted)).toBeLessThan(1e-5);
    const [[, one], [, sum]] = two.metrics["train/cumulative_loss"] as [[number, number], [number, number]];
    expect(one).toBe(two.losses[0]);
    expect(computeLargestRatio([sum], [2 * both.losses[0]!])).toBeLessThan(1e-5);
  });

  it("as a mean of gradients equals momentum with a smaller rate", async () => {
    const decay = 0.8;
    const mean = await training.run({
      ...plain,
      max_steps: 8,
      learning_rate: 0.2,
      cumulative_loss: "ema-grad",
      cumulative_decay: decay,
    });
    const momentum = await training.run({
      ...plain,
      max_steps: 8,
      learning_rate: 0.2 * (1 - decay),
      momentum: decay,
    });
    expect(computeLargestRatio(mean.losses, momentum.losses)).toBeLessThan(1e-5);
    expect(mean.metrics["train/cumulative_loss"]).toBeUndefined();
  });
});
