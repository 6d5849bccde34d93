/**
 * The contract of every method, on the smallest models of families that compute differently: results as planned, exact counts, and no change
 * at a rate of zero.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { countModel } from "../../src/backend/models/accounting";
import { methods } from "../../src/backend/methods/catalog";
import type { AnyMethod, Lab, Plan } from "../../src/backend/compression/method";
import {
  type Checkpoint,
  checkTensors,
  readCheckpoint,
  writeCheckpoint,
} from "../../src/backend/checkpoints/checkpoint";
import { WorkbenchError } from "../../src/protocol/errors";
import { dimensionsOf, listMatrixSlots } from "../../src/backend/models/model";
import { countNonZeros } from "../../src/backend/representations/representation";
import { distinctFamilies } from "../support/families";
import { useGrammar } from "../support/grammar";
import { createLabWithText } from "../support/lab";
import { drawModelTensors, createTemporaryFolder, createTinyShape } from "../support/subject";

const grammar = useGrammar();
/** A new one each time, since a lab counts training steps across methods. */
const lab = (): Lab => createLabWithText(grammar.engine, grammar.data);

function tinyCheckpoint(family: string): Checkpoint {
  const shape = createTinyShape(family);
  return { shape, tensors: drawModelTensors(shape, 4) };
}

/** The embeddings and the head, which few methods have among their own targets. */
function listOtherRoles(family: string): string[] {
  return listMatrixSlots(createTinyShape(family))
    .filter(({ matrix }) => matrix.kind !== "projection")
    .map(({ matrix }) => matrix.role);
}

/** Undefined if the model is refused. */
async function applied(
  method: AnyMethod,
  given: Readonly<Record<string, unknown>>,
  before: Checkpoint,
): Promise<Checkpoint | undefined> {
  const options = method.options.parse(given) as unknown;
  try {
    method.plan(before.shape, options);
  } catch {
    return undefined;
  }
  return method.apply(before, options, lab());
}

function expectRefused(
  method: AnyMethod,
  given: Readonly<Record<string, unknown>>,
  { shape }: Checkpoint,
): void {
  const refused = expect(() => method.plan(shape, method.options.parse(given)));
  refused.toThrow(WorkbenchError);
  refused.toThrow(/cannot be applied|cannot be stored|cannot be compressed/);
}

/** The dense matrix of every role, with the parts of packed ones separately. */
function matricesOf({ shape, tensors }: Checkpoint): Map<string, Float32Array> {
  const source = (name: string) => tensors.get(name)!.data as Float32Array | Uint8Array;
  const found = new Map<string, Float32Array>();
  for (const { matrix, stored, split } of listMatrixSlots(shape))
    for (const { matrix: own, representation, options } of stored) {
      const dense = representation.materialize(source, own, options);
      if (split || matrix.parts === undefined) found.set(own.role, dense);
      else
        for (const { role, from, to } of matrix.parts)
          found.set(
            role,
            Float32Array.from({ length: own.inputs * (to - from) }, (_, i) => {
              const width = to - from;
              return dense[Math.floor(i / width) * own.outputs + from + (i % width)]!;
            }),
          );
    }
  return found;
}

/** Over all matrices, in the Frobenius norm. A matrix removed with its layer counts as zeros. */
function distance(
  before: ReadonlyMap<string, Float32Array>,
  after: ReadonlyMap<string, Float32Array>,
): number {
  let total = 0;
  for (const [role, matrix] of before)
    matrix.forEach((each, i) => (total += (each - (after.get(role)?.[i] ?? 0)) ** 2));
  return Math.sqrt(total);
}

function energy(matrices: ReadonlyMap<string, Float32Array>): number {
  let total = 0;
  for (const matrix of matrices.values()) for (const each of matrix) total += each ** 2;
  return total;
}

