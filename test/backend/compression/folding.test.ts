/** Factors of inputs move into norms and matrices without a change of the function. */
import { describe, expect, it } from "vitest";
import { foldFactors, listFoldableSources, shareCopies } from "../../../src/backend/compression/folding";
import flap from "../../../src/backend/methods/flap";
import magnitude from "../../../src/backend/methods/magnitude";
import rtn from "../../../src/backend/methods/rtn";
import { listInputSources } from "../../../src/backend/models/inputSources";
import { models } from "../../../src/backend/models/catalog";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import { useGrammar } from "../../support/grammar";
import { createLabWithText, plainLab } from "../../support/lab";
import { computePlainLogits } from "../../support/plainLogits";
import { computeRelativeError, createUniform } from "../../support/sampleValues";
import { createTinyShape, drawModelTensors } from "../../support/subject";

const grammar = useGrammar();

function draw(family: string, changes = {}): Checkpoint {
  const shape = createTinyShape(family, changes);
  return { shape, tensors: drawModelTensors(shape, 7) };
}

/** Folds different factors into every source. */
function fold({ shape, tensors }: Pick<Checkpoint, "shape" | "tensors">) {
  const random = createUniform(3);
  const folded = new Map(tensors);
  const sources = listFoldableSources(shape);
  for (const source of sources) {
    const { inputs, axes, kind } = source.readers[0]!.matrix;
    expect(kind === "embedding" ? axes[1].kind : axes[0].kind).not.toBe("vocabulary");
    const factors = Float64Array.from({ length: inputs }, () => 0.25 + 3 * random());
    foldFactors(folded, source, shareCopies(source, factors));
  }
  return { sources, folded: { shape, tensors: folded } };
}

describe.each(Object.keys(models))("%s", (family) => {
  it("computes the same with factors in its norms and matrices", () => {
    // Only dense projections have inputs that one factor each can scale.
    const before = draw(family, family === "kphi3" ? { min_channels_per_group: -1 } : {});
    const { sources, folded } = fold(before);
    expect(sources.length).toBeGreaterThanOrEqual(2);
    const [was, is] = [computePlainLogits(before), computePlainLogits(folded)];
    expect(computeRelativeError(is, was)).toBeLessThan(1e-5);
    const changed = [...before.tensors].filter(([name, { data }]) => folded.tensors.get(name)!.data !== data);
    expect(changed.length).toBeGreaterThan(2);
  });
});

it("folds into matrices with zeros and into parts of a packed matrix", async () => {
  const before = draw("gpt2");
  const options = magnitude.options.parse({ sparsity: 0.5, targets: ["*.v_proj", "*.mlp.*"] });
  const pruned = await magnitude.apply(before, options, plainLab);
  const { folded } = fold(pruned);
  expect(computeRelativeError(computePlainLogits(folded), computePlainLogits(pruned))).toBeLessThan(1e-5);
});

it("folds into smaller matrices, and skips those whose pieces are rounded", async () => {
  const before = draw("llama");
  const lab = createLabWithText(grammar.engine, grammar.data);
  const prune = flap.options.parse({ rate: 0.4, compensate: false, calibration: { samples: 4 } });
  const sliced = await flap.apply(before, prune, lab);
  const { sources, folded } = fold(sliced);
  expect(sources).toHaveLength(9);
  expect(computeRelativeError(computePlainLogits(folded), computePlainLogits(sliced))).toBeLessThan(1e-5);
  const rounded = await rtn.apply(sliced, rtn.options.parse({ targets: "layers.0.mlp.*" }), lab);
  expect(listFoldableSources(rounded.shape).length).toBeLessThan(9);
  expect(
    computeRelativeError(computePlainLogits(fold(rounded).folded), computePlainLogits(rounded)),
  ).toBeLessThan(1e-5);
});

it("skips sources whose matrices hold no plain weights, and the head that is the embedding", () => {
  const grouped = draw("kphi3");
  expect(listFoldableSources(grouped.shape)).toHaveLength(1);
  const tied = createTinyShape("llama", { tie_word_embeddings: true });
  expect(listInputSources(tied).at(-1)!.isTied).toBe(true);
  expect(listFoldableSources(tied)).toHaveLength(listInputSources(tied).length - 1);
});

it("gives inputs that are copies of one output the same factor", () => {
  const source = listFoldableSources(createTinyShape("llama"))[1]!;
  expect(source.producer).toMatchObject({ unit: 4, copies: 2 });
  const factors = Array.from({ length: 16 }, (_, i) => i + 1);
  const shared = shareCopies(source, factors);
  expect(shared[0]).toBeCloseTo(Math.sqrt(1 * 5), 12);
  expect(shared[4]).toBe(shared[0]);
  expect(shared[9]).toBeCloseTo(Math.sqrt(10 * 14), 12);
});
