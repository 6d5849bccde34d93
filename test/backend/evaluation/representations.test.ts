import { expect, it } from "vitest";
import representations from "../../../src/backend/evaluation/representations";
import { useGrammar } from "../../support/grammar";
import { createQuietLab, createTinySubject } from "../../support/subject";

const grammar = useGrammar();
const options = (changes: object = {}) =>
  representations.options.parse({ model: "other", max_tokens: 64, context: 16, neighbors: 3, ...changes });

it("is 1 between a model and itself, and less between two models, whose layers may differ in number and width", async () => {
  const subject = createTinySubject("llama", grammar.data);
  const lab = createQuietLab(grammar.engine);
  const same = await representations.evaluate(subject, options(), { ...lab, openModel: async () => subject });
  expect(same.values["representations/neighbors"]).toBe(1);
  expect(same.values["representations/cka"]).toBeCloseTo(1, 9);
  expect(same.details.cka.length).toBe(same.details.layers.length);
  const other = createTinySubject("gpt2", grammar.data);
  const different = await representations.evaluate(subject, options(), {
    ...lab,
    openModel: async () => other,
  });
  expect(different.values["representations/cka"]).toBeLessThan(0.99);
  expect(different.values["representations/neighbors"]).toBeLessThan(1);
});

it("refuses another vocabulary, a window that is too long or too short, and a place without models", async () => {
  const subject = createTinySubject("llama", grammar.data);
  const lab = createQuietLab(grammar.engine);
  const other = createTinySubject("llama", grammar.data, { vocab_size: 300 });
  await expect(
    representations.evaluate(subject, options(), { ...lab, openModel: async () => other }),
  ).rejects.toThrow(/cannot compare with other: it has 300 tokens/);
  const places = { baseFolder: ".", cacheFolder: "." };
  expect(() => representations.check!(subject, options({ neighbors: 16 }), places)).toThrow(
    /too short for 16 neighbors/,
  );
  expect(() => representations.check!(subject, options({ context: 500 }), places)).toThrow(/longer than the/);
  await expect(representations.evaluate(subject, options(), lab)).rejects.toMatchObject({
    code: "unsupported",
  });
});
