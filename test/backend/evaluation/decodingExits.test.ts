/** Times of generation with exits, which depend on what is read. */
import { describe, expect, it } from "vitest";
import decoding from "../../../src/backend/evaluation/decoding";
import type { Subject } from "../../../src/backend/evaluation/metric";
import { splitEvaluation } from "../../../src/backend/evaluation/parseInference";
import { useGrammar } from "../../support/grammar";
import { createQuietLab, createTinySubject } from "../../support/subject";

const grammar = useGrammar();

function createSubject(exits: Readonly<Record<string, unknown>>): Subject {
  const { inference } = splitEvaluation({ inference: { exits } });
  return { ...createTinySubject("llama", grammar.data, { exit_layers: [1] }), inference };
}
const parse = (options: object) =>
  decoding.options.parse({ lengths: [5], new_tokens: 4, repeats: 2, ...options });
const check = (subject: Subject, options: object) => () => {
  void decoding.check!(subject, parse(options), { baseFolder: "", cacheFolder: "" });
};

describe("times with exits", () => {
  it.each([
    { exits: { threshold: 0.5 }, policy: "exits by probability at 0.5" },
    // Texts continue although the classifier would end them.
    { exits: { threshold: 0.5, confidence: "classifier", stop: 1e-9 }, policy: "exits by classifier at 0.5" },
    { exits: { draft: 1, tokens: 2 }, policy: "drafts of 2 tokens after 1 layer" },
    { exits: { draft: 1 }, policy: "drafts of 4 tokens after 1 layer" },
  ])("are measured beside the whole model: $policy", async ({ exits, policy }) => {
    const measured = await decoding.evaluate(createSubject(exits), parse({}), createQuietLab(grammar.engine));
    expect(measured.details.policy).toBe(policy);
    const [times] = measured.details.lengths;
    for (const number of [times!.first_token_ms, times!.token_ms, times!.speedup, ...times!.speedup_interval])
      expect(number).toBeGreaterThan(0);
    // Exits have a cache of all tokens.
    expect(times!.bytes).toBe(times!.full_bytes);
    expect(measured.lines.join("\n")).toContain("as the whole model (");
  });

  it("need exits, a context and a text that are long enough", () => {
    const subject = createSubject({ threshold: 0.5 });
    expect(check(subject, {})).not.toThrow();
    const { data, ...others } = subject;
    const { exit_layers: _, ...config } = subject.shape.config;
    expect(check({ ...subject, shape: { ...subject.shape, config } }, {})).toThrow(/The model has no exits/);
    expect(check(others, {})).toThrow(/There is no text to evaluate on/);
    const { validation } = data!;
    const brief = Object.create(validation!, { tokens: { value: 3 } }) as NonNullable<typeof validation>;
    expect(check({ ...subject, data: { ...data!, validation: brief } }, {})).toThrow(
      "decoding.lengths has 5 tokens, but the validation split, whose beginning is the prompt with inference.exits, has 3. Lower the length or provide more text.",
    );
  });
});
