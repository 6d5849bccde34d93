/** What every method promises, on the smallest model of every family. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { countModel } from "../../src/backend/evaluation/accounting";
import { methods } from "../../src/backend/methods/catalog";
import type { Lab, Plan } from "../../src/backend/methods/method";
import { models } from "../../src/backend/models/catalog";
import { checkTensors } from "../../src/backend/training/checkpoint";
import { WorkbenchError } from "../../src/protocol/errors";
import { drawnTensors, tinyShape } from "../support/subject";

const lab: Lab = {
  seed: 1,
  signal: new AbortController().signal,
  progress: () => undefined,
  log: () => undefined,
};

it("is in the catalog for every file that defines one", () => {
  const folder = new URL("../../src/backend/methods/", import.meta.url);
  const files = readdirSync(folder).filter((file) =>
    readFileSync(new URL(file, folder), "utf8").includes("export default"),
  );
  expect(Object.keys(methods).sort()).toEqual(files.map((file) => file.replace(".ts", "")).sort());
});

describe.each(Object.entries(methods))("%s", (id, method) => {
  it("has a title and explains each option", () => {
    expect(method.title).toMatch(/^[A-Z]/);
    expect(method.samples.length).toBeGreaterThan(0);
    const { shape } = method.options as unknown as z.ZodObject<Record<string, z.ZodType>>;
    for (const [key, option] of Object.entries(shape))
      expect(option.description, `${id}.${key}`).toMatch(/\.$/);
    expect(Object.keys(shape)).toContain(method.rate);
  });

  const cases = method.samples.flatMap((sample) => Object.keys(models).map((family) => ({ sample, family })));
  it.each(cases)(
    "plans $sample of $family and does what it planned, or refuses with the reason",
    async ({ sample, family }) => {
      const shape = tinyShape(family);
      const options = method.options.parse(sample) as unknown;
      let plan: Plan;
      try {
        plan = method.plan(shape, options);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(WorkbenchError);
        expect(["unsupported", "invalid-input"]).toContain((thrown as WorkbenchError).code);
        const before = { shape, tensors: drawnTensors(shape, 4) };
        await expect(method.apply(before, options, lab)).rejects.toThrow((thrown as Error).message);
        return;
      }
      expect(method.plan(shape, options)).toEqual(plan);
      expect(plan.before).toEqual(countModel(shape));

      const tensors = drawnTensors(shape, 4);
      const untouched = new Map([...tensors].map(([name, { data }]) => [name, data.slice()]));
      const after = await method.apply({ shape, tensors }, options, lab);
      for (const [name, { data }] of tensors) expect(data, name).toEqual(untouched.get(name));
      checkTensors("the result", after.shape, after.tensors);
      expect(await method.apply({ shape, tensors }, options, lab)).toEqual(after);

      const counts = countModel(after.shape, {
        tensors: (name) => after.tensors.get(name)!.data as Float32Array,
      });
      if (plan.exact === "roles") expect(counts.roles).toEqual(plan.after.roles);
      if (plan.exact !== "bound") {
        expect(counts.total).toEqual(plan.after.total);
        expect(counts.nonEmbedding).toEqual(plan.after.nonEmbedding);
      }
      expect(counts.total.nonZero).toBeLessThanOrEqual(plan.after.total.nonZero);
      // The shape alone says the same as the tensors do.
      expect(countModel(after.shape)).toEqual(counts);
    },
  );
});
