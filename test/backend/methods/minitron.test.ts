/** Width pruning: which channels stay, that the result is a plain model, and that unread channels are removed without a trace. */
import { describe, expect, it } from "vitest";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import { listCoupledGroups } from "../../../src/backend/models/coupling";
import { createShape, dimensionsOf, parametersOf } from "../../../src/backend/models/model";
import minitron from "../../../src/backend/methods/minitron";
import rtn from "../../../src/backend/methods/rtn";
import { refuseTeacher } from "../../../src/backend/training/distillation";
import { resolveLossWeights, teacherSchema } from "../../../src/schema/teacher";
import { plainLab } from "../../support/lab";
import { computePlainLogits } from "../../support/plainLogits";
import { computeRelativeError } from "../../support/sampleValues";
import { createTinyShape, drawModelTensors } from "../../support/subject";
import { useGrammar } from "../../support/grammar";
import { createLabWithText } from "../../support/lab";

const grammar = useGrammar();
const calibration = { samples: 4, batch_size: 2 };

function draw(family: string, changes = {}): Checkpoint {
  const shape = createTinyShape(family, changes);
  return { shape, tensors: drawModelTensors(shape, 7) };
}

const planned = (family: string, options: object, changes = {}) =>
  minitron.plan(createTinyShape(family, changes), minitron.options.parse(options)).shape;

describe("sizes", () => {
  it("shrinks the configuration of a decoder and keeps the width of its heads", () => {
    const { config } = planned("llama", { rate: 0.5, parts: ["hidden", "channels", "heads"] });
    expect(config).toMatchObject({
      hidden_size: 8,
      intermediate_size: 12,
      num_attention_heads: 2,
      num_key_value_heads: 1,
      head_dim: 4,
    });
    // The 4 heads of a Llama divide its width, as transformers requires; those of a Qwen2 need not.
    expect(planned("llama", { rate: 0.3, parts: ["hidden"] }).config["hidden_size"]).toBe(8);
    expect(planned("qwen2", { rate: 0.3, parts: ["hidden"] }).config["hidden_size"]).toBe(11);
    expect(planned("qwen2", { rate: 0.3, parts: ["hidden"], multiple_of: 5 }).config["hidden_size"]).toBe(10);
    expect(dimensionsOf(planned("qwen2", { rate: 1 }))).toMatchObject({ width: 1, headDim: 4 });
  });

  it.each(["gpt2", "bert"])("removes channels of %s with whole heads, or not at all", (family) => {
    expect(() => planned(family, {})).toThrow(/always the number of heads times 8.*Name both/);
    expect(() => planned(family, { parts: ["heads"] })).toThrow(/Name both/);
    const half = planned(family, { rate: 0.5, parts: ["hidden", "heads"] });
    expect(dimensionsOf(half)).toMatchObject({ width: 8, heads: 1, headDim: 8 });
    const channels = (shape: typeof half) =>
      listCoupledGroups(shape).find(({ kind }) => kind === "channels")!;
    expect(channels(half).units).toBe(channels(createTinyShape(family)).units);
  });

  it("gives a model that its configuration alone describes", () => {
    const after = planned("phi3", { rate: 0.25 });
    expect(createShape(after.config)).toEqual(after);
    expect(after.representations).toEqual({});
  });

  it("refuses a matrix in another form, and a multiple above the width", async () => {
    const rounded = await rtn.apply(draw("llama"), rtn.options.parse({}), plainLab);
    expect(() => minitron.plan(rounded.shape, minitron.options.parse({}))).toThrow(/is stored as quantised/);
    expect(() => planned("qwen2", { parts: ["hidden"], multiple_of: 17 })).toThrow(/multiple of 17/);
  });
});

it.each(["llama", "phi3", "gpt2"])(
  "removes the channels of %s that are always zero first",
  async (family) => {
    const before = draw(family);
    const { shape } = before;
    const dead = family === "gpt2" ? [8, 9, 10, 11, 12, 13, 14, 15] : [1, 4, 6, 12];
    const silent = silence(before, new Set(dead));
    const parts = family === "gpt2" ? ["hidden", "heads"] : ["hidden"];
    const options = minitron.options.parse({ rate: dead.length / 16, parts, calibration });
    const after = await minitron.apply(silent, options, createLabWithText(grammar.engine, grammar.data));
    expect(dimensionsOf(after.shape).width).toBe(16 - dead.length);
    const kept = Array.from({ length: 16 }, (_, i) => i).filter((i) => !dead.includes(i));
    const table = parametersOf(shape)[0]!.name;
    const rows = (model: Checkpoint) => model.tensors.get(table)!.data as Float32Array;
    expect([...rows(after).subarray(0, kept.length)]).toEqual(kept.map((i) => rows(silent)[i]));
    // An RMS norm divides by the mean square over the width, which is the only difference left.
    if (family === "gpt2") return;
    const rescaled = scaleNorms(after, Math.sqrt(16 / kept.length));
    expect(
      computeRelativeError(
        computePlainLogits(scaleEpsilon(rescaled, 16 / kept.length)),
        computePlainLogits(silent),
      ),
    ).toBeLessThan(1e-5);
  },
);

/** Sets everything to zero that writes to these channels of the residual stream. */
function silence({ shape, tensors }: Checkpoint, dead: ReadonlySet<number>): Checkpoint {
  const out = new Map(tensors);
  for (const { name, axes = [] } of parametersOf(shape)) {
    const { shape: size, data } = tensors.get(name)!;
    const at = axes.findIndex(({ kind }) => kind === "hidden");
    if (at < 0) continue;
    const columns = size[1] ?? 1;
    const zeroed = (data as Float32Array).map((each, i) =>
      dead.has(at === 0 ? Math.floor(i / columns) : i % columns) ? 0 : each,
    );
    out.set(name, { shape: size, data: zeroed });
  }
  return { shape, tensors: out };
}

const scaleNorms = ({ shape, tensors }: Checkpoint, factor: number): Checkpoint => ({
  shape,
  tensors: new Map(
    [...tensors].map(([name, { shape: size, data }]) => [
      name,
      {
        shape: size,
        data: name.includes("norm") ? (data as Float32Array).map((each) => each * factor) : data,
      },
    ]),
  ),
});

function scaleEpsilon({ shape, tensors }: Checkpoint, factor: number): Checkpoint {
  const { rms_norm_eps: epsilon } = shape.config as { rms_norm_eps: number };
  return { shape: createShape({ ...shape.config, rms_norm_eps: epsilon * factor }), tensors };
}

it("can learn from the wider model by its distribution", () => {
  const [student, teacher] = [planned("llama", { rate: 0.5 }), createTinyShape("llama")].map(dimensionsOf);
  expect(() =>
    refuseTeacher(student!, teacher!, resolveLossWeights(teacherSchema.parse({ recipe: "hinton" })), {}),
  ).not.toThrow();
});
