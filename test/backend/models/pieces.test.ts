/** Matrices that store smaller ones: every piece in any representation, with the function, names and counts of the whole. */
import { describe, expect, it } from "vitest";
import { checkTensors, type Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import { pack } from "../../../src/backend/coding/pack";
import { createTextMask } from "../../../src/backend/compression/calibration/observe";
import layerdrop from "../../../src/backend/methods/layerdrop";
import { removeMasks } from "../../../src/backend/exports/removeMasks";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input, type Value } from "../../../src/backend/graph/op";
import { matmul } from "../../../src/backend/graph/ops/matmul";
import { countModel } from "../../../src/backend/models/accounting";
import { createClassifierShape } from "../../../src/backend/models/classifier";
import type { RepresentationChoices } from "../../../src/backend/models/family";
import { exportTensors } from "../../../src/backend/models/huggingFace";
import { buildInferenceForward, toInferenceTensors } from "../../../src/backend/models/inference";
import {
  createValue,
  forward,
  listMatrixSlots,
  type ModelShape,
  parametersOf,
  withRepresentations,
} from "../../../src/backend/models/model";
import { describeStorage } from "../../../src/backend/models/weights";
import type { StoredTensor, TensorData } from "../../../src/backend/representations/representation";
import { useGrammar } from "../../support/grammar";
import { createLabWithText, plainLab } from "../../support/lab";
import { computeRelativeError } from "../../support/sampleValues";
import { createTinyShape, drawModelTensors } from "../../support/subject";

const up = "layers.0.mlp.up_proj";
const down = "layers.0.mlp.down_proj";
const name = "model.layers.0.mlp.up_proj";
const dense = createTinyShape("llama", { hidden_size: 32, intermediate_size: 48 });
const tokens = [1, 5, 2, 7];

const choose = (...choices: readonly (readonly [role: string, type: string, options?: object])[]) =>
  Object.fromEntries(choices.map(([role, type, options]) => [role, { type, options: { ...options } }]));
const factored = [up, "factored", { rank: 16 }] as const;
const narrow = { sites: [[8, 8], [4, 6]], bonds: [2] }; // prettier-ignore
const wide = { sites: [[8, 8], [4, 6]], bonds: [24] }; // prettier-ignore

const cases: readonly (readonly [string, RepresentationChoices])[] = [
  ["a quantized and a masked factor", choose(factored, [`${up}.in`, "quantised", { bits: 4 }], [`${up}.out`, "masked"])],
  ["a clustered factor", choose(factored, [`${up}.out`, "clustered", { clusters: 256 }])],
  ["a tied factor", choose(factored, [`${up}.in`, "tied", { tied: 5 }])],
  ["factors of a factor", choose(factored, [`${up}.in`, "factored", { rank: 3 }], [`${up}.in.out`, "masked"])],
  ["codes of what is left", choose([down, "sliced", { inputs: 32 }], [`${down}.kept`, "quantised", { bits: 3, group_size: 16 }])],
  ["factors of what is left", choose([down, "sliced", { inputs: 20, outputs: 30 }], [`${down}.kept`, "factored", { rank: 4 }])],
  ["cores with codes", choose([up, "mpo", narrow], [`${up}.core_1`, "quantised", { bits: 4 }])],
  ["wide cores, one tied", choose([up, "mpo", wide], [`${up}.core_2`, "tied", { tied: 3 }])],
  ["wide cores, one masked", choose([up, "mpo", wide], [`${up}.core_2`, "masked"])],
  ["codes with an adapter", choose([up, "adapted", { r: 3 }], [`${up}.base`, "quantised", { bits: 4, group_size: 16 }])],
  ["a mask with an adapter of norms", choose([up, "adapted", { r: 3, use_dora: true }], [`${up}.base`, "masked"])],
  ["factors with an adapter", choose([up, "adapted", { r: 2 }], [`${up}.base`, "factored", { rank: 5 }])],
  ["codes with an adapter of norms", choose([down, "adapted", { r: 3, use_dora: true }], [`${down}.base`, "quantised"])],
  ["a factored embedding with codes", choose(["embed_tokens", "factored", { rank: 16 }], ["embed_tokens.out", "quantised", { bits: 8 }])],
]; // prettier-ignore

const draw = (shape: ModelShape): Checkpoint => ({ shape, tensors: drawModelTensors(shape, 3) });
const sourceOf =
  ({ tensors }: Checkpoint) =>
  (tensor: string): TensorData =>
    tensors.get(tensor)!.data as TensorData;

