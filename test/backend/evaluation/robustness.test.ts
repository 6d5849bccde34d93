/** Robustness is perplexity of the changed text. */
import { expect, it } from "vitest";
import perplexity from "../../../src/backend/evaluation/perplexity";
import robustness from "../../../src/backend/evaluation/robustness";
import { useGrammar } from "../../support/grammar";
import { createQuietLab, createTinySubject } from "../../support/subject";

const grammar = useGrammar();

it("has the bits per byte of perplexity where nothing is changed, and the same text for every model", async () => {
  const lab = createQuietLab(grammar.engine);
  const options = robustness.options.parse({
    kinds: ["typos", "swap"],
    strengths: [0.1, 0.5],
    max_tokens: 200,
    context: 8,
  });
  const [one, other] = [createTinySubject("gpt2", grammar.data), createTinySubject("llama", grammar.data)];
  const measured = await robustness.evaluate(one, options, lab);
  const reference = await perplexity.evaluate(
    one,
    perplexity.options.parse({ max_tokens: 200, context: 8, stride: 4, add_bos: false }),
    lab,
  );
  const clean = measured.values["robustness/bits_per_byte"]!;
  // The same windows, but for the first token, to which robustness extends the mean, and the end of the document.
  expect(clean / reference.values["perplexity/bits_per_byte"]!).toBeCloseTo(1, 1);
  expect(measured.values["robustness/increase_typos_0.5"]).toBeCloseTo(
    measured.values["robustness/bits_per_byte_typos_0.5"]! - clean,
    9,
  );
  const tokens = ({ details }: typeof measured) => details.changed.map((each) => each.tokens);
  expect(tokens(await robustness.evaluate(other, options, lab))).toEqual(tokens(measured));
});

it("refuses a context beyond the model's", async () => {
  const subject = createTinySubject("gpt2", grammar.data);
  expect(() =>
    robustness.check!(subject, robustness.options.parse({ context: 1e6 }), {
      baseFolder: ".",
      cacheFolder: ".",
    }),
  ).toThrow(/Set robustness\.context to at most/);
});
