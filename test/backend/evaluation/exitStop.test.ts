/** The class `stop` of an exit's classifier ends a text, which closed forms of its probability decide here. */
import { expect, it } from "vitest";
import generate from "../../../src/backend/evaluation/generate";
import type { Subject } from "../../../src/backend/evaluation/metric";
import { splitEvaluation } from "../../../src/backend/evaluation/parseInference";
import { getExitNames } from "../../../src/backend/models/exits";
import { inferenceExitsSchema } from "../../../src/schema/exits";
import { useGrammar } from "../../support/grammar";
import { createQuietLab, createTinySubject } from "../../support/subject";

const grammar = useGrammar();

/** A model whose exit after one layer gives `stop` the probability 2 / (1 + 1 + 2), whatever it reads, and whose other exit 0. */
function createSubject(exits: Readonly<Record<string, unknown>>): Subject {
  const subject = createTinySubject("llama", grammar.data, { num_hidden_layers: 4, exit_layers: [1, 3] });
  const biases = new Map([
    [1, [0, 0, Math.log(2)]],
    [3, [0, 0, -100]],
  ]);
  const tensors = new Map(subject.tensors);
  for (const [layer, bias] of biases) {
    const { classWeight, classBias } = getExitNames(layer);
    const weight = tensors.get(classWeight)!;
    tensors.set(classWeight, { ...weight, data: new Float32Array(weight.data.length) });
    tensors.set(classBias, { ...tensors.get(classBias)!, data: Float32Array.from(bias) });
  }
  const { inference } = splitEvaluation({
    inference: { exits: { confidence: "classifier", threshold: 0.6, ...exits } },
  });
  return { ...subject, tensors, inference };
}

async function write(exits: Readonly<Record<string, unknown>>) {
  const { tokenizer } = createSubject({});
  const text = tokenizer!.decode(grammar.data.train.read(0, 6));
  const options = generate.options.parse({
    prompts: [text, text.slice(0, 2)],
    max_new_tokens: 6,
    do_sample: false,
  });
  const { values, details } = await generate.evaluate(
    createSubject(exits),
    options,
    createQuietLab(grammar.engine),
  );
  const { samples, exits: use } = details;
  return { values, samples, use: use! };
}

it("ends a text at the first token after the prompt's if its probability is at least as high", async () => {
  const { values, samples, use } = await write({ stop: 0.499 });
  expect(samples.map(({ finish, ids }) => [finish, ids.length])).toEqual([
    ["exit", 1],
    ["exit", 1],
  ]);
  expect(values["generate/stopped"]).toBe(1);
  expect(use.tokens).toEqual([0, 0, 0]);
  expect(use.flops).toBeGreaterThan(0);
  expect(use.flops).toBeLessThan(use.fullFlops / 2);
});

it.each([0.501, 1.01])("changes nothing with a threshold that it never has: %d", async (stop) => {
  const [without, never] = [await write({}), await write({ stop })];
  expect(never.samples).toEqual(without.samples);
  expect(never.use.tokens).toEqual(without.use.tokens);
  expect(never.use.flops).toBe(without.use.flops);
  expect(never.values["generate/stopped"]).toBe(0);
  expect(without.values).not.toHaveProperty(["generate/stopped"]);
});

it("is tested before the class `exit`", async () => {
  const { samples } = await write({ threshold: 0.2, stop: 0.4 });
  expect(samples.map(({ finish }) => finish)).toEqual(["exit", "exit"]);
});

it("is refused without the classifier", () => {
  const faults = (options: object) =>
    inferenceExitsSchema
      .safeParse(options)
      .error?.issues.map(({ path, message }) => [...path, message].join(" "));
  expect(faults({ threshold: 0.9, stop: 0.9 })).toEqual([
    "stop needs confidence: classifier, whose class it is; set it, or remove stop",
  ]);
  expect(faults({ threshold: 0.9, stop: 0.9, confidence: "classifier" })).toBeUndefined();
});
