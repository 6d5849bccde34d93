/** GraphHash: rows that tokens share, what they cost, how they train, and what is refused. */
import { describe, expect, it } from "vitest";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import graphhash from "../../../src/backend/methods/graphhash";
import { countModel } from "../../../src/backend/models/accounting";
import { listMatrixSlots } from "../../../src/backend/models/model";
import indexed, {
  countIndexBits,
  encodeIndices,
  readIndices,
  tableName,
} from "../../../src/backend/representations/indexed";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input } from "../../../src/backend/graph/op";
import type { TensorData } from "../../../src/backend/representations/representation";
import { useGrammar } from "../../support/grammar";
import { createLabWithText, plainLab } from "../../support/lab";
import { createMatrixSpec } from "../../support/matrix";
import { createLookup, createValues } from "../../support/tensors";
import { tiny } from "./shrinkSamples";

const grammar = useGrammar();
const lab = () => createLabWithText(grammar.engine, grammar.data);
const options = (given: object) => graphhash.options.parse(given);
const role = "embed_tokens";

const slotOf = ({ shape }: Pick<Checkpoint, "shape">) =>
  listMatrixSlots(shape).find(({ matrix }) => matrix.role === role)!;
const sourceOf =
  ({ tensors }: Checkpoint) =>
  (name: string) =>
    tensors.get(name)!.data as TensorData;
function denseOf(model: Checkpoint): Float32Array {
  const { matrix, representation, options: stored } = slotOf(model).stored[0]!;
  return representation.materialize(sourceOf(model), matrix, stored);
}
const rowsOf = (model: Checkpoint, rows: number) =>
  readIndices(sourceOf(model), slotOf(model).matrix, { rows });

describe("the table", () => {
  it.each(["graph", "random", "frequency"])("by %s has the planned rows and bits", async (by) => {
    const before = tiny();
    const { inputs, outputs } = slotOf(before).matrix;
    const plan = graphhash.plan(before.shape, options({ rows: 5, by }));
    const after = await graphhash.apply(before, options({ rows: 5, by }), lab());
    expect(countModel(after.shape)).toEqual(plan.after);
    const { bits } = plan.after.roles.find((each) => each.role === role)!;
    expect(bits).toBe(5 * outputs * 32 + inputs * 3);
    expect(after.tensors.get(tableName(slotOf(after).matrix))!.shape).toEqual([5, outputs]);
    expect(Math.max(...rowsOf(after, 5))).toBeLessThan(5);
  });

  it("has the means of the rows that share one, which no other table comes nearer to", async () => {
    const before = tiny();
    const after = await graphhash.apply(before, options({ rows: 4, average: "equal" }), lab());
    const [dense, found, rows] = [denseOf(before), denseOf(after), rowsOf(after, 4)];
    const width = dense.length / rows.length;
    for (let row = 0; row < 4; row++)
      for (let i = 0; i < width; i++) {
        const members = [...rows.keys()].filter((token) => rows[token] === row);
        const mean = members.reduce((sum, token) => sum + dense[token * width + i]!, 0) / members.length;
        for (const token of members) expect(found[token * width + i]).toBeCloseTo(mean, 6);
      }
  });

  it("keeps every row bit for bit at a rate of 0", async () => {
    expect(await graphhash.apply(tiny(), options({ rate: 0 }), lab())).toEqual(tiny());
  });

  it("by hash is determined by the seed, and needs no text with equal weights", async () => {
    const apply = (seed: number) =>
      graphhash.apply(tiny(), options({ by: "random", average: "equal", seed }), plainLab);
    expect(await apply(1)).toEqual(await apply(1));
    expect(denseOf(await apply(1))).not.toEqual(denseOf(await apply(2)));
  });
});

it("trains the shared rows, so that tokens of a cluster keep one", async () => {
  const before = await graphhash.apply(tiny(), options({ rows: 6 }), lab());
  const training = { max_steps: 5, per_device_train_batch_size: 2, learning_rate: 0.01 };
  const after = await lab().train(before, training as never);
  const table = tableName(slotOf(before).matrix);
  expect(after.tensors.get(table)).not.toEqual(before.tensors.get(table));
  expect(rowsOf(after, 6)).toEqual(rowsOf(before, 6));
});

describe("indices", () => {
  const rows = 70000;
  const matrix = createMatrixSpec(5, 2, { layout: "in_out", kind: "embedding" });
  const wanted = [69999, 0, 255, 256, 65536];
  const table = Float32Array.from({ length: 2 * rows }, (_, i) => i);

  it("of more than 8 bits are digits that are read as one number", () => {
    const digits = new Map(encodeIndices(wanted, matrix, { rows }).map(([name, { data }]) => [name, data]));
    expect(digits.size).toBe(3);
    expect(Array.from(readIndices(createLookup(digits), matrix, { rows }))).toEqual(wanted);
    const specs = indexed.parameters(matrix, { rows });
    const bits = specs.reduce((sum, { packing }) => sum + (packing?.integers?.bits ?? 0), 0);
    expect(bits).toBe(countIndexBits(rows));
    const ids = input("ids", [3], "int32");
    const y = indexed.lookup!(ids, createLookup(createValues(specs)), matrix, { rows });
    const feeds = {
      ids: [4, 0, 3],
      [tableName(matrix)]: Array.from(table),
      ...Object.fromEntries([...digits].map(([name, data]) => [name, Array.from(data)])),
    };
    const found = evaluateGraph({ outputs: { y } }, feeds)["y"]!;
    expect(Array.from(found)).toEqual([131072, 131073, 139998, 139999, 512, 513]);
  });
});

describe("bad input", () => {
  it("tied heads are refused with what to do", () => {
    const before = tiny("gpt2");
    expect(() => graphhash.plan(before.shape, options({}))).toThrow(/the head reads the rows.*quarot/s);
  });

  it("more rows than there are tokens are refused", () => {
    expect(() => graphhash.plan(tiny().shape, options({ rows: 10_000 }))).toThrow(/rows is 10000, but embed_tokens has \d+/); // prettier-ignore
  });
});
