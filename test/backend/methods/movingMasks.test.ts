/** Masks that move while a model trains: movement pruning, and dynamic sparse training. */
import { describe, expect, it } from "vitest";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import { exchangeMask } from "../../../src/backend/compression/pruning/exchangeMask";
import movement from "../../../src/backend/methods/movement";
import rigl from "../../../src/backend/methods/rigl";
import { countNonZeros } from "../../../src/backend/representations/representation";
import { useGrammar } from "../../support/grammar";
import { createLabWithText } from "../../support/lab";
import { denseOf, role, sizesOf, tiny } from "./shrinkSamples";

const grammar = useGrammar();
const lab = () => createLabWithText(grammar.engine, grammar.data);
const train = { max_steps: 3, per_device_train_batch_size: 2, learning_rate: 0.01 };
const maskOf = ({ tensors }: Checkpoint) =>
  [...tensors].find(([name]) => name.endsWith("up_proj.weight_mask"))![1].data as Uint8Array;

describe("movement pruning", () => {
  it("without training keeps the weights that a step of gradient descent moves most away from zero", async () => {
    const options = movement.options.parse({ sparsity: 0.5, targets: role, calibration: { samples: 4 } });
    const model = tiny();
    const name = [...model.tensors.keys()].find((each) => each.endsWith("layers.0.mlp.up_proj.weight"))!;
    const { moments } = await lab().gradients(model, new Set([name]), { samples: 4, batch_size: 8 });
    const weights = model.tensors.get(name)!.data as Float32Array;
    const scores = weights.map((weight, i) => -weight * moments.get(name)!.mean[i]!);
    const limit = scores.slice().sort()[scores.length / 2]!;
    const mask = maskOf(await movement.apply(model, options, lab()));
    expect(mask).toEqual(Uint8Array.from(scores, (score) => Number(score >= limit)));
  });

  it("keeps exactly the share, and weights that training has changed", async () => {
    const [inputs, outputs] = sizesOf(tiny());
    const options = movement.options.parse({ sparsity: 0.75, prunings: 3, train, targets: role });
    const after = await movement.apply(tiny(), options, lab());
    expect(countNonZeros(maskOf(after))).toBe(inputs * outputs - Math.floor(0.75 * inputs * outputs));
    expect([...after.tensors.keys()].filter((name) => /scores|threshold/.test(name))).toEqual([]);
    const before = denseOf(tiny());
    const kept = [...denseOf(after).entries()].filter(([, each]) => each !== 0);
    expect(kept.every(([i, each]) => each !== before[i])).toBe(true);
  });
});

describe("an exchange of a mask", () => {
  const weights = Float32Array.of(5, -1, 2, 0, 0, -3);
  const mask = Uint8Array.of(1, 1, 1, 0, 0, 1);

  it("drops the smallest weights and grows those with the highest scores", () => {
    const growth = Float32Array.of(9, 0, 0, 1, 4, 9);
    expect(Array.from(exchangeMask(weights, mask, growth, 0.25))).toEqual([1, 0, 1, 0, 1, 1]);
    expect(Array.from(exchangeMask(weights, mask, growth, 0.5))).toEqual([1, 0, 0, 1, 1, 1]);
  });

  it("can grow a weight again that it dropped, and grows no more than there are", () => {
    const growth = Float32Array.of(0, 9, 0, 1, 2, 0);
    expect(Array.from(exchangeMask(weights, mask, growth, 0.25))).toEqual(Array.from(mask));
    expect(countNonZeros(exchangeMask(weights, mask, growth, 1))).toBe(4);
    const full = Uint8Array.of(1, 1, 1, 1, 1, 1);
    expect(exchangeMask(weights, full, growth, 0.5)).toEqual(full);
  });
});

describe("dynamic sparse training", () => {
  it.each(["gradient", "random"])(
    "that grows by %s moves the mask and keeps nearly all of its size",
    async (grow) => {
      const options = rigl.options.parse({
        ...{ sparsity: 0.5, exchanges: 2, train, grow, targets: role },
        calibration: { samples: 2 },
      });
      const start = await rigl.apply(tiny(), rigl.options.parse({ sparsity: 0.5, targets: role }), lab());
      const after = await rigl.apply(tiny(), options, lab());
      // Weights that grew and stayed at zero are dropped.
      const [wanted, found] = [start, after].map((model) => countNonZeros(maskOf(model)));
      expect(found).toBeLessThanOrEqual(wanted!);
      expect(found).toBeGreaterThan(0.9 * wanted!);
      expect(countNonZeros(denseOf(after))).toBe(found);
      expect(maskOf(after)).not.toEqual(maskOf(start));
    },
  );
});
