import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openEngine } from "../../../src/backend/engine/open";
import type { Engine } from "../../../src/backend/engine/engine";
import { countModel } from "../../../src/backend/models/accounting";
import magnitude from "../../../src/backend/methods/magnitude";
import { listMatrixSlots, type ModelShape } from "../../../src/backend/models/model";
import { weightName } from "../../../src/backend/representations/dense";
import { maskName } from "../../../src/backend/representations/masked";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import { createTrainee } from "../../../src/backend/training/trainee";
import { train } from "../../../src/backend/training/trainer";
import { trainSchema } from "../../../src/schema/experiment";
import {
  drawModelTensors,
  openGrammarData,
  createTemporaryFolder,
  createTinyShape,
} from "../../support/subject";
import { plainLab } from "../../support/lab";

const tiny = (family: string, seed = 4): Checkpoint => {
  const shape = createTinyShape(family);
  return { shape, tensors: drawModelTensors(shape, seed) };
};
const prune = (before: Checkpoint, options: Record<string, unknown>) =>
  magnitude.apply(before, magnitude.options.parse(options), plainLab);

/** The dense matrix [inputs, outputs] of each stored role. */
function dense({
  shape,
  tensors,
}: Checkpoint): Map<string, { inputs: number; outputs: number; data: Float32Array }> {
  const source = (name: string) => tensors.get(name)!.data as Float32Array | Uint8Array;
  return new Map(
    listMatrixSlots(shape).flatMap(({ stored }) =>
      stored.map(({ matrix, representation, options }) => [
        matrix.role,
        {
          inputs: matrix.inputs,
          outputs: matrix.outputs,
          data: representation.materialize(source, matrix, options),
        },
      ]),
    ),
  );
}
const zeros = (data: Iterable<number>) => [...data].filter((each) => each === 0).length;

describe("plan", () => {
  const plan = (shape: ModelShape, options: Record<string, unknown>) =>
    magnitude.plan(shape, magnitude.options.parse(options));

  it("counts exactly what is kept, before reading a weight", () => {
    const shape = createTinyShape("llama");
    const after = plan(shape, { sparsity: 0.3 }).after.roles.find(
      ({ role }) => role === "layers.0.mlp.up_proj",
    )!;
    const kept = 16 * 24 - Math.floor(0.3 * 16 * 24);
    expect(after).toMatchObject({
      representation: "masked",
      trainable: kept,
      stored: kept,
      nonZero: kept,
      bits: 16 * 24 + 32 * kept,
    });
  });

  it("leaves embeddings, the head and norms unchanged", () => {
    const { before, after } = plan(createTinyShape("llama"), { sparsity: 0.9 });
    const others = (counts: typeof before) =>
      counts.roles.filter(({ role }) => !/proj$/.test(role)).map(({ role, stored }) => [role, stored]);
    expect(others(after)).toEqual(others(before));
  });

  it.each([
    [{ sparsity: 1.5 }, "sparsity"],
    [{ sparsity: -0.1 }, "sparsity"],
    [{ mask_structure: "2-4" }, "mask_structure"],
    [{ mask_structure: "5:4" }, "mask_structure"],
    [{ mask_structure: "2:4", sparsity: 0.4 }, "sparsity"],
    [{ mask_structure: "2:4", scope: "row" }, "scope"],
    [{ sparcity: 0.5 }, undefined],
  ])("refuses the options %j", (options, key) => {
    const issues = magnitude.options.safeParse(options).error?.issues;
    expect(issues?.map(({ path }) => path[0])).toEqual([key]);
  });

  it("accepts a sparsity that agrees with the structure", () => {
    expect(plan(createTinyShape("llama"), { mask_structure: "1:4", sparsity: 0.75 }).after).toEqual(
      plan(createTinyShape("llama"), { mask_structure: "1:4" }).after,
    );
  });

  it.each([
    ["llama", { targets: "layers.*.mlp.gate" }, /matches no role\. Roles: /],
    ["llama", { mask_structure: "3:5" }, /16 inputs, which is not a multiple of 5.*and so for 13 more/],
    ["kphi3", {}, /layers.0.self_attn.qkv_proj is stored as grouped.*ignore/],
  ])("refuses for %s %j with the reason", (family, options, reason) => {
    expect(() => plan(createTinyShape(family), options)).toThrow(reason);
  });
});

