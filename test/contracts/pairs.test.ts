/**
 * The contract of two methods in a row, for every ordered pair: the second is refused with the reason in the plan, or works on
 * what the first has stored. The result has the function of its dense matrices, the planned counts and the counted bits.
 */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createPairOptions, createPairShape, planPairs } from "../../scripts/methodPairs";
import {
  type Checkpoint,
  checkTensors,
  readCheckpoint,
  writeCheckpoint,
} from "../../src/backend/checkpoints/checkpoint";
import { pack } from "../../src/backend/coding/pack";
import type { Plan } from "../../src/backend/compression/method";
import { evaluateGraph } from "../../src/backend/graph/evaluate";
import { input } from "../../src/backend/graph/op";
import { methods } from "../../src/backend/methods/catalog";
import { countModel } from "../../src/backend/models/accounting";
import { exportTensors } from "../../src/backend/models/huggingFace";
import { createValue, forward, listMatrixSlots, parametersOf } from "../../src/backend/models/model";
import { listLeaves, type StoredMatrix } from "../../src/backend/models/weights";
import type { TensorData } from "../../src/backend/representations/representation";
import { useGrammar } from "../support/grammar";
import { createLabWithText } from "../support/lab";
import { computeRelativeError } from "../support/sampleValues";
import type { ModelCounts } from "../../src/protocol/counts";
import { createTemporaryFolder, drawModelTensors } from "../support/subject";

const grammar = useGrammar();
const pairs = planPairs();
const lab = () => createLabWithText(grammar.engine, grammar.data);

const results = new Map<string, Promise<Checkpoint>>();
/** The result of the first method, computed once. */
function applyFirst(name: string): Promise<Checkpoint> {
  const method = methods[name]!;
  const shape = createPairShape();
  const result =
    results.get(name) ??
    method.apply({ shape, tensors: drawModelTensors(shape, 4) }, createPairOptions(method), lab());
  results.set(name, result);
  return result;
}

const createSource =
  ({ tensors }: Checkpoint) =>
  (name: string): TensorData =>
    tensors.get(name)!.data as TensorData;

function computeLogits({ shape, tensors }: Checkpoint): ArrayLike<number> {
  const values = new Map(parametersOf(shape).map((spec) => [spec.name, createValue(spec)]));
  const logits = forward(shape, (name) => values.get(name)!, { tokens: input("tokens", [1, 4], "int32") });
  const feeds = Object.fromEntries([...tensors].map(([name, { data }]) => [name, Array.from(data, Number)]));
  return evaluateGraph({ outputs: { logits } }, { ...feeds, tokens: [1, 5, 2, 7] })["logits"]!;
}

/** The same model with its matrices written out. */
function toDense(model: Checkpoint): Checkpoint {
  const { family, config } = model.shape;
  return {
    shape: { family, config, representations: {} },
    tensors: new Map(
      [...exportTensors(model.shape, createSource(model))].map(({ name, shape, data }) => [
        name,
        { shape, data },
      ]),
    ),
  };
}

const listAllLeaves = ({ shape }: Checkpoint): StoredMatrix[] =>
  listMatrixSlots(shape).flatMap(({ stored }) => stored.flatMap(listLeaves));

/** The bits that choose tied rows and hashed places: seeds and the layers that they were drawn for, which are in the manifest. */
function countSeedBits(model: Checkpoint): number {
  return listAllLeaves(model)
    .filter(({ type }) => type === "tied" || type === "hashed")
    .map(({ representation, matrix, options }) => representation.count(matrix, options))
    .reduce((sum, { bits, stored }) => sum + bits - 32 * stored, 0);
}

/** The places at which each stored matrix is zero, and its number of different values. */
function describeStructure(model: Checkpoint) {
  return listAllLeaves(model).map(({ matrix, type, representation, options }) => {
    const dense = representation.materialize(createSource(model), matrix, options);
    return {
      role: matrix.role,
      zeros: type === "dense" ? [] : [...dense.keys()].filter((i) => dense[i] === 0),
      values: new Set(dense).size,
    };
  });
}

/** Without the numbers of zeros: biases that a method adds can be zero, which a plan does not know. */
function dropZeros({ roles, total }: ModelCounts) {
  return [...roles, total].map(({ nonZero: _, ...counts }) => counts);
}

function expectCounts(plan: Plan, after: Checkpoint): void {
  const counts = countModel(after.shape, { tensors: createSource(after) });
  expect(dropZeros(countModel(after.shape))).toEqual(dropZeros(counts));
  if (plan.exact === "roles") expect(dropZeros(counts)).toEqual(dropZeros(plan.after));
  if (plan.exact === "total") expect(counts.total.bits).toBe(plan.after.total.bits);
  if (plan.exact === "most") expect(counts.total.stored).toBeLessThanOrEqual(plan.after.total.stored);
  const written = pack(after, { dtype: "float32", entropyCoding: false });
  const bits = [...written.bits.values()].reduce((sum, each) => sum + each, 0);
  expect(bits + countSeedBits(after)).toBe(counts.total.bits);
}

describe.each(Object.keys(methods))("%s", (first) => {
  const seconds = pairs.filter((pair) => pair.first === first);

  it.each(seconds.filter(({ refusal }) => refusal === undefined))("then $second", async ({ second }) => {
    const before = await applyFirst(first);
    const method = methods[second]!;
    const options = createPairOptions(method);
    const plan = method.plan(before.shape, options);
    const after = await method.apply(before, options, lab());
    checkTensors("the result", after.shape, after.tensors);
    expectCounts(plan, after);
    expect(computeRelativeError(computeLogits(after), computeLogits(toDense(after)))).toBeLessThan(1e-5);
    using folder = createTemporaryFolder();
    writeCheckpoint(join(folder.path, "model"), after);
    expect(readCheckpoint(join(folder.path, "model"))).toEqual(after);
  });

  it.each(seconds.filter(({ refusal }) => refusal !== undefined))(
    "refuses $second in the plan and in the method",
    async ({ second, refusal }) => {
      expect(refusal).toMatch(/cannot be (applied|stored)/);
      const method = methods[second]!;
      const options = createPairOptions(method);
      const before = await applyFirst(first);
      expect(() => method.plan(before.shape, options)).toThrow(refusal);
      await expect(method.apply(before, options, lab())).rejects.toThrow(refusal);
    },
  );
});

describe.each(["flap", "svd", "kron"])("a step of training after %s", (first) => {
  it.each(["magnitude", "irc"])("and %s keeps zeros and equal weights of the pieces", async (second) => {
    const method = methods[second]!;
    const model = await method.apply(await applyFirst(first), createPairOptions(method), lab());
    const trained = await lab().train(model, { max_steps: 1, per_device_train_batch_size: 2 } as never);
    const now = describeStructure(trained);
    expect(trained.tensors).not.toEqual(model.tensors);
    describeStructure(model).forEach(({ zeros, values }, i) => {
      expect(now[i]!.zeros).toEqual(expect.arrayContaining(zeros));
      expect(now[i]!.values).toBeLessThanOrEqual(values);
    });
  });
});
