/** The metric of exits agrees with other measurements where they mean the same. */
import { describe, expect, it } from "vitest";
import { metrics } from "../../../src/backend/evaluation/catalog";
import type { Exits } from "../../../src/backend/evaluation/exits";
import { useGrammar } from "../../support/grammar";
import { createQuietLab, createTinySubject } from "../../support/subject";

const grammar = useGrammar();

it.each(["gpt2", "llama"])("holds exits to the whole model and to the text: %s", async (family) => {
  const depth = family === "gpt2" ? { n_layer: 4 } : { num_hidden_layers: 4 };
  const subject = createTinySubject(family, grammar.data, { ...depth, exit_layers: [1, 3] });
  const metric = metrics["exits"]!;
  const options = metric.options.parse({ context: 6, max_tokens: 36, thresholds: [1e-9, 0.9, 2] }) as unknown;
  const measured = await metric.evaluate(subject, options, createQuietLab(grammar.engine));
  const { values } = measured;
  const { layers, thresholds, scored_tokens: scored, texts } = measured.details as Exits;
  expect({ scored, texts }).toEqual({ scored: 30, texts: 6 });
  expect(layers.map((each) => each.layers)).toEqual([1, 3, 4]);
  const [first, , never] = thresholds;
  // Without an exit, the whole model; its own predictions are those of one pass over each text.
  expect(never).toMatchObject({ agreement: 1, tokens: [0, 0, 24], shares: [0, 0, 1] });
  expect(layers.at(-1)!.agreement).toBe(1);
  expect(never!.loss).toBeCloseTo(layers.at(-1)!.loss, 4);
  expect(never!.accuracy).toBeCloseTo(layers.at(-1)!.accuracy, 12);
  expect(values["exits/layers_at_2"]).toBe(4);
  expect(values["exits/flops_saved_at_2"]).toBeLessThan(0);
  // After one layer nothing depends on copied keys and values; only the first token of a text passes all layers.
  expect(first).toMatchObject({ tokens: [24, 0, 0] });
  expect(values["exits/layers_at_1e-9"]).toBe(1);
  expect(Math.abs(first!.accuracy - layers[0]!.accuracy)).toBeLessThanOrEqual(texts / scored);
});

describe("exits that are drawn", () => {
  const measure = async (options: object) => {
    const subject = createTinySubject("llama", grammar.data, { num_hidden_layers: 4, exit_layers: [1, 3] });
    const metric = metrics["exits"]!;
    const parsed = metric.options.parse({ context: 8, max_tokens: 48, ...options }) as unknown;
    const measured = await metric.evaluate(subject, parsed, createQuietLab(grammar.engine));
    const [threshold] = (measured.details as Exits).thresholds;
    return { values: measured.values, threshold: threshold! };
  };

  it("take as many tokens out at each layer as the probability does, and are other ones", async () => {
    const thresholds = 0.3;
    const chosen = await measure({ thresholds });
    const drawn = await measure({ thresholds, confidence: "random" });
    expect(
      Math.min(chosen.threshold.tokens[0]! + chosen.threshold.tokens[1]!, chosen.threshold.tokens[2]!),
    ).toBeGreaterThan(0);
    expect(drawn.threshold.tokens).toEqual(chosen.threshold.tokens);
    // A single threshold is not part of the names.
    expect(drawn.values["exits/layers"]).toBe(chosen.values["exits/layers"]);
    expect(drawn.values["exits/loss"]).not.toBeCloseTo(chosen.values["exits/loss"]!, 4);
    expect(Object.keys(drawn.values).filter((name) => name.includes("_at_"))).toEqual([]);
  });

  it.each([1e-9, 2])(
    "are those of the probability where all tokens leave at one place: %d",
    async (thresholds) => {
      const chosen = await measure({ thresholds });
      const drawn = await measure({ thresholds, confidence: "random" });
      for (const name of ["exits/loss", "exits/accuracy", "exits/agreement"])
        expect(drawn.values[name as `exits/${string}`]).toBeCloseTo(
          chosen.values[name as `exits/${string}`]!,
          5,
        );
    },
  );
});