describe("apply", () => {
  it.each(["gpt2", "llama", "phi3"])(
    "leaves every weight of %s unchanged at sparsity 0, bit for bit",
    async (family) => {
      const before = tiny(family);
      const after = await prune(before, { sparsity: 0 });
      for (const [name, { data }] of before.tensors) expect(after.tensors.get(name)!.data).toEqual(data);
      expect(dense(after)).toEqual(dense(before));
    },
  );

  it("sets everything to zero at sparsity 1", async () => {
    const after = await prune(tiny("llama"), { sparsity: 1 });
    for (const [role, { data }] of dense(after))
      if (role.endsWith("proj")) expect(zeros(data)).toBe(data.length);
  });

  it("moves further from the dense weights the fewer are left, in every scope", async () => {
    const before = tiny("gpt2");
    const original = dense(before);
    for (const scope of ["layer", "row", "global"]) {
      let last = -1;
      for (const sparsity of [0, 0.2, 0.4, 0.6, 0.8, 1]) {
        let error = 0;
        for (const [role, { data }] of dense(await prune(before, { sparsity, scope })))
          data.forEach((each, i) => (error += (each - original.get(role)!.data[i]!) ** 2));
        expect(error).toBeGreaterThan(last);
        last = error;
      }
    }
  });

  it("drops exactly as many as each scope specifies", async () => {
    for (const family of ["gpt2", "llama"]) {
      const before = tiny(family);
      const projections = async (options: Record<string, unknown>) =>
        [...dense(await prune(before, options))]
          .filter(([role]) => role.endsWith("proj"))
          .map(([, each]) => each);
      for (const { data } of await projections({ sparsity: 0.37 }))
        expect(zeros(data)).toBe(Math.floor(0.37 * data.length));
      for (const { data, inputs, outputs } of await projections({ sparsity: 0.37, scope: "row" }))
        for (let output = 0; output < outputs; output++)
          expect(zeros(Array.from({ length: inputs }, (_, i) => data[i * outputs + output]!))).toBe(
            Math.floor(0.37 * inputs),
          );
      const all = (await projections({ sparsity: 0.37, scope: "global" })).map(({ data }) => data);
      const total = all.reduce((count, data) => count + data.length, 0);
      expect(all.reduce((count, data) => count + zeros(data), 0)).toBe(Math.floor(0.37 * total));
    }
  });

  it("drops no weight larger than a kept one", async () => {
    const before = tiny("llama");
    const original = dense(before);
    for (const [role, { data }] of dense(await prune(before, { sparsity: 0.5 }))) {
      if (!role.endsWith("proj")) continue;
      const kept = Math.min(...data.filter((each) => each !== 0).map(Math.abs));
      const dropped = Math.max(
        ...original
          .get(role)!
          .data.filter((_, i) => data[i] === 0)
          .map(Math.abs),
      );
      expect(dropped).toBeLessThanOrEqual(kept);
    }
  });

  it("keeps two of every four inputs of an output with 2:4, in either layout", async () => {
    for (const family of ["gpt2", "llama"])
      for (const [role, { data, inputs, outputs }] of dense(
        await prune(tiny(family), { mask_structure: "2:4" }),
      )) {
        if (!role.endsWith("proj")) continue;
        for (let output = 0; output < outputs; output++)
          for (let first = 0; first < inputs; first += 4) {
            const group = [0, 1, 2, 3].map((i) => data[(first + i) * outputs + output]!);
            expect(zeros(group), role).toBe(2);
          }
      }
  });

  it("prunes the parts of a packed matrix separately, and leaves the other parts unchanged", async () => {
    const before = tiny("phi3");
    const after = await prune(before, { sparsity: 0.5, targets: ["*.q_proj", "*.gate_proj"] });
    const found = dense(after);
    const packed = dense(before).get("layers.1.self_attn.qkv_proj")!;
    const columns = (from: number, to: number) =>
      Float32Array.from({ length: packed.inputs * (to - from) }, (_, i) => {
        const row = Math.floor(i / (to - from));
        return packed.data[row * packed.outputs + from + (i % (to - from))]!;
      });
    expect(found.get("layers.1.self_attn.k_proj")!.data).toEqual(columns(16, 24));
    expect(found.get("layers.1.self_attn.v_proj")!.data).toEqual(columns(24, 32));
    const q = found.get("layers.1.self_attn.q_proj")!.data;
    expect(zeros(q)).toBe(128);
    const wanted = columns(0, 16);
    q.forEach((each, i) => expect([0, wanted[i]]).toContain(each));
  });

  it("never restores weights that were dropped before", async () => {
    const once = await prune(tiny("llama"), { sparsity: 0.6 });
    const less = await prune(once, { sparsity: 0.2 });
    expect(dense(less)).toEqual(dense(once));
    const plan = magnitude.plan(once.shape, magnitude.options.parse({ sparsity: 0.2 }));
    expect(plan.after).toEqual(plan.before);
    const more = await prune(once, { sparsity: 0.8 });
    expect(dense(more)).toEqual(dense(await prune(tiny("llama"), { sparsity: 0.8 })));
    expect(countModel(more.shape)).toEqual(
      magnitude.plan(once.shape, magnitude.options.parse({ sparsity: 0.8 })).after,
    );
  });
});

describe("further training", () => {
  let engine: Engine;
  beforeAll(async () => (engine = await openEngine("cpu")));
  afterAll(() => engine[Symbol.asyncDispose]());

  it.each(["adamw", "sgd"])("keeps zeros and changes the rest, with %s and weight decay", async (optim) => {
    using folder = createTemporaryFolder();
    using data = await openGrammarData(folder.path);
    const shape = createTinyShape("llama", { vocab_size: data.tokenizer.vocabSize });
    const pruned = await prune({ shape, tensors: drawModelTensors(shape, 4) }, { sparsity: 0.5 });
    const options = {
      max_steps: 5,
      learning_rate: 0.01,
      weight_decay: 0.1,
      optim,
      per_device_train_batch_size: 4,
    };
    const { tensors } = await train(
      {
        engine,
        trainee: createTrainee(pruned.shape),
        tensors: pruned.tensors,
        train: data.train,
        validation: undefined,
        prepare: undefined,
        options: trainSchema.parse(options),
        seed: 1,
        action: 0,
      },
      {
        metrics: () => undefined,
        progress: () => undefined,
        verdict: async () => "run",
        save: () => undefined,
        log: () => undefined,
      },
    );
    for (const { stored } of listMatrixSlots(pruned.shape))
      for (const { matrix, type } of stored) {
        if (type !== "masked") continue;
        const mask = pruned.tensors.get(maskName(matrix))!.data;
        expect(tensors.get(maskName(matrix))!.data).toEqual(mask);
        const [before, after] = [pruned, { tensors }].map(
          (each) => each.tensors.get(weightName(matrix))!.data,
        );
        mask.forEach((isKept, i) => {
          if (isKept === 0) expect(after![i]).toBe(0);
        });
        expect(after!.filter((each, i) => mask[i] === 1 && each !== before![i]).length).toBeGreaterThan(0);
      }
  });
});
