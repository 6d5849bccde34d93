/** Ternary weights in training and in files, against BitNet's formulas in PyTorch. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import { computeStages, decodeChain, encodeChain } from "../../../src/backend/coding/codecs";
import { pack } from "../../../src/backend/coding/pack";
import { gradients } from "../../../src/backend/graph/autodiff";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input, parameter } from "../../../src/backend/graph/op";
import { mul } from "../../../src/backend/graph/ops/elementwise";
import { transpose } from "../../../src/backend/graph/ops/movement";
import { sum } from "../../../src/backend/graph/ops/reduction";
import bitnet from "../../../src/backend/methods/bitnet";
import { countModel } from "../../../src/backend/models/accounting";
import quantised from "../../../src/backend/representations/quantised";
import { createTernarySource } from "../../../src/backend/training/ternaryWeights";
import { useGrammar } from "../../support/grammar";
import { createLabWithText, plainLab } from "../../support/lab";
import { createMatrixSpec } from "../../support/matrix";
import { computeRelativeError } from "../../support/sampleValues";
import { createTinyShape, drawModelTensors } from "../../support/subject";

interface Figures {
  /** [outputs, inputs] */
  readonly weight: readonly number[];
  readonly codes: readonly number[];
  readonly scale: number;
  readonly x: readonly number[];
  readonly dy: readonly number[];
  readonly cases: readonly {
    readonly activations: boolean;
    readonly y: readonly number[];
    readonly dw: readonly number[];
    readonly dx: readonly number[];
  }[];
}
const figures = JSON.parse(
  readFileSync(new URL("../../fixtures/ternary.json", import.meta.url), "utf8"),
) as Figures;
const [rows, inputs, outputs] = [5, 12, 6];

describe.each(["out_in", "in_out"] as const)("a matrix stored %s", (layout) => {
  const matrix = createMatrixSpec(inputs, outputs, { name: "up_proj", layout, kind: "projection" });

  it.each(figures.cases)(
    "has the products and the gradients of PyTorch, with rounded inputs: $activations",
    ({ activations, y: wantedY, dw: wantedDw, dx: wantedDx }) => {
      const options = quantised.options.parse({
        bits: 2,
        ternary: true,
        ...(activations ? { activations: {} } : {}),
      });
      const [w, x] = [parameter("w", [outputs, inputs]), parameter("x", [rows, inputs])];
      const stored = layout === "out_in" ? w : transpose(w, { perm: [1, 0] });
      const source = createTernarySource([matrix])(() => stored);
      const y = quantised.apply(x, source, matrix, options);
      const loss = sum(mul(y, input("dy", [rows, outputs])), { axes: [0, 1], keepDims: false });
      const [dw, dx] = gradients(loss, [w, x]);
      const found = evaluateGraph(
        { outputs: { y, dw: dw!, dx: dx! } },
        { w: figures.weight, x: figures.x, dy: figures.dy },
      );
      expect(computeRelativeError(found["y"]!, wantedY)).toBeLessThan(1e-6);
      expect(computeRelativeError(found["dw"]!, wantedDw)).toBeLessThan(1e-6);
      expect(computeRelativeError(found["dx"]!, wantedDx)).toBeLessThan(1e-6);
    },
  );
});

describe("BitNet", () => {
  const sizes = {
    hidden_size: inputs,
    intermediate_size: outputs,
    num_attention_heads: 2,
    num_key_value_heads: 1,
  };
  const shape = createTinyShape("llama", sizes);
  const name = "model.layers.0.mlp.up_proj";
  const tensors = new Map(drawModelTensors(shape, 5));
  tensors.set(`${name}.weight`, { shape: [outputs, inputs], data: Float32Array.from(figures.weight) });
  const before: Checkpoint = { shape, tensors };

  it("stores the codes and the scale of PyTorch", async () => {
    const after = await bitnet.apply(before, bitnet.options.parse({}), plainLab);
    const codes = after.tensors.get(`${name}.weight_codes`)!.data;
    figures.codes.forEach((code, i) =>
      expect(codes[(i % inputs) * outputs + Math.floor(i / inputs)]).toBe(code),
    );
    const scales = [...after.tensors.get(`${name}.weight_scales`)!.data];
    expect(scales).toEqual(new Array(outputs).fill(Math.fround(figures.scale)));
  });

  it("writes five codes per byte, as counted", async () => {
    const targets = "layers.0.mlp.up_proj";
    const after = await bitnet.apply(before, bitnet.options.parse({ targets }), plainLab);
    const written = pack(after, { dtype: "float32", entropyCoding: false });
    expect(written.bits.get(`${name}.weight_codes`)).toBe(8 * Math.ceil((inputs * outputs) / 5));
    const bits = [...written.bits.values()].reduce((total, each) => total + each, 0);
    expect(bits).toBe(countModel(after.shape).total.bits);
  });

  it("refuses to train by nothing", () => {
    expect(() => bitnet.options.parse({ alpha_clm: 0 })).toThrow(/nothing else is left to train by/);
  });
});

describe("the ternary codec", () => {
  const noMask = () => new Uint8Array();

  it.each([0, 1, 4, 5, 6, 243])("restores %d codes from as many fifths of bytes", (count) => {
    const codes = Int8Array.from({ length: count }, (_, i) => (Math.floor(i * 1.7) % 3) - 1);
    const { steps, bytes } = encodeChain(codes, [{ codec: "ternary" }], noMask);
    expect(bytes.length).toBe(Math.ceil(count / 5));
    const stages = computeStages({ type: "int8", size: count }, steps, noMask)!;
    expect(decodeChain(bytes, stages, steps, noMask)).toEqual(codes);
  });

  it("accepts no other code", () => {
    expect(() => encodeChain(Int8Array.of(0, -2), [{ codec: "ternary" }], noMask)).toThrow(/-2 is not/);
  });
});

const grammar = useGrammar();

it.each([{}, { activations: { bits: 8 } }, { alpha_clm: 0.5, alpha_ce: 0.5 }])(
  "with %o, training improves the ternary model",
  async (options) => {
    const shape = createTinyShape("llama", { vocab_size: 12, hidden_size: 16, intermediate_size: 32 });
    const before: Checkpoint = { shape, tensors: drawModelTensors(shape, 4) };
    const lab = createLabWithText(grammar.engine, grammar.data);
    const train = { max_steps: 60, per_device_train_batch_size: 8, learning_rate: 1e-2 };
    const apply = (given: object) =>
      bitnet.apply(before, bitnet.options.parse({ ...options, ...given }), lab);
    const measure = async (given: object) => lab.evaluate(await apply(given), "eval/loss");
    expect(await measure({ train })).toBeLessThan((await measure({})) - 0.3);
  },
);