function keptOf({ tensors }: Checkpoint, name: string, all: number): number {
  const mask = tensors.get(`${name}_mask`)?.data;
  return mask === undefined ? all : countNonZeros(mask as Uint8Array);
}

it("is in the catalog for every file that defines one", () => {
  const folder = new URL("../../src/backend/methods/", import.meta.url);
  const files = readdirSync(folder).filter((file) =>
    readFileSync(new URL(file, folder), "utf8").includes("export default"),
  );
  expect(Object.keys(methods).sort()).toEqual(files.map((file) => file.replace(".ts", "")).sort());
});

/** The first sample meets every family. The others take turns, and meet all of them in `npm run test:long`. */
const isTried = (sample: number, family: number) =>
  sample === 0 || (sample + family) % 3 === 0 || process.env["LATHE_LONG"] !== undefined;

describe.each(Object.entries(methods))("%s", (id, method) => {
  it("has a title and explains each option", () => {
    expect(method.title).toMatch(/^[A-Z]/);
    expect(method.samples.length).toBeGreaterThan(0);
    const { shape } = method.options as unknown as z.ZodObject<Record<string, z.ZodType>>;
    for (const [key, option] of Object.entries(shape))
      expect(option.description, `${id}.${key}`).toMatch(/\.$/);
    if (method.rate !== undefined) expect(Object.keys(shape)).toContain(method.rate);
  });

  const families = distinctFamilies;
  const cases = method.samples.flatMap((sample, i) =>
    families.filter((_, k) => isTried(i, k)).map((family) => ({ sample, family })),
  );
  const rates = method.levels ?? [0, 0.25, 0.5, 0.75, 1];
  /** A method without a rate has one form. */
  const forms = method.rate === undefined ? [{}] : rates.map((rate) => ({ [method.rate!]: rate }));

  // Levels that are not shares always remove something, so there is nothing to check.
  const whole = method.rate !== undefined && method.levels === undefined ? families : [];
  it.each(whole)("leaves every matrix of %s unchanged, bit for bit, at a rate of 0", async (family) => {
    const before = tinyCheckpoint(family);
    const after = await applied(method, { [method.rate!]: 0 }, before);
    if (after === undefined) {
      expectRefused(method, { [method.rate!]: 0 }, before);
      return;
    }
    for (const [role, matrix] of matricesOf(after))
      expect(matrix, role).toEqual(matricesOf(before).get(role));
  });

  const withRate = method.rate === undefined ? [] : families;
  it.each(withRate)("moves further from the matrices of %s at higher rates", async (family) => {
    const before = tinyCheckpoint(family);
    const errors: number[] = [];
    // What the improved form fits to the text moves the weights that remain, too.
    const { shape: known } = method.options as unknown as z.ZodObject<Record<string, z.ZodType>>;
    const published = "as" in known ? { as: "published" } : {};
    // With one exponent, 0, no weight moves to another place.
    const unscaled = "n_grid" in known ? { n_grid: 1 } : {};
    for (const form of forms) {
      const given = { ...form, ...published, ...unscaled };
      const after = await applied(method, given, before);
      if (after === undefined) {
        expectRefused(method, given, before);
        return;
      }
      // A model of another width has other channels, so that only their number is compared.
      const [wide, narrow] = [before, after].map(({ shape }) => dimensionsOf(shape).width);
      if (narrow! < wide!) {
        errors.push(countModel(before.shape).total.stored - countModel(after.shape).total.stored);
        continue;
      }
      // If the remaining units have moved to the front, the difference is what was removed.
      const isMoved = Object.values(after.shape.representations).some(({ type }) => type === "sliced");
      const [was, is] = [matricesOf(before), matricesOf(after)];
      errors.push(isMoved ? Math.sqrt(energy(was) - energy(is)) : distance(was, is));
    }
    // Levels that are not shares always remove something.
    if (method.levels === undefined) expect(errors[0]).toBe(0);
    expect(errors.at(-1)).toBeGreaterThan(0);
    expect(errors).toEqual([...errors].sort((a, b) => a - b));
  });

  it.each(families)(
    "turns %s into a model that is saved and loaded bit for bit, with the counts of the file",
    async (family) => {
      const before = tinyCheckpoint(family);
      using folder = createTemporaryFolder();
      for (const [index, form] of forms.entries()) {
        const after = await applied(method, form, before);
        if (after === undefined) {
          expectRefused(method, form, before);
          return;
        }
        const path = join(folder.path, `form-${index}`);
        writeCheckpoint(path, after);
        const read = readCheckpoint(path);
        expect(read).toEqual(after);
        const { total } = countModel(after.shape);
        const written = [...read.tensors].map(([name, { data }]) =>
          // A masked tensor counts what the mask keeps, however the file stores it.
          data instanceof Uint8Array ? 0 : keptOf(read, name, data.length),
        );
        expect(written.reduce((sum, each) => sum + each, 0)).toBe(total.stored);
      }
    },
  );

  // What needs no text treats every matrix alike, so that one sample shows it.
  const samplesWithText = method.samples.filter(
    (sample, index) => index === 0 || method.needs?.(method.options.parse(sample)).includes("text") === true,
  );
  const single = families.flatMap((family) =>
    listOtherRoles(family)
      .flatMap((role) => samplesWithText.map((sample) => ({ sample: { ...sample, targets: role }, family })))
      // A method of the whole model has no targets.
      .filter(({ sample }) => method.options.safeParse(sample).success),
  );
  it.each(single)("plans exactly what it can apply to $sample of $family", async ({ sample, family }) => {
    const options = method.options.parse(sample) as unknown;
    const before = tinyCheckpoint(family);
    try {
      method.plan(before.shape, options);
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(WorkbenchError);
      return;
    }
    const after = await method.apply(before, options, lab());
    checkTensors("the result", after.shape, after.tensors);
  });

  it.each(cases)(
    "plans $sample of $family and follows the plan, or refuses with the reason",
    async ({ sample, family }) => {
      const shape = createTinyShape(family);
      const options = method.options.parse(sample) as unknown;
      let plan: Plan;
      try {
        plan = method.plan(shape, options);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(WorkbenchError);
        expect(["unsupported", "invalid-input"]).toContain((thrown as WorkbenchError).code);
        const before = { shape, tensors: drawModelTensors(shape, 4) };
        await expect(method.apply(before, options, lab())).rejects.toThrow((thrown as Error).message);
        return;
      }
      expect(method.plan(shape, options)).toEqual(plan);
      expect(plan.before).toEqual(countModel(shape));

      const tensors = drawModelTensors(shape, 4);
      const untouched = new Map([...tensors].map(([name, { data }]) => [name, data.slice()]));
      const after = await method.apply({ shape, tensors }, options, lab());
      for (const [name, { data }] of tensors) expect(data, name).toEqual(untouched.get(name));
      checkTensors("the result", after.shape, after.tensors);
      expect(await method.apply({ shape, tensors }, options, lab())).toEqual(after);

      // A method without a rate can give a vector that is zero, such as a bias that has moved, which is stored all the same.
      const counts = countModel(
        after.shape,
        method.rate === undefined
          ? undefined
          : { tensors: (name) => after.tensors.get(name)!.data as Float32Array },
      );
      if (plan.exact === "roles") expect(counts.roles).toEqual(plan.after.roles);
      if (plan.exact === "roles" || plan.exact === "total") {
        expect(counts.total).toEqual(plan.after.total);
        expect(counts.nonEmbedding).toEqual(plan.after.nonEmbedding);
      }
      if (plan.exact !== "least") expect(counts.total.nonZero).toBeLessThanOrEqual(plan.after.total.nonZero);
      // The shape alone gives the same counts as the tensors.
      expect(countModel(after.shape)).toEqual(counts);
    },
  );
});
