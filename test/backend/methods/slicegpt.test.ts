/** Slicing is exact where the residual stream has fewer dimensions than channels, and reports what it keeps elsewhere. */
import { expect, it } from "vitest";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import { createRandomBasis } from "../../../src/backend/compression/algebra/orthogonal";
import { multiply } from "../../../src/backend/compression/algebra/linearAlgebra";
import minitron from "../../../src/backend/methods/minitron";
import slicegpt from "../../../src/backend/methods/slicegpt";
import { countModel } from "../../../src/backend/models/accounting";
import { createShape, dimensionsOf, listMatrixSlots } from "../../../src/backend/models/model";
import { fromInOut, toInOut, weightName } from "../../../src/backend/representations/dense";
import { useGrammar } from "../../support/grammar";
import { createLabWithText } from "../../support/lab";
import { computePlainLogits } from "../../support/plainLogits";
import { computeRelativeError, createUniform } from "../../support/sampleValues";
import { createTinyShape, drawModelTensors } from "../../support/subject";

const grammar = useGrammar();
const calibration = { samples: 16, batch_size: 4 };
const parse = (options: object) => slicegpt.options.parse({ calibration, ...options });

function draw(family: string, changes = {}): Checkpoint {
  const shape = createTinyShape(family, { vocab_size: 12, ...changes });
  return { shape, tensors: drawModelTensors(shape, 7) };
}

/** Projects everything that is written to the residual stream onto `rank` random directions of 16. */
function confine({ shape, tensors }: Checkpoint, rank: number): Checkpoint {
  const basis = createRandomBasis(16, createUniform(8)).subarray(0, 16 * rank);
  const out = new Map(tensors);
  for (const { matrix } of listMatrixSlots(shape)) {
    if (matrix.axes[1].kind !== "hidden") continue;
    const name = weightName(matrix);
    const dense = toInOut(tensors.get(name)!.data as Float32Array, matrix);
    const components = Float64Array.from({ length: matrix.inputs * rank }, (_, at) => {
      const [row, k] = [Math.floor(at / rank), at % rank];
      let sum = 0;
      for (let i = 0; i < 16; i++) sum += dense[row * 16 + i]! * basis[k * 16 + i]!;
      return sum;
    });
    const projected = Float32Array.from(multiply(components, basis, [matrix.inputs, rank, 16]));
    out.set(name, { shape: tensors.get(name)!.shape, data: fromInOut(projected, matrix) });
  }
  return { shape, tensors: out };
}

it.each([
  ["llama", {}],
  ["llama", { tie_word_embeddings: true }],
  ["qwen2", { num_labels: 3 }],
  ["phi3", {}],
])("is exact for a %s %j with a stream of 8 dimensions", async (family, changes) => {
  const before = confine(draw(family, changes), 8);
  const said: string[] = [];
  const lab = createLabWithText(grammar.engine, grammar.data, { log: (message) => said.push(message) });
  const after = await slicegpt.apply(before, parse({ rate: 0.5 }), lab);
  expect(dimensionsOf(after.shape)).toMatchObject({ width: 8, headDim: 4 });
  expect(createShape(after.shape.config)).toEqual(after.shape);
  expect(computeRelativeError(computePlainLogits(after), computePlainLogits(before))).toBeLessThan(2e-3);
  expect(said.at(-1)).toMatch(/^8 of 16 principal components hold 100.0 % to 100.0 % of the squares/);
});

it("keeps more of a function than removing channels, and less at a higher rate", async () => {
  const before = draw("qwen2");
  const was = computePlainLogits(before);
  const errorOf = async (after: Promise<Checkpoint>) => {
    const is = computePlainLogits(await after);
    return Math.sqrt(is.reduce((sum, each, i) => sum + (each - was[i]!) ** 2, 0));
  };
  const lab = createLabWithText(grammar.engine, grammar.data);
  const errors: number[] = [];
  for (const rate of [0.125, 0.25, 0.5])
    errors.push(await errorOf(slicegpt.apply(before, parse({ rate }), lab)));
  expect(errors).toEqual([...errors].sort((a, b) => a - b));
  const cut = minitron.options.parse({ rate: 0.25, parts: ["hidden"], calibration });
  expect(errors[1]).toBeLessThan(await errorOf(minitron.apply(before, cut, lab)));
});

it("counts a head that was tied, and refuses widths that heads determine", () => {
  const tied = createTinyShape("llama", { tie_word_embeddings: true });
  const { before, after } = slicegpt.plan(tied, parse({ rate: 0.5 }));
  const head = after.roles.find(({ role }) => role === "lm_head")!;
  expect(head.stored).toBe(32 * 8);
  expect(after.total.stored).toBeLessThan(before.total.stored);
  expect(countModel(slicegpt.plan(tied, parse({ rate: 0 })).shape)).toEqual(before);
  expect(() => slicegpt.plan(createTinyShape("gpt2"), parse({}))).toThrow(/width of gpt2 models is always/);
  expect(() => slicegpt.plan(createTinyShape("bert"), parse({}))).toThrow(/norms of bert models/);
  expect(() => slicegpt.plan(createTinyShape("gemma2"), parse({}))).toThrow(/norms of gemma2 models/);
  expect(() => slicegpt.plan(createTinyShape("phi"), parse({}))).toThrow(
    /layer norms of phi models subtract the mean/,
  );
  expect(() => slicegpt.plan(tied, parse({ multiple_of: 32 }))).toThrow(/multiple of 32/);
});
