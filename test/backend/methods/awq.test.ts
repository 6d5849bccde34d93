/** AWQ: scales that leave the function of the model as it is, and refusals of what cannot be scaled. */
import { describe, expect, it } from "vitest";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input } from "../../../src/backend/graph/op";
import awq from "../../../src/backend/methods/awq";
import rtn from "../../../src/backend/methods/rtn";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import {
  listScalableGroups,
  scaleInputs,
} from "../../../src/backend/compression/quantization/activationScales";
import { selectTargets } from "../../../src/backend/compression/targets";
import { createValue, forward, parametersOf } from "../../../src/backend/models/model";
import { useGrammar } from "../../support/grammar";
import { createLabWithText } from "../../support/lab";
import { computeRelativeError } from "../../support/sampleValues";
import { applied, correlated, denseOf, errorOf, labWithInputs, sizesOf, tiny } from "./shrinkSamples";

const grammar = useGrammar();
const search = {
  bits: 3,
  symmetric: false,
  residual: 0,
  signed_scale: false,
  observer: "minmax",
  n_grid: 8,
  calibration: { samples: 4, batch_size: 2 },
} as const;

function computeLogits({ shape, tensors }: Checkpoint): Float64Array {
  const values = new Map(parametersOf(shape).map((spec) => [spec.name, createValue(spec)]));
  const logits = forward(shape, (name) => values.get(name)!, { tokens: input("tokens", [1, 6], "int32") });
  const feeds = Object.fromEntries([...tensors].map(([name, { data }]) => [name, Array.from(data)]));
  return Float64Array.from(
    evaluateGraph({ outputs: { logits } }, { ...feeds, tokens: [3, 1, 4, 1, 5, 9] })["logits"]!,
  );
}

it.each(["llama", "qwen2", "phi3", "gpt2"])(
  "the scaled tensors of %s have the same logits",
  async (family) => {
    const before = tiny(family);
    const groups = listScalableGroups(before.shape, selectTargets(before.shape, {}));
    expect(groups.length).toBeGreaterThan(0);
    const lab = createLabWithText(grammar.engine, grammar.data);
    const tensors = await scaleInputs(before, groups, search, lab);
    const changed = [...tensors].filter(([name, { data }]) => data !== before.tensors.get(name)!.data);
    expect(changed.length).toBeGreaterThan(groups.length);
    expect(computeRelativeError(computeLogits({ ...before, tensors }), computeLogits(before))).toBeLessThan(
      1e-5,
    );
  },
);

describe("a matrix with some large inputs", () => {
  const before = tiny();
  const [inputs, outputs] = sizesOf(before);
  const x = correlated(60, inputs, 7).map((each, i) => each * (i % inputs === 3 ? 30 : 1));

  it("has a smaller error in its products than after rounding alone", async () => {
    const dense = denseOf(before);
    for (const bits of [3, 4]) {
      const given = { bits, symmetric: false, observer: "minmax" };
      const after = await applied(awq, given, before, labWithInputs(x, inputs));
      // The products of the scaled inputs with the scaled weights are those of the original ones.
      const norm = "model.layers.0.post_attention_layernorm.weight";
      const [was, is] = [before, after].map(({ tensors }) => tensors.get(norm)!.data);
      const rounded = denseOf(after).map((each, i) => {
        const at = Math.floor(i / outputs);
        return (each * is![at]!) / was![at]!;
      });
      const plain = denseOf(await applied(rtn, given, before));
      expect(errorOf(dense, rounded, outputs, x)).toBeLessThan(0.7 * errorOf(dense, plain, outputs, x));
    }
  });
});

it("refuses targets whose inputs cannot be scaled, and rounds the others of a model without", async () => {
  const { shape } = tiny("gpt2");
  // The activation between up and down does not pass factors.
  const down = awq.options.parse({ targets: "layers.*.mlp.down_proj" });
  expect(() => awq.plan(shape, down)).toThrow(/not computed by a norm or a matrix/);
  const said: string[] = [];
  const lab = { ...createLabWithText(grammar.engine, grammar.data), log: (line: string) => said.push(line) };
  const options = awq.options.parse({ calibration: search.calibration, n_grid: 2 });
  await awq.apply(tiny("gpt2"), options, lab);
  expect(said.join()).toMatch(/rounds layers\.0\.mlp\.down_proj, layers\.1\.mlp\.down_proj without scales/);
  const embedding = awq.options.parse({ targets: "embed_tokens" });
  expect(() => awq.plan(tiny().shape, embedding)).toThrow(/measures the inputs of a matrix/);
});