function evaluate(logits: Value, tensors: ReadonlyMap<string, StoredTensor>): Float64Array {
  const feeds = Object.fromEntries([...tensors].map(([key, { data }]) => [key, Array.from(data, Number)]));
  return Float64Array.from(evaluateGraph({ outputs: { logits } }, { ...feeds, tokens })["logits"]!);
}

const inputs = { tokens: input("tokens", [1, 4], "int32") };
function computeLogits(model: Checkpoint): Float64Array {
  const values = new Map(parametersOf(model.shape).map((spec) => [spec.name, createValue(spec)]));
  return evaluate(
    forward(model.shape, (each) => values.get(each)!, inputs),
    model.tensors as ReadonlyMap<string, StoredTensor>,
  );
}

describe.each(cases)("%s", (_, choices) => {
  const model = draw(withRepresentations(dense, choices));
  const source = sourceOf(model);
  const written = [...exportTensors(model.shape, source)].map(
    ({ name: tensor, shape, data }) => [tensor, { shape, data }] as const,
  );
  const wanted = computeLogits({ shape: { ...model.shape, representations: {} }, tensors: new Map(written) });

  it("has the function of the dense matrix", () => {
    expect(computeRelativeError(computeLogits(model), wanted)).toBeLessThan(1e-5);
  });

  it.each(["engine", "microsoft", "standard"] as const)("has it in the form for %s", (target) => {
    const tensors = toInferenceTensors(model.shape, model.tensors, target) as ReadonlyMap<
      string,
      StoredTensor
    >;
    const isNibbles = [...tensors.values()].some(({ dtype }) => dtype === "uint8");
    const logits = buildInferenceForward(model.shape, inputs, {}, target);
    // Packed codes are evaluated by the engine only, in `inference.test.ts`.
    if (!isNibbles) expect(computeRelativeError(evaluate(logits, tensors), wanted)).toBeLessThan(1e-5);
  });

  it("counts the bits that a packed file has, and knows them from the shape", () => {
    const counted = countModel(model.shape, { tensors: source });
    const { bits } = pack(model, { dtype: "float32", entropyCoding: false });
    const seeds = Object.values(choices).filter(({ type }) => type === "tied").length * 32;
    const writtenBits = [...bits.values()].reduce((sum, each) => sum + each, 0);
    expect(writtenBits + seeds).toBe(counted.total.bits);
  });

  it("keeps its names and roles", () => {
    const specs = parametersOf(model.shape);
    expect(new Set(specs.map(({ name: tensor }) => tensor)).size).toBe(specs.length);
    const known = new Set(parametersOf(dense).map(({ role }) => role));
    expect(specs.filter(({ role }) => !known.has(role))).toEqual([]);
  });
});

it("names dense pieces as files of earlier versions do", () => {
  const namesOf = (choices: RepresentationChoices) =>
    parametersOf(withRepresentations(dense, choices))
      .filter(({ role }) => role === up)
      .map(({ name: tensor, shape }) => [tensor, shape]);
  expect(namesOf(choose(factored))).toEqual([
    [`${name}.weight_in`, [32, 16]],
    [`${name}.weight_out`, [16, 48]],
  ]);
  expect(namesOf(choose([up, "mpo", narrow]))).toEqual([
    [`${name}.weight_1`, [1, 8, 8, 2]],
    [`${name}.weight_2`, [2, 4, 6, 1]],
  ]);
  expect(namesOf(choose([up, "sliced", { outputs: 20 }]))).toEqual([[`${name}.weight`, [20, 32]]]);
});

it("describes how a matrix is stored, and refuses pieces that it does not have", () => {
  const shape = withRepresentations(dense, choose(factored, [`${up}.in`, "masked"]));
  const slot = listMatrixSlots(shape).find(({ matrix }) => matrix.role === up)!;
  expect(describeStorage(slot.stored[0]!)).toBe("factored of masked and dense");
  expect(() => withRepresentations(dense, choose([`${up}.in`, "masked"]))).toThrow(
    `The model has no matrix ${up}.in.`,
  );
});

