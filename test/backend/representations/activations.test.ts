/** Inputs rounded by token: the figures of PyTorch, gradients, every form of inference, and what smoothing and rotating gain. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import {
  computeSmoothingFactors,
  foldFactors,
  listFoldableSources,
} from "../../../src/backend/compression/folding";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { gradients } from "../../../src/backend/graph/autodiff";
import { input, parameter } from "../../../src/backend/graph/op";
import { mul } from "../../../src/backend/graph/ops/elementwise";
import { sum } from "../../../src/backend/graph/ops/reduction";
import { methods } from "../../../src/backend/methods/catalog";
import { countModel } from "../../../src/backend/models/accounting";
import { buildInferenceForward, toInferenceTensors } from "../../../src/backend/models/inference";
import { roundActivations } from "../../../src/backend/representations/activations";
import savings from "../../../src/backend/evaluation/savings";
import { listUnsavedNotes } from "../../../src/backend/exports/savings";
import { useGrammar } from "../../support/grammar";
import { createLabWithText } from "../../support/lab";
import { computePlainLogits } from "../../support/plainLogits";
import { computeRelativeError } from "../../support/sampleValues";
import { createQuietLab, createTinyShape, drawModelTensors } from "../../support/subject";

interface Figures {
  readonly x: readonly number[];
  readonly peaks: readonly number[];
  readonly weightPeaks: readonly number[];
  readonly rounded: readonly { bits: number; clip_ratio: number; x: readonly number[] }[];
  readonly smoothed: readonly { strength: number; factors: readonly number[] }[];
}
const figures = JSON.parse(
  readFileSync(new URL("../../fixtures/activations.json", import.meta.url), "utf8"),
) as Figures;

describe("the formulas in PyTorch", () => {
  it.each(figures.rounded)(
    "round to $bits bits with a ratio of $clip_ratio",
    ({ x: expected, ...options }) => {
      const rounded = roundActivations(input("x", [5, 8]), options);
      const { out } = evaluateGraph({ outputs: { out: rounded } }, { x: figures.x });
      expect(computeRelativeError(out!, expected)).toBeLessThan(1e-6);
    },
  );

  it.each(figures.smoothed)("smooth with a strength of $strength", ({ strength, factors }) => {
    const own = computeSmoothingFactors(figures.peaks, figures.weightPeaks, strength);
    own.forEach((each, i) => expect(each / factors[i]!).toBeCloseTo(1, 5));
  });
});

it("passes gradients straight through", () => {
  const x = parameter("x", [5, 8]);
  const weights = input("w", [5, 8]);
  const loss = sum(mul(roundActivations(x, { bits: 2, clip_ratio: 0.5 }), weights), {
    axes: [0, 1],
    keepDims: false,
  });
  const [gradient] = gradients(loss, [x]);
  const w = figures.x.map((each) => each / 3);
  const { out } = evaluateGraph({ outputs: { out: gradient! } }, { x: figures.x, w });
  expect(computeRelativeError(out!, w)).toBeLessThan(1e-12);
});

const grammar = useGrammar();
const calibration = { samples: 16, batch_size: 4 };
const lab = () => createLabWithText(grammar.engine, grammar.data);
const wide = { hidden_size: 32, intermediate_size: 64, vocab_size: 12 };

async function apply(before: Checkpoint, ...steps: readonly (readonly [method: string, options: object])[]) {
  let model = before;
  for (const [name, options] of steps) {
    const method = methods[name]!;
    model = await method.apply(model, method.options.parse(options), lab());
  }
  return model;
}

/** A model of the same function whose norms compute two channels that are 40 times as large as the others. */
function createOutliers(): Checkpoint {
  const shape = createTinyShape("llama", wide);
  const tensors = new Map(drawModelTensors(shape, 5));
  for (const source of listFoldableSources(shape)) {
    if (source.norm === undefined) continue;
    const factors = Array.from({ length: 32 }, (_, i) => (i === 3 || i === 20 ? 1 / 40 : 1));
    foldFactors(tensors, source, factors);
  }
  return { shape, tensors };
}

