/** Calibration over the next tokens of a text is that of the softmax of its logits. */
import { expect, it } from "vitest";
import calibration from "../../../src/backend/evaluation/calibration";
import { ForwardProgram } from "../../../src/backend/evaluation/forwardProgram";
import { dimensionsOf } from "../../../src/backend/models/model";
import { computeCalibration } from "../../../src/statistics/calibration";
import { useGrammar } from "../../support/grammar";
import { createQuietLab, createTinySubject } from "../../support/subject";

const grammar = useGrammar();

it.each(["gpt2", "llama"])("of %s is computed from the most likely token of each place", async (family) => {
  const lab = createQuietLab(grammar.engine);
  const subject = createTinySubject(family, grammar.data);
  const { vocabulary, context: time } = dimensionsOf(subject.shape);
  const ids = grammar.data.train.read(0, time);
  await using program = await ForwardProgram.open(
    grammar.engine,
    subject,
    { batch: 1, time, rows: time },
    (logits) => logits,
  );
  const logits = await program.run({ tokens: ids, rows: Int32Array.from(ids.keys()) }, lab.signal);
  const confidences: number[] = [];
  const rights: boolean[] = [];
  for (let at = 0; at < time - 1; at++) {
    const own = logits.subarray(at * vocabulary, (at + 1) * vocabulary);
    const top = Math.max(...own);
    confidences.push(1 / own.reduce((sum, each) => sum + Math.exp(each - top), 0));
    rights.push(own.indexOf(top) === ids[at + 1]);
  }
  expect(new Set(rights)).toEqual(new Set([true, false]));
  const wanted = computeCalibration(confidences, rights, 10);
  const options = { split: "train", max_tokens: time, context: time, bins: 10 };
  const found = await calibration.evaluate(subject, calibration.options.parse(options), lab);
  expect(found.values["calibration/ece"]).toBeCloseTo(wanted.ece, 5);
  expect(found.values["calibration/mce"]).toBeCloseTo(wanted.mce, 5);
  expect(found.values["calibration/accuracy"]).toBe(rights.filter(Boolean).length / rights.length);
  expect(found.details.bins.map(({ count }) => count)).toEqual(wanted.bins.map(({ count }) => count));
});

it("reads overlapping windows, each token once", async () => {
  const lab = createQuietLab(grammar.engine);
  const options = calibration.options.parse({ split: "train", max_tokens: 100, context: 8 });
  const { details } = await calibration.evaluate(createTinySubject("gpt2", grammar.data), options, lab);
  expect(details.tokens).toBe(99);
});

it("refuses a context beyond the model's", () => {
  const subject = createTinySubject("gpt2", grammar.data);
  const places = { baseFolder: ".", cacheFolder: "." };
  expect(() => calibration.check!(subject, calibration.options.parse({ context: 1e6 }), places)).toThrow(
    /Set calibration\.context to at most/,
  );
});
