/** Ranges of a filter: read from its text, replaced in it, and left as the filter understands them. */
import { expect, test } from "vitest";
import { getFilterKey, readRange, removeRanges, replaceRange } from "../../src/protocol/filterRange";
import { collectKeys, createRunFields } from "../../src/protocol/runFields";
import { parseFilter } from "../../src/protocol/runFilter";
import { loss, someRun } from "../extension/views/someRun";

const runs = [0.0001, 0.001, 0.01].map((rate, i) =>
  someRun({
    name: `run ${i}`,
    variant: ["dense", "two words", "grouped"][i]!,
    sweep: { "train.learning_rate": rate, "model.layers": ["a", "b,c"].slice(0, i) },
    metrics: loss(i + 1),
  }),
);
const fields = createRunFields(collectKeys(runs));
const field = (id: string) => fields.find((each) => each.id === id)!;
const matches = (text: string) => {
  const { matches: test, problem } = parseFilter(text, fields);
  return problem ?? runs.filter(test).map(({ name }) => name);
};
const rate = field("sweep:train.learning_rate");

test.each([
  ["sweep:train.learning_rate", "train.learning_rate"],
  ["train/loss.last", "train/loss"],
  ["train/loss.min", "train/loss.min"],
  ["parameters", "parameters"],
  ["parameters:total", "total"],
  ["variant", "variant"],
])("%s is called %s in a filter", (id, key) => {
  expect(getFilterKey({ id, title: id }, fields)).toBe(key);
});

test("a range becomes two terms, which the filter understands", () => {
  const text = replaceRange("state:done", rate, { from: 0.001, to: 0.01 }, fields);
  expect(text).toBe("state:done train.learning_rate>=0.001 train.learning_rate<=0.01");
  expect(matches(text)).toEqual(["run 1", "run 2"]);
  expect(readRange(text, rate, fields)).toEqual({ from: 0.001, to: 0.01 });
});

test("another range takes its place, also of a term that a person typed under another name", () => {
  const typed = "dense learning_rate<1e-3 tag:x";
  expect(readRange(typed, rate, fields)).toEqual({ to: 0.001 });
  expect(replaceRange(typed, rate, { from: 1e-7 }, fields)).toBe("dense tag:x train.learning_rate>=1e-7");
  expect(replaceRange(typed, rate, {}, fields)).toBe("dense tag:x");
  expect(readRange("loss<2 loss>=1", field("train/loss.last"), fields)).toEqual({ from: 1, to: 2 });
});

test("values are chosen by name, also with spaces, commas and quotation marks", () => {
  const variants = replaceRange("", field("variant"), { values: ["dense", "two words"] }, fields);
  expect(variants).toBe('variant=dense,"two words"');
  expect(matches(variants)).toEqual(["run 0", "run 1"]);
  expect(readRange(variants, field("variant"), fields)).toEqual({ values: ["dense", "two words"] });
  const layers = field("sweep:model.layers");
  const list = replaceRange("", layers, { values: ['["a","b,c"]'] }, fields);
  expect(matches(list)).toEqual(["run 2"]);
});

test("what is excluded, searched for or unknown stays", () => {
  const text = "-learning_rate>1 variant:dense shade>2 variant!=x";
  expect(removeRanges(text, [rate, field("variant")], fields)).toBe(text);
});
