/** How the loss on masked tokens was measured: by what was read and hidden, not by the batch size. */
import { expect, it } from "vitest";
import masked from "../../../src/backend/evaluation/masked";
import { isSameProtocol } from "../../../src/protocol/lossProtocol";
import { useGrammar } from "../../support/grammar";
import { createQuietLab, createTinySubject } from "../../support/subject";

const grammar = useGrammar();

async function measure(options: Readonly<Record<string, unknown>>) {
  const subject = createTinySubject("bert", grammar.data);
  const { protocols } = await masked.evaluate(
    subject,
    masked.options.parse(options),
    createQuietLab(grammar.engine),
  );
  return protocols!["masked/loss"]!;
}

it("states text, tokens and share of the loss on masked tokens, whatever the batch size", async () => {
  const whole = await measure({});
  expect(whole.split).toBe("validation");
  expect(whole.tokens).toBeGreaterThan(0);
  expect(whole.method).toMatch(/^sequences of \d+, 15 % of the tokens hidden$/);
  expect(await measure({ batch_size: 3 })).toEqual(whole);
  for (const other of [{ mlm_probability: 0.4 }, { max_sequences: 2 }, { split: "train" }])
    expect(isSameProtocol(await measure(other), whole)).toBe(false);
});
