/** Training with masked matrices, and with batches of every layout. */
import { describe, expect, it } from "vitest";
import { withRepresentations } from "../../../src/backend/models/model";
import type { HostTensor, HostTensors } from "../../../src/backend/checkpoints/safetensors";
import { createUniform } from "../../support/sampleValues";
import { createTinyShape, drawWeights } from "../../support/tinyModels";
import { openTinyData } from "../../support/tinyRun";
import { useTinyTraining } from "../../support/tinyTraining";

const { run, shape } = useTinyTraining();

describe("a masked matrix", () => {
  const masked = withRepresentations(shape, {
    "layers.0.mlp.down_proj": { type: "masked", options: {} },
    "layers.1.self_attn.qkv_proj": { type: "masked", options: {} },
  });
  const random = createUniform(6);
  const weights = drawWeights(masked);
  const masks = [...weights]
    .filter(([name]) => name.endsWith("_mask"))
    .map(([name, each]) => ({
      weight: name.replace("_mask", ""),
      name,
      tensor: { shape: each.shape, data: Uint8Array.from(each.data, () => Math.round(random())) },
    }));
  /** The masks, with the given number in the dropped places. */
  const withDropped = (number: number): HostTensors => {
    const tensors = new Map<string, HostTensor>(weights);
    for (const { name, weight, tensor } of masks) {
      const kept = tensors.get(weight)!.data as Float32Array;
      const data = kept.map((each, i) => (tensor.data[i] === 1 ? each : number));
      tensors.set(name, tensor).set(weight, { shape: tensor.shape, data });
    }
    return tensors;
  };

  it.each(["sgd", "adamw"])("keeps its zeros through momentum and weight decay, with %s", async (optim) => {
    expect(masks).toHaveLength(2);
    const options = { max_steps: 25, optim, weight_decay: 0.1, momentum: 0.9 };
    const { result, saves, losses } = await run(options, { shape: masked, tensors: withDropped(0) });
    for (const { name, weight, tensor } of masks) {
      const dropped = (_: number, i: number) => tensor.data[i] === 0;
      const after = result.tensors.get(weight)!.data as Float32Array;
      expect(new Set(after.filter(dropped))).toEqual(new Set([0]));
      expect(after).not.toEqual(withDropped(0).get(weight)!.data);
      expect(result.tensors.get(name)).toEqual(tensor);
      const slots = [...saves.at(-1)!.training.optimizer].filter(([slot]) => slot.startsWith(`${weight}#`));
      expect(slots.length).toBeGreaterThan(0);
      for (const [slot, { data: numbers }] of slots)
        expect(new Set((numbers as Float32Array).filter(dropped)), slot).toEqual(new Set([0]));
    }
    // Dropped weights have no effect, so other numbers in their place give the same losses, bit for bit.
    const other = await run(options, { shape: masked, tensors: withDropped(0.7) });
    expect(other.losses).toEqual(losses);
  });
});

describe("training works with every layout", () => {
  const rows = Array.from({ length: 80 }, (_, i) => ({
    text: "the quick brown fox jumps over the lazy dog ".slice(i % 9, 12 + (i % 30)),
  }));

  it.each([
    ["packed end to end", { packing: true }, 128],
    ["packed, documents apart", { packing: true, document_mask: true }, 128],
    ["a document a row, padded", { packing: false }, 128],
    ["a document a row, padded, documents apart", { packing: false, document_mask: true }, 128],
  ])("%s", async (_, layout, most) => {
    const laid = await openTinyData({ rows, sequence_len: 16, val_fraction: 0.2, ...layout });
    for (const name of ["gpt2", "llama", "kphi3"] as const) {
      const { metrics, losses, result } = await run(
        { max_steps: 25, eval_steps: 25, learning_rate: 0.02 },
        { shape: createTinyShape(name), data: laid, validation: laid.validation },
      );
      expect(losses.at(-1), name).toBeLessThan(0.75 * losses[0]!);
      const [before, after] = metrics["eval/loss"]!.map(([, loss]) => loss);
      expect(after, name).toBeLessThan(0.8 * before!);
      expect(result.state.tokens).toBeLessThanOrEqual(25 * most);
    }
    laid[Symbol.dispose]();
  });
});

describe("instruction pairs with labels only on answers", () => {
  it("train only on the sequences with an answer, and report the others", async () => {
    const instruction = "abcdefghijklmnopqrstuvwxyz".repeat(3);
    const rows = Array.from({ length: 40 }, (_, i) => ({
      instruction: instruction.slice(i % 7),
      response: "yes",
    }));
    const pairs = await openTinyData({
      rows,
      instruction_column: "instruction",
      response_column: "response",
      template: "{instruction}{response}",
      train_on_inputs: false,
      sequence_len: 16,
      val_fraction: 0.3,
    });
    const { losses, logs, metrics, result } = await run(
      { max_steps: 40, per_device_train_batch_size: 1, eval_steps: 20, eval_tokens: 16 },
      { data: pairs, validation: pairs.validation },
    );
    expect(losses).toHaveLength(40);
    expect(losses.every((loss) => loss > 0)).toBe(true);
    expect(result.state.tokens).toBeLessThan(40 * 16 * 0.3);
    expect(metrics["eval/loss"]!.every(([, loss]) => loss > 0)).toBe(true);
    expect(logs.join()).not.toMatch(/no labels/i);
    expect(pairs.notices.join()).toMatch(/\d+ of \d+ training sequences have no label that counts/);
    pairs[Symbol.dispose]();
  });
});