it("gains from smoothing and from rotating where channels are outliers", async () => {
  const before = createOutliers();
  const was = computePlainLogits(before);
  const errorOf = async (bits: number, first: readonly (readonly [string, object])[]) => {
    const after = await apply(before, ...first, ["rtn", { bits: 8, activations: { bits } }]);
    const is = computePlainLogits(after);
    return Math.sqrt(
      is.reduce((total, each, i) => total + (each - was[i]!) ** 2, 0) / was.reduce((a, b) => a + b ** 2, 0),
    );
  };
  for (const [bits, share] of [
    [8, 0.4],
    [4, 0.5],
  ] as const) {
    const plain = await errorOf(bits, []);
    const smoothed = await errorOf(bits, [["smoothquant", { calibration }]]);
    const rotated = await errorOf(bits, [["quarot", {}]]);
    expect(smoothed, `${bits} bits`).toBeLessThan(share * plain);
    expect(rotated, `${bits} bits`).toBeLessThan(share * plain);
  }
});

it.each(["norms", "all"])("smooths %s without a change of the function", async (inputs) => {
  const before = createOutliers();
  const after = await apply(before, ["smoothquant", { inputs, calibration }]);
  expect(computeRelativeError(computePlainLogits(after), computePlainLogits(before))).toBeLessThan(1e-5);
  const changed = [...before.tensors].filter(([name, { data }]) => after.tensors.get(name)!.data !== data);
  // Two layers of two norms and their readers: q, k, v, gate and up. With all inputs, also o and down.
  expect(changed).toHaveLength(inputs === "norms" ? 2 * (2 + 5) : 2 * (2 + 7));
});

it("multiplies rounded inputs with packed codes", async () => {
  const model = await apply(createOutliers(), ["rtn", { bits: 4, activations: { bits: 4 }, residual: 2 }]);
  const tokens = Int32Array.from({ length: 12 }, (_, i) => (i * 5 + 3) % 12);
  const rows = Int32Array.from({ length: 12 }, (_, i) => i);
  const logits = buildInferenceForward(
    model.shape,
    { tokens: input("tokens", [2, 6], "int32") },
    { rows: input("rows", [12], "int32") },
  );
  const feeds = Object.fromEntries(
    [...toInferenceTensors(model.shape, model.tensors)].map(([name, { data }]) => [name, Array.from(data)]),
  );
  const { out } = evaluateGraph({ outputs: { out: logits } }, { ...feeds, tokens, rows });
  expect(computeRelativeError(out!, computePlainLogits(model))).toBeLessThan(1e-9);
});

it("takes no bits of the file, and does not round the rows of an embedding", async () => {
  const before = createOutliers();
  const [plain, rounded] = await Promise.all([
    apply(before, ["rtn", { bits: 8 }]),
    apply(before, ["rtn", { bits: 8, activations: {} }]),
  ]);
  expect(countModel(rounded.shape)).toEqual(countModel(plain.shape));
  expect([...rounded.tensors]).toEqual([...plain.tensors]);
  const rtn = methods["rtn"]!;
  expect(() =>
    rtn.plan(before.shape, rtn.options.parse({ targets: "embed_tokens", activations: {} })),
  ).toThrow(/rows of an embedding are looked up, so that it has no inputs to round/);
});

it("refuses to smooth where no norm computes the inputs of projections alone", () => {
  const method = methods["smoothquant"]!;
  const plan = (family: string, options: object) =>
    method.plan(createTinyShape(family), method.options.parse(options));
  expect(() => plan("bert", {})).toThrow(/no norm of this bert model/);
  expect(() => plan("bert", { inputs: "all" })).not.toThrow();
  expect(() => plan("kphi3", {})).toThrow(/no norm of this kphi3 model/);
});

it("reports that floats save nothing, and that a dense matrix reads its inputs as they are", async () => {
  const model = await apply(createOutliers(), ["rtn", { bits: 8, activations: { bits: 6 } }]);
  const { data, engine } = grammar;
  const subject = { ...model, tokenizer: data.tokenizer, data: { ...data, title: "grammar" } };
  const options = savings.options.parse({ repeats: 3, batch_size: 2, sequence_len: 4 });
  const { details } = await savings.evaluate(subject, options, createQuietLab(engine));
  expect(details.reasons).toEqual([expect.stringMatching(/^Quantised: .* Inputs are rounded to 6 bits/)]);
  const notes = listUnsavedNotes(model, { form: "dense" });
  expect(notes.at(-1)).toMatch(/^14 matrices with rounded inputs: a dense matrix reads them as they are/);
  expect(listUnsavedNotes(model, { form: "stored" })).toEqual([]);
});