it("a matrix with another representation loses its old pieces, and others keep theirs", () => {
  const both = withRepresentations(
    dense,
    choose(factored, [`${up}.in`, "masked"], [down, "factored", { rank: 4 }], [`${down}.in`, "masked"]),
  );
  expect(Object.keys(withRepresentations(both, choose([up, "clustered"])).representations)).toEqual([
    up,
    down,
    `${down}.in`,
  ]);
});

it("a new head has none of the pieces of the head that it replaces", () => {
  const shape = withRepresentations(
    dense,
    choose(["lm_head", "factored", { rank: 4 }], ["lm_head.in", "masked"], factored, [`${up}.in`, "masked"]),
  );
  const { representations } = createClassifierShape(shape, { kind: "classes", names: ["no", "yes"] });
  expect(Object.keys(representations)).toEqual([up, `${up}.in`]);
});

it("moves with its layer, with the same values", async () => {
  const role = "layers.1.mlp.up_proj";
  const choices = choose([role, "factored", { rank: 8 }], [`${role}.in`, "tied", { tied: 4, seed: 2 }]);
  const before = draw(withRepresentations(dense, choices));
  const after = await layerdrop.apply(before, layerdrop.options.parse({ keep: [1] }), plainLab);
  checkTensors("the result", after.shape, after.tensors);
  const denseOf = (model: Checkpoint, at: string) => {
    const stored = listMatrixSlots(model.shape).find(({ matrix }) => matrix.role === at)!.stored[0]!;
    return stored.representation.materialize(sourceOf(model), stored.matrix, stored.options);
  };
  expect(denseOf(after, up)).toEqual(denseOf(before, role));
});

it("removes the masks of pieces for an export, where the tensor has other values below them", () => {
  const model = draw(withRepresentations(dense, choose([up, "mpo", narrow], [`${up}.core_1`, "masked"])));
  const plain = removeMasks(model);
  checkTensors("the result", plain.shape, plain.tensors);
  expect(computeLogits(plain)).toEqual(computeLogits(model));
});

describe("calibration", () => {
  const grammar = useGrammar();
  const gram = (x: Value) => ({ gram: matmul(x, x, { transposeA: true }) });

  it("reads the inputs of each piece", async () => {
    const shape = withRepresentations(createTinyShape("llama"), {
      ...choose([up, "factored", { rank: 3 }], [down, "sliced", { inputs: 8 }]),
      ...choose(["layers.1.mlp.up_proj", "mpo", { sites: [[4, 4], [4, 6]], bonds: [16] }]), // prettier-ignore
    });
    const model = draw(shape);
    const roles = [up, `${up}.in`, `${up}.out`, down, `${down}.kept`, "layers.1.mlp.up_proj.core_2"];
    const observed = await createLabWithText(grammar.engine, grammar.data).observe(
      model,
      new Map(roles.map((role) => [role, gram])),
      { samples: 2, batch_size: 2 },
    );
    const gramOf = (role: string) => Array.from(observed.get(role)!["gram"]!);
    expect(gramOf(`${up}.in`)).toEqual(gramOf(up));
    const factor = sourceOf(model)(`${name}.weight_in`);
    const projected = Array.from({ length: 9 }, (_, at) => {
      let sum = 0;
      for (let i = 0; i < 16; i++)
        for (let j = 0; j < 16; j++)
          sum += factor[i * 3 + Math.floor(at / 3)]! * gramOf(up)[i * 16 + j]! * factor[j * 3 + (at % 3)]!;
      return sum;
    });
    expect(computeRelativeError(gramOf(`${up}.out`), projected)).toBeLessThan(1e-4);
    const left = gramOf(down).filter((_, i) => Math.floor(i / 24) < 8 && i % 24 < 8);
    expect(computeRelativeError(gramOf(`${down}.kept`), left)).toBeLessThan(1e-5);
    expect(gramOf("layers.1.mlp.up_proj.core_2")).toHaveLength(64 ** 2);
  });

  it("does not count padding in any row of a core", () => {
    const segments = input("segments", [1, 3], "int32");
    const mask = createTextMask({ rows: 1, length: 3 } as never, { segments } as never);
    const x = input("x", [6, 2]);
    const results = evaluateGraph(
      { outputs: { counted: mask.countRows(x), kept: mask.keep(x) } },
      { segments: [1, 1, 0], x: Array.from({ length: 12 }, (_, i) => i + 1) },
    );
    expect(Array.from(results["counted"]!)).toEqual([1, 1, 1, 1, 0, 0]);
    expect(Array.from(results["kept"]!)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0]);
  });
});
