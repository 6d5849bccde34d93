/** Actual savings: the counts match the model, the statistics match their samples, and stored zeros save nothing. */
import { describe, expect, it } from "vitest";
import { countModel } from "../../../src/backend/models/accounting";
import latency from "../../../src/backend/evaluation/latency";
import { createDenseShape } from "../../../src/backend/evaluation/passes";
import { computeQuantile, resampleIntervals } from "../../../src/statistics/resampling";
import savings from "../../../src/backend/evaluation/savings";
import dwc from "../../../src/backend/methods/dwc";
import irc from "../../../src/backend/methods/irc";
import magnitude from "../../../src/backend/methods/magnitude";
import { useGrammar } from "../../support/grammar";
import { plainLab } from "../../support/lab";
import { createQuietLab, createTinySubject } from "../../support/subject";

describe("statistics", () => {
  it("interpolate quantiles between values", () => {
    expect([0, 0.25, 0.5, 0.95, 1].map((share) => computeQuantile([4, 1, 3, 2, 5], share))).toEqual([
      1, 2, 3, 4.8, 5,
    ]);
    expect(computeQuantile([1, 2], 0.5)).toBe(1.5);
  });

  it("give intervals that contain the value, and none without draws", () => {
    const values = Array.from({ length: 200 }, (_, i) => (i * 37) % 101);
    const mean = (places: readonly number[]) =>
      places.reduce((sum, at) => sum + values[at]!, 0) / places.length;
    const { m } = resampleIntervals(200, { resamples: 400, seed: 1 }, (drawn) => ({ m: mean(drawn) }))!;
    const all = mean(values.map((_, i) => i));
    expect(m[0]).toBeLessThan(all);
    expect(m[1]).toBeGreaterThan(all);
    expect(m[1] - m[0]).toBeLessThan(4 * 2 * (29 / Math.sqrt(200)));
    expect(resampleIntervals(200, { resamples: 0, seed: 1 }, () => ({ m: 0 }))).toBeUndefined();
  });
});

describe("savings of a shrunk model", () => {
  const grammar = useGrammar();
  const few = { repeats: 3, batch_size: 2 };

  it("folded matrices take less file size and memory, and every row shows what it measures", async () => {
    const subject = createTinySubject("gpt2", grammar.data);
    const folded = await dwc.apply(
      await irc.apply(subject, irc.options.parse({}), plainLab),
      dwc.options.parse({}),
      plainLab,
    );
    const { details, values, lines } = await savings.evaluate(
      { ...subject, ...folded },
      savings.options.parse(few),
      createQuietLab(grammar.engine),
    );
    const row = (what: string) => details.rows.find((each) => each.what === what)!;
    const counts = [countModel(createDenseShape(folded.shape)).total, countModel(folded.shape).total];
    expect([row("stored scalars").dense, row("stored scalars").now]).toEqual(
      counts.map(({ stored }) => stored),
    );
    expect(row("file bytes").now).toBe(4 * counts[1]!.stored);
    expect(row("memory bytes").percent).toBeLessThan(100);
    expect(values["savings/stored_scalars_percent"]).toBeCloseTo(
      (100 * counts[1]!.stored) / counts[0]!.stored,
      9,
    );
    expect(lines.join("\n")).toContain("The shared row is stored and multiplied once");
    expect(row("time").now).toBeGreaterThan(0);
  });

  it("masked zeros save nothing in the file and in memory, and the reason is reported", async () => {
    const subject = createTinySubject("gpt2", grammar.data);
    const pruned = await magnitude.apply(subject, magnitude.options.parse({ sparsity: 0.7 }), plainLab);
    const { details, lines } = await savings.evaluate(
      { ...subject, ...pruned },
      savings.options.parse(few),
      createQuietLab(grammar.engine),
    );
    const percent = (what: string) => details.rows.find((each) => each.what === what)!.percent;
    expect(percent("stored scalars")).toBeLessThan(75);
    expect(percent("file bytes")).toBeGreaterThan(100);
    // Three tenths of the weights and one bit for each original weight, which a prefix code may shorten.
    expect(percent("packed file bytes")).toBeLessThanOrEqual(percent("stored bits") + 0.5);
    expect(percent("memory bytes")).toBeGreaterThan(100);
    expect(lines.join("\n")).toContain("stored and multiplied like other numbers");
  });

  it("a dense model is as fast as itself", async () => {
    const options = latency.options.parse({ batch_sizes: [1, 3], repeats: 3, warmup: 0 });
    const { details, values } = await latency.evaluate(
      createTinySubject("gpt2", grammar.data),
      options,
      createQuietLab(grammar.engine),
    );
    expect(details.batches.map(({ batch_size }) => batch_size)).toEqual([1, 3]);
    expect(values["latency/speedup"]).toBe(1);
    for (const each of details.batches) {
      expect(each.p95_ms).toBeGreaterThanOrEqual(each.median_ms);
      expect(each.tokens_per_second).toBeCloseTo(each.examples_per_second * each.sequence_len, 6);
    }
  });
});
