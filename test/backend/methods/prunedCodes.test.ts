/** Quantizing masked weights: zeros stay zeros, and only the kept codes are stored. */
import { describe, expect, it } from "vitest";
import { countModel } from "../../../src/backend/models/accounting";
import gptq from "../../../src/backend/methods/gptq";
import magnitude from "../../../src/backend/methods/magnitude";
import type { AnyMethod } from "../../../src/backend/compression/method";
import mixed from "../../../src/backend/methods/mixed";
import rtn from "../../../src/backend/methods/rtn";
import sparsegpt from "../../../src/backend/methods/sparsegpt";
import { listMatrixSlots } from "../../../src/backend/models/model";
import { maskName } from "../../../src/backend/representations/masked";
import { countNonZeros, type TensorData } from "../../../src/backend/representations/representation";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import { useGrammar } from "../../support/grammar";
import { createLabWithText } from "../../support/lab";
import { applied, correlated, denseOf, errorOf, labWithInputs, role, sizesOf, tiny } from "./shrinkSamples";

const before = tiny();
const [inputs, outputs] = sizesOf(before);
const x = correlated(60, inputs, 8);
const lab = labWithInputs(x, inputs);
const grammar = useGrammar();

const pruned = await applied(sparsegpt, { sparsity: 0.5 }, before, lab);
const sparse = denseOf(pruned);

const codings: readonly (readonly [string, AnyMethod, object])[] = [
  ["rtn", rtn, { bits: 4 }],
  ["rtn in groups with zeros", rtn, { bits: 3, group_size: 4, symmetric: false }],
  ["gptq", gptq, { bits: 4 }],
  ["gptq in groups with zeros", gptq, { bits: 3, group_size: 4, symmetric: false }],
  ["gptq by importance", gptq, { bits: 3, act_order: true }],
];

describe.each(codings)("%s", (_, method, given) => {
  it("keeps every zero of the mask, and quantizes the rest", async () => {
    const after = await applied(method, given as never, pruned, lab);
    const own = denseOf(after);
    own.forEach((each, i) => sparse[i] === 0 && expect(each).toBe(0));
    expect(countNonZeros(own)).toBeGreaterThan(0.8 * countNonZeros(sparse));
    expect(method.plan(pruned.shape, method.options.parse({ targets: role, ...given })).shape).toEqual(
      after.shape,
    );
  });

  it("equals the result without a mask if the mask keeps everything", async () => {
    const whole = await applied(magnitude, { sparsity: 0.25 }, before);
    const [mask] = [...whole.tensors].find(([name]) => name.endsWith("up_proj.weight_mask"))!;
    const tensors = new Map(whole.tensors)
      .set(mask, { ...whole.tensors.get(mask)!, data: new Uint8Array(inputs * outputs).fill(1) })
      .set("model.layers.0.mlp.up_proj.weight", before.tensors.get("model.layers.0.mlp.up_proj.weight")!);
    const kept = { type: "masked", options: { kept: inputs * outputs } };
    const all: Checkpoint = {
      shape: { ...whole.shape, representations: { ...whole.shape.representations, [role]: kept } },
      tensors,
    };
    expect(denseOf(await applied(method, given as never, all, lab))).toEqual(
      denseOf(await applied(method, given as never, before, lab)),
    );
  });

  it("stores a mask, the kept codes, and the grids", async () => {
    const after = await applied(method, given as never, pruned, lab);
    const slot = listMatrixSlots(after.shape).find(({ matrix }) => matrix.role === role)!;
    const {
      bits,
      group_size: size,
      symmetric = true,
    } = given as { readonly bits: number; readonly group_size?: number; readonly symmetric?: boolean };
    const groups = size === undefined ? 1 : inputs / size;
    const all = inputs * outputs;
    const kept = countNonZeros(after.tensors.get(maskName(slot.matrix))!.data as TensorData);
    expect(kept).toBe(all / 2);
    const counts = slot.stored[0]!.representation.count(slot.matrix, slot.stored[0]!.options);
    const zeros = symmetric ? 0 : groups * outputs;
    expect(counts.bits).toBe(all + bits * (kept + zeros) + 32 * groups * outputs);
    expect(counts.stored).toBe(kept + zeros + groups * outputs);
    expect(countModel(after.shape).total.bits).toBeLessThan(countModel(pruned.shape).total.bits);
  });
});

it("GPTQ compensates its rounding and has a smaller error than rounding the kept weights", async () => {
  for (const bits of [2, 3, 4]) {
    const own = denseOf(await applied(gptq, { bits }, pruned, lab));
    const rounded = denseOf(await applied(rtn, { bits }, pruned));
    expect(errorOf(sparse, own, outputs, x)).toBeLessThan(errorOf(sparse, rounded, outputs, x));
  }
});

it("a budget of bits is distributed among pruned matrices like among dense ones", async () => {
  const model = tiny("gpt2");
  const grammarLab = () => createLabWithText(grammar.engine, grammar.data);
  const calibration = { samples: 4, batch_size: 2 };
  const sparseModel = await magnitude.apply(model, magnitude.options.parse({ sparsity: 0.5 }), grammarLab());
  for (const sensitivity of ["gradient", "output", "loss"]) {
    const options = mixed.options.parse({ bits: 4, sensitivity, calibration });
    const after = await mixed.apply(sparseModel, options, grammarLab());
    for (const { matrix, stored } of listMatrixSlots(after.shape)) {
      if (matrix.kind !== "projection") continue;
      expect(stored[0]!.type).toBe("quantised");
      const mask = after.tensors.get(maskName(matrix))!.data;
      const codes = after.tensors.get(`${matrix.name}.weight_codes`)!.data;
      mask.forEach((each, i) => each === 0 && expect(codes[i]).toBe(0));
    }
  }
});

it("a residual would overwrite the zeros, and is refused", () => {
  const options = rtn.options.parse({ targets: role, residual: 2 });
  expect(() => rtn.plan(pruned.shape, options)).toThrow(/is pruned, and a residual would fill its zeros/);
});
